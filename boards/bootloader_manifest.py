# What every product freezes, as it stands: the bootloader's modules that a device imports, and the
# asyncio that applications use. Writers of formats, which tools on a host import, stay out.
from hanboot.boards.bootloader_files import PACKAGE, bootloader_modules

# Level 2 leaves out assertions and keeps line numbers: what a product reports can be looked up.
_LEVEL = 2

# asyncio without its network streams
package(
    "asyncio",
    ("__init__.py", "core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=_LEVEL,
)

_root = PACKAGE.parent
freeze(str(_root), tuple(str(path.relative_to(_root)) for path in bootloader_modules()), opt=_LEVEL)
