# What is frozen into the firmware.
include("../bootloader_manifest.py")
freeze(".", ("_boot.py", "board.py", "main.py"), opt=2)
