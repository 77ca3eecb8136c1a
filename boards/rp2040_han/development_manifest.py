# What is frozen into development firmware, which has a Home Area Network over its console.
from hanboot.installation import BOARDS

include(str(BOARDS / "bootloader_manifest.py"))
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
