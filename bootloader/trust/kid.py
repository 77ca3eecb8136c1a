# The key identifier of a public key: RFC 5280 4.2.1.2 method 2, as SMKI certificates carry it. That
# is 0100 and the low 60 bits of the SHA-1 of 04 || x || y.
#
# SHA-1 (FIPS 180-4, 6.1) is here because some builds of MicroPython have none. It names a key and
# protects nothing.

from hanbootloader.compat import const

# fmt: off
_KID_BYTES   = const(8)
_BLOCK_BYTES = const(64)
_WORD        = 0xFFFFFFFF
# fmt: on

# FIPS 180-4, 5.3.1 and 4.2.1
_INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)


# kid of the key x || y
def kid_of(key: "bytes | memoryview") -> bytes:
    octets = bytearray(_sha1(b"\x04" + bytes(key))[-_KID_BYTES:])
    octets[0] = 0x40 | octets[0] & 0x0F
    return bytes(octets)


def _sha1(message: bytes) -> bytes:
    bits = len(message) * 8
    message += b"\x80" + bytes(-(len(message) + 9) % _BLOCK_BYTES) + bits.to_bytes(8, "big")
    state: "tuple[int, ...]" = _INITIAL
    for at in range(0, len(message), _BLOCK_BYTES):
        state = _compress(state, message[at : at + _BLOCK_BYTES])
    return b"".join([word.to_bytes(4, "big") for word in state])


def _compress(state: "tuple[int, ...]", block: bytes) -> "tuple[int, ...]":
    words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, _BLOCK_BYTES, 4)]
    a, b, c, d, e = state
    for step in range(80):
        if step >= 16:
            words.append(
                _rotated(words[step - 3] ^ words[step - 8] ^ words[step - 14] ^ words[step - 16], 1)
            )
        if step < 20:
            mixed = b & c | (b ^ _WORD) & d
        elif 40 <= step < 60:
            mixed = b & c | b & d | c & d
        else:
            mixed = b ^ c ^ d
        fresh = _rotated(a, 5) + mixed + e + _CONSTANTS[step // 20] + words[step] & _WORD
        a, b, c, d, e = fresh, a, _rotated(b, 30), c, d
    return tuple([old + new & _WORD for old, new in zip(state, (a, b, c, d, e))])


def _rotated(word: int, count: int) -> int:
    return (word << count | word >> 32 - count) & _WORD
