# What is frozen into development firmware, which has a Home Area Network over its console.
from hanboot.installation import BOARDS

include(str(BOARDS / "bootloader_manifest.py"), level=2)
freeze(str(BOARDS / "common"), ("console_board.py", "rp2040_chip.py"), opt=2)
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
