# GMAC on AES-128: the tag of GCM over data that is only authenticated (NIST SP 800-38D, 6 and 7).
# The initialisation vector has 12 octets, as everywhere in GBCS.
#
# GHASH multiplies numbers, 128 steps for a block; every step is the same arithmetic, whatever the
# bits. Big numbers are not of constant time in MicroPython all the same.

from hanbootloader.compat import const
from hanbootloader.trust.aes import BLOCK_BYTES, Cipher

# fmt: off
TAG_BYTES = const(16)
IV_BYTES  = const(12)
# fmt: on

_REDUCE = 0xE1 << 120  # SP 800-38D, 6.3: R


# The tag over `data`.
def tag(key: bytes, iv: bytes, data: bytes) -> bytes:
    if not self_test():
        raise ValueError
    return _tag(key, iv, data)


def _tag(key: bytes, iv: bytes, data: bytes) -> bytes:
    if len(iv) != IV_BYTES:
        raise ValueError
    cipher = Cipher(key)
    subkey = int.from_bytes(cipher.encrypt(bytes(BLOCK_BYTES)), "big")
    hashed = 0
    for at in range(0, len(data), BLOCK_BYTES):
        block = data[at : at + BLOCK_BYTES]
        block = block + bytes(BLOCK_BYTES - len(block))
        hashed = _multiply(hashed ^ int.from_bytes(block, "big"), subkey)
    # the last block: bits of data, and 0 bits of ciphertext
    hashed = _multiply(hashed ^ len(data) * 8 << 64, subkey)
    mask = int.from_bytes(cipher.encrypt(iv + b"\x00\x00\x00\x01"), "big")
    return (hashed ^ mask).to_bytes(TAG_BYTES, "big")


# x * y in GF(2^128) (SP 800-38D, 6.3).
def _multiply(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        product ^= y * (x >> bit & 1)
        y = y >> 1 ^ _REDUCE * (y & 1)
    return product


# Whether two tags are equal, without telling where they differ.
def is_equal(one: "bytes | memoryview", other: "bytes | memoryview") -> bool:
    if len(one) != len(other):
        return False
    difference = 0
    for at in range(len(one)):
        difference |= one[at] ^ other[at]
    return difference == 0


# --- known answer, from gcmEncryptExtIV128.rsp of NIST's CAVP: no plaintext, 16 octets of data

_passed: "bool | None" = None


def self_test() -> bool:
    global _passed
    if _passed is None:
        known = _tag(
            b"\x77\xbe\x63\x70\x89\x71\xc4\xe2\x40\xd1\xcb\x79\xe8\xd7\x7f\xeb",
            b"\xe0\xe0\x0f\x19\xfe\xd7\xba\x01\x36\xa7\x97\xf3",
            b"\x7a\x43\xec\x1d\x9c\x0a\x5a\x78\xa0\xb1\x65\x33\xa6\x21\x3c\xab",
        )
        _passed = known == b"\x20\x9f\xcc\x8d\x36\x75\xed\x93\x8e\x9c\x71\x66\x70\x9d\xd9\x46"
    return _passed
