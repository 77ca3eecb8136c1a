# SHA-1 (FIPS 180-4, 6.1), for builds of MicroPython that have none: the unix port without TLS.
# Firmware of chips has its own, and leaves this out.

from hanbootloader.compat import const

_BLOCK_BYTES = const(64)
_WORD = 0xFFFFFFFF

# FIPS 180-4, 5.3.1 and 4.2.1
_INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)


# As hashlib's, for a message that is there as a whole.
class sha1:  # noqa: N801 - its name there
    def __init__(self, message: bytes) -> None:
        self._message = message

    def digest(self) -> bytes:
        message = self._message
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
