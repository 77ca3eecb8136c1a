# What is frozen into the firmware.
include("../bootloader_manifest.py")
freeze("../common", ("esp32_chip.py", "flash_view.py", "sub_range.py"), opt=2)
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
