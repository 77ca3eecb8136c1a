# What is frozen into development firmware, which has a Home Area Network over its console. With
# level=2 in the include, a traceback has line numbers, for 7 KiB.
from hanboot.installation import BOARDS

include(str(BOARDS / "bootloader_manifest.py"))
freeze(str(BOARDS / "common"), ("console_board.py", "rp2040_chip.py"), opt=2)
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
