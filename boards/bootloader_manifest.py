# What every product freezes, as it stands: the bootloader's modules that a device imports, and the
# asyncio that applications use. Writers of formats, which tools on a host import, stay out, and so
# do SHA-1 and AES, which the ports of chips have in C.
#
#   include("../bootloader_manifest.py", network=False)     for a board without a Home Area Network
#   include("../bootloader_manifest.py", cpl_entry=True)    for a board with a Board.cpl_key
#   include("../bootloader_manifest.py", level=2)           for tracebacks with line numbers
from hanboot.boards.bootloader_files import (
    AES,
    CPL_ENTRY,
    NETWORK,
    PACKAGE,
    SHA1,
    bootloader_modules,
)

# Level 3 leaves out assertions, what is under `if __debug__`, and line numbers, which are a
# sixteenth of the code and say nothing to a household: what a product keeps of a failure is a
# reason code, and what it prints still names file and function.
options.defaults(network=True, cpl_entry=False, level=3)

# asyncio without its network streams
package(
    "asyncio",
    ("__init__.py", "core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=options.level,
)

_root = PACKAGE.parent
_without = [SHA1, AES]
if not options.network:
    _without.append(NETWORK)
if not options.cpl_entry:
    _without.append(CPL_ENTRY)
_modules = bootloader_modules(without=_without)
freeze(str(_root), tuple(str(path.relative_to(_root)) for path in _modules), opt=options.level)
