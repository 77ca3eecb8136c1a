# The MAC of a message (GBCS 4.3.3, 6.3): a key of its own for every message, derived from the
# secret that two parties share, and GMAC under it.
#
#   info = originator || 09 kind counter || recipient
#   K    = SHA-256(00000001 || Z || 60857406080300 || info)[:16]
#   MAC  = GMAC(K, originator || 00000000, 11 00000000 00 || GBT)[:12]
#
# Originator and recipient are those of the grouping header, also where the Access Control Broker's
# key agreement key stands in for a supplier's.

import hashlib

from hanbootloader.compat import const
from hanbootloader.han.gbcs.message import MAC_BYTES
from hanbootloader.trust import gmac

if __debug__:  # in annotations alone
    from hanbootloader.han.gbcs.message import Message

# fmt: off
SECRET_BYTES = const(32)
_KEY_BYTES   = const(16)
# fmt: on

# NIST SP 800-56A concatenation KDF: counter 1; algorithm id of AES-GCM-128 (DLMS green book)
_ROUND = b"\x00\x00\x00\x01"
_ALGORITHM = b"\x60\x85\x74\x06\x08\x03\x00"

# security control 0x11, invocation counter 0, and an empty field
_AAD_HEAD = b"\x11\x00\x00\x00\x00\x00"


# The key of `message`. secret: Z, the x coordinate of the ECDH point, 32 octets.
def derive_key(secret: bytes, message: "Message") -> bytes:
    if len(secret) != SECRET_BYTES:
        raise ValueError
    sha = hashlib.sha256(_ROUND)
    sha.update(secret)
    sha.update(_ALGORITHM)
    sha.update(message.originator)
    sha.update(bytes((9, message.kind)))
    sha.update(message.counter.to_bytes(8, "big"))
    sha.update(message.recipient)
    return sha.digest()[:_KEY_BYTES]


def make(secret: bytes, message: "Message") -> bytes:
    key = derive_key(secret, message)
    iv = message.originator + bytes(4)
    return gmac.tag(key, iv, _AAD_HEAD + message.grouped())[:MAC_BYTES]


# Whether the message carries the MAC that `secret` gives.
def is_right(secret: bytes, message: "Message") -> bool:
    return message.mac is not None and gmac.is_equal(make(secret, message), message.mac)
