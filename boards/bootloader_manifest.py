# What every product freezes, as it stands: the bootloader's modules that a device imports, and the
# asyncio that applications use. Writers of formats, which tools on a host import, stay out.
#
#   include("../bootloader_manifest.py", network=False)     for a board without a Home Area Network
from hanboot.boards.bootloader_files import PACKAGE, bootloader_modules

options.defaults(network=True)

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
_modules = bootloader_modules(has_network=options.network)
freeze(str(_root), tuple(str(path.relative_to(_root)) for path in _modules), opt=_LEVEL)
