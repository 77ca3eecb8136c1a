# GBCS messages in ZCL frames: Transfer Data of the Tunnelling cluster, 0x0704 (Smart Energy).
#
#   0  tunnel id (2, little-endian)   2  the message
#
# That GBCS messages travel so is a default of ours: no public source says how. One message is one
# frame; fragments are the radio's business. The Default Response is the receipt.

from hanbootloader.compat import const
from hanbootloader.han.zcl import Malformed

# fmt: off
TO_CLIENT = const(0x01)  # Transfer Data, server to client
TO_SERVER = const(0x02)
_TUNNEL   = const(0)
# fmt: on


def encode_transfer(message: "bytes | memoryview") -> bytes:
    return _TUNNEL.to_bytes(2, "little") + bytes(message)


def parse_transfer(payload: "bytes | memoryview") -> "bytes | memoryview":
    if len(payload) < 3 or payload[0] | payload[1] << 8 != _TUNNEL:
        raise Malformed()
    return payload[2:]
