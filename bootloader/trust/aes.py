# AES-128, encryption of a block only (FIPS 197): what GCM is made of. MicroPython's cryptolib where
# the port has it.

from hanbootloader.compat import const

try:
    from cryptolib import aes as _aes  # type: ignore[import-not-found]
except ImportError:
    from hanbootloader.trust.software_aes import aes as _aes

# fmt: off
BLOCK_BYTES = const(16)
KEY_BYTES   = const(16)
_ECB        = const(1)  # cryptolib's number of the mode
# fmt: on


class Cipher:
    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError
        self._aes = _aes(key, _ECB)

    def encrypt(self, block: bytes) -> bytes:
        if len(block) != BLOCK_BYTES:
            raise ValueError
        return self._aes.encrypt(block)  # type: ignore[no-any-return]
