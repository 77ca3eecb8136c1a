# The key identifier of a public key: RFC 5280 4.2.1.2 method 2, as SMKI certificates carry it. That
# is 0100 and the low 60 bits of the SHA-1 of 04 || x || y, which names a key and protects nothing.

from hanbootloader.compat import const

try:
    from hashlib import sha1
except ImportError:
    from hanbootloader.trust.sha1 import sha1  # type: ignore[assignment]

_KID_BYTES = const(8)


# kid of the key x || y
def kid_of(key: "bytes | memoryview") -> bytes:
    octets = bytearray(sha1(b"\x04" + bytes(key)).digest()[-_KID_BYTES:])
    octets[0] = 0x40 | octets[0] & 0x0F
    return bytes(octets)
