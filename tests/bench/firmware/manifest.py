# What is frozen into firmware that is only measured: the product's modules with another main.py,
# and the signature that bench_firmware.py makes.
include("../../../boards/bootloader_manifest.py", network=False)
freeze("../../../boards/rp2040_han", ("_boot.py", "board.py"), opt=2)
freeze(".", "main.py", opt=2)
freeze("../../../build/bench/made", "signature.py", opt=2)
