# The product's frozen code with the bench's main.py, and a signature that the build makes.
import glob
import os

_root = os.path.abspath("../../..")
_bootloader = sorted(glob.glob("bootloader/**/*.py", root_dir=_root, recursive=True))

package(
    "asyncio",
    ("__init__.py", "core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=3,
)
freeze(_root, tuple(_bootloader), opt=3)
freeze(_root + "/boards/rp2040_han", ("_boot.py", "board.py"), opt=3)
freeze(".", "main.py", opt=3)
freeze(os.environ["HANBOOT_BENCH"], "signature.py", opt=3)
