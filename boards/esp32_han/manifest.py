# What is frozen into the firmware.
from hanboot.installation import BOARDS

include(str(BOARDS / "bootloader_manifest.py"))
_common = ("console_board.py", "esp32_chip.py", "flash_view.py", "sub_range.py")
freeze(str(BOARDS / "common"), _common, opt=2)
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
