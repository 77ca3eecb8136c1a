# What is frozen into the firmware; sorted, so that the same inputs give the same octets.
import glob
import os

_root = os.path.abspath("../..")
_bootloader = sorted(glob.glob("bootloader/**/*.py", root_dir=_root, recursive=True))

# what an application may use beside the bootloader: asyncio without its network streams
package(
    "asyncio",
    ("__init__.py", "core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=3,
)
freeze(_root, tuple(_bootloader), opt=3)
freeze(".", ("_boot.py", "board.py", "main.py"), opt=3)
