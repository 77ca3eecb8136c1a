# What is frozen into the firmware; sorted, so that the same inputs give the same octets.
import glob
import os

# what an application may use beside the bootloader: asyncio without its network streams
package(
    "asyncio",
    ("__init__.py", "core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=3,
)

# build.py: the product's modules, linked (docs/design/linker.md); others keep the source's names
_linked = os.environ.get("HANBOOT_LINKED")
if _linked:
    freeze(_linked, tuple(sorted(glob.glob("*.py", root_dir=_linked))), opt=3)
else:
    _root = os.path.abspath("../..")
    _bootloader = sorted(glob.glob("bootloader/**/*.py", root_dir=_root, recursive=True))
    freeze(_root, tuple(_bootloader), opt=3)
    freeze(".", ("_boot.py", "board.py", "main.py"), opt=3)
