# The receipt alert's payload, a DLMS EventNotification (GBCS 16.2; IEC 62056-5-3):
#
#   0F | 20 counter(3) | 00 | 02 members | 12 alert code(2) | 09 0C date-time(12) | 09 20 hash(32)
#
# 20 counter is the long-invoke-id: priority bit, and the low three octets of the message counter.
# Two members where no hash follows, else three. The hash is the Manufacturer Image Hash that the
# device calculated. That a failed verification (0x8F1C) has this layout too is in no public source.

from hanbootloader.compat import const
from hanbootloader.han.gbcs.clock import DATE_TIME_OCTETS
from hanbootloader.reasons import MESSAGE_PAYLOAD, Refused

# fmt: off
_HASH_BYTES  = const(32)
_COUNTER     = const(2)   # offset of the long-invoke-id's counter
_MEMBERS_AT  = const(7)
_CODE_AT     = const(9)
_TIME_AT     = const(11)
_SHORT_BYTES = const(25)  # without a hash
_LONG_BYTES  = const(59)
# fmt: on


def encode(values: "dict") -> bytes:  # type: ignore[type-arg]
    image_hash = values.get("image_hash")
    octets: bytes = b"\x0f\x20" + (values["invocation"] & 0xFFFFFF).to_bytes(3, "big")
    octets += bytes((0, 2, 2 if image_hash is None else 3, 0x12))
    octets += values["alert_code"].to_bytes(2, "big") + b"\x09\x0c" + values["date_time"]
    if image_hash is not None:
        octets += b"\x09\x20" + image_hash
    if len(octets) != (_SHORT_BYTES if image_hash is None else _LONG_BYTES):
        raise ValueError
    return octets


# The values of exactly `octets`, which begin at `offset` of the message.
def decode(octets: memoryview, offset: int) -> "dict":  # type: ignore[type-arg]
    length = len(octets)
    if length != _SHORT_BYTES and length != _LONG_BYTES:
        raise Refused(MESSAGE_PAYLOAD, offset)
    values = {
        "invocation": int.from_bytes(octets[_COUNTER : _COUNTER + 3], "big"),
        "alert_code": octets[_CODE_AT] << 8 | octets[_CODE_AT + 1],
        "date_time": bytes(octets[_TIME_AT + 2 : _TIME_AT + 2 + DATE_TIME_OCTETS]),
        "image_hash": bytes(octets[-_HASH_BYTES:]) if length == _LONG_BYTES else None,
    }
    # every octet that is no value must be as it is written
    written = encode(values)
    for at in range(length):
        if octets[at] != written[at]:
            raise Refused(MESSAGE_PAYLOAD, offset + at)
    return values
