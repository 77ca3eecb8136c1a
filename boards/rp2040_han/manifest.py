# What is frozen into the product: this board has no radio.
from hanboot.installation import BOARDS

include(str(BOARDS / "bootloader_manifest.py"), network=False)
freeze(str(BOARDS / "common"), ("console_board.py", "rp2040_chip.py"), opt=2)
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
