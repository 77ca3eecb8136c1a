# AES-128 for ports whose MicroPython has no cryptolib: encryption of a block only (FIPS 197).
#
# The tables are looked up with secret indices. A processor without a data cache (RP2040) takes the
# same time for each; on others the cache may show them to who runs code beside this.

from hanbootloader.compat import const

# fmt: off
_BLOCK_BYTES = const(16)
_KEY_BYTES   = const(16)
_ROUNDS      = const(10)

# FIPS 197, 5.1.1
_SUBSTITUTE = (
    b"\x63\x7c\x77\x7b\xf2\x6b\x6f\xc5\x30\x01\x67\x2b\xfe\xd7\xab\x76"
    b"\xca\x82\xc9\x7d\xfa\x59\x47\xf0\xad\xd4\xa2\xaf\x9c\xa4\x72\xc0"
    b"\xb7\xfd\x93\x26\x36\x3f\xf7\xcc\x34\xa5\xe5\xf1\x71\xd8\x31\x15"
    b"\x04\xc7\x23\xc3\x18\x96\x05\x9a\x07\x12\x80\xe2\xeb\x27\xb2\x75"
    b"\x09\x83\x2c\x1a\x1b\x6e\x5a\xa0\x52\x3b\xd6\xb3\x29\xe3\x2f\x84"
    b"\x53\xd1\x00\xed\x20\xfc\xb1\x5b\x6a\xcb\xbe\x39\x4a\x4c\x58\xcf"
    b"\xd0\xef\xaa\xfb\x43\x4d\x33\x85\x45\xf9\x02\x7f\x50\x3c\x9f\xa8"
    b"\x51\xa3\x40\x8f\x92\x9d\x38\xf5\xbc\xb6\xda\x21\x10\xff\xf3\xd2"
    b"\xcd\x0c\x13\xec\x5f\x97\x44\x17\xc4\xa7\x7e\x3d\x64\x5d\x19\x73"
    b"\x60\x81\x4f\xdc\x22\x2a\x90\x88\x46\xee\xb8\x14\xde\x5e\x0b\xdb"
    b"\xe0\x32\x3a\x0a\x49\x06\x24\x5c\xc2\xd3\xac\x62\x91\x95\xe4\x79"
    b"\xe7\xc8\x37\x6d\x8d\xd5\x4e\xa9\x6c\x56\xf4\xea\x65\x7a\xae\x08"
    b"\xba\x78\x25\x2e\x1c\xa6\xb4\xc6\xe8\xdd\x74\x1f\x4b\xbd\x8b\x8a"
    b"\x70\x3e\xb5\x66\x48\x03\xf6\x0e\x61\x35\x57\xb9\x86\xc1\x1d\x9e"
    b"\xe1\xf8\x98\x11\x69\xd9\x8e\x94\x9b\x1e\x87\xe9\xce\x55\x28\xdf"
    b"\x8c\xa1\x89\x0d\xbf\xe6\x42\x68\x41\x99\x2d\x0f\xb0\x54\xbb\x16"
)
# fmt: on


# As cryptolib.aes, in mode ECB, the only one there is. key: 16 octets.
def aes(key: bytes, mode: int) -> "_Cipher":
    return _Cipher(key)


class _Cipher:
    def __init__(self, key: bytes) -> None:
        self._schedule = _expand(key)

    # block: 16 octets
    def encrypt(self, block: bytes) -> bytes:
        return _encrypt(self._schedule, block)


# The round keys, 16 octets each (FIPS 197, 5.2).
def _expand(key: bytes) -> bytearray:
    schedule = bytearray(_BLOCK_BYTES * (_ROUNDS + 1))
    schedule[:_KEY_BYTES] = key
    constant = 1
    for at in range(_KEY_BYTES, len(schedule), 4):
        word = schedule[at - 4 : at]
        if at % _KEY_BYTES == 0:
            word = bytearray([_SUBSTITUTE[word[(i + 1) & 3]] for i in range(4)])
            word[0] ^= constant
            constant = _double(constant)
        for i in range(4):
            schedule[at + i] = schedule[at - _KEY_BYTES + i] ^ word[i]
    return schedule


# 2 * octet in GF(2^8) (FIPS 197, 4.2.1).
def _double(octet: int) -> int:
    return (octet << 1 ^ 0x11B * (octet >> 7)) & 0xFF


# The state is kept by column, as the block is (FIPS 197, 3.4 and 5.1).
def _encrypt(schedule: bytearray, block: bytes) -> bytes:
    state = bytearray(_BLOCK_BYTES)
    moved = bytearray(_BLOCK_BYTES)
    for i in range(_BLOCK_BYTES):
        state[i] = block[i] ^ schedule[i]
    for start in range(_BLOCK_BYTES, len(schedule), _BLOCK_BYTES):
        # SubBytes and ShiftRows: row i & 3 goes i & 3 columns to the left
        for i in range(_BLOCK_BYTES):
            moved[i] = _SUBSTITUTE[state[(i + 4 * (i & 3)) & 15]]
        if start < _BLOCK_BYTES * _ROUNDS:
            _mix_columns(moved)
        for i in range(_BLOCK_BYTES):
            state[i] = moved[i] ^ schedule[start + i]
    return bytes(state)


def _mix_columns(state: bytearray) -> None:
    for at in range(0, _BLOCK_BYTES, 4):
        a, b, c, d = state[at], state[at + 1], state[at + 2], state[at + 3]
        every = a ^ b ^ c ^ d
        state[at] = a ^ every ^ _double(a ^ b)
        state[at + 1] = b ^ every ^ _double(b ^ c)
        state[at + 2] = c ^ every ^ _double(c ^ d)
        state[at + 3] = d ^ every ^ _double(d ^ a)
