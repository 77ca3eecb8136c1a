# What is frozen into firmware that is only measured: the product's modules with another main.py,
# and the signature that bench_firmware.py makes.
from hanboot.boards.bootloader_files import PACKAGE

options.defaults(network=False)

include("../../../boards/bootloader_manifest.py", network=options.network)
if not options.network:
    # what a device of a Home Area Network does with its own keys
    _own_keys = ("private_key.py", "gmac.py", "aes.py")
    freeze(str(PACKAGE.parent), tuple(f"{PACKAGE.name}/trust/{name}" for name in _own_keys), opt=3)
freeze("../../../boards/common", ("console_board.py", "rp2040_chip.py"), opt=2)
freeze("../../../boards/rp2040_han", ("_boot.py", "board.py"), opt=2)
freeze(".", "main.py", opt=2)
freeze("../../../build/bench/made", "signature.py", opt=2)
