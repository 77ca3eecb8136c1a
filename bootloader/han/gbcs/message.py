# A GBCS message (GBCS 7.2): what surrounds every payload, whatever its use case.
#
#   with a MAC     MAC-Header || GBT || MAC
#   otherwise      GBT
#   GBT            Grouping-Header || payload || signature block
#
#   MAC-Header     DD  00 00 00 00 00 00  len(5 + GBT + 12)  11 00000000
#   Grouping-Header
#       DF
#       09 kind(1) counter(8)         transaction id
#       08 originator(8)  08 recipient(8)
#       00 | 0C date-time(12)
#       02 code(2) | 12 code(2) remote party(8) remote counter(8)
#       len(payload)
#   signature block
#       40 r(32) s(32) | 00           before it is signed a command may lack it altogether
#
# A length is BER: one octet up to 127, else 81 xx or 82 xxxx. Numbers are big-endian. All of it is
# read as the fixed template that it is; nothing may follow.

from hanbootloader.compat import const
from hanbootloader.reasons import MESSAGE_FORMAT, Refused

# fmt: off
COMMAND          = const(1)
RESPONSE         = const(2)
ALERT            = const(3)

MESSAGE_MAX_BYTES = const(1200)  # of any message here; the longest known firmware message has 175
MAC_BYTES        = const(12)
SIGNATURE_BYTES  = const(64)
PARTY_BYTES      = const(8)      # an EUI-64: a device, or a remote party's identifier

_GENERAL_CIPHERING = const(0xDD)  # DLMS green book 8, 9.5, tags of the APDUs
_GENERAL_SIGNING   = const(0xDF)
_SECURITY_BYTES    = const(5)     # security control 0x11 (authenticated only), invocation counter 0
_CODE_BYTES        = const(2)
_CODE_AND_PARTY_BYTES = const(18)
# fmt: on

_SECURITY = b"\x11\x00\x00\x00\x00"
_NOTHING_SIX_TIMES = bytes(6)


# What is around a payload. The octets are kept, not copied.
#
#   kind         COMMAND, RESPONSE or ALERT
#   code         message code
#   counter      originator counter, or the one of the command that this answers
#   originator   8 octets           recipient   8 octets
#   date_time    b"", or a DLMS date-time of 12 octets
#   party        None, or (remote party, its counter) where the Access Control Broker speaks for it
#   payload      as it stands in the message
#   signature    64 octets; b"" where the block is empty; None where there is no block
#   mac          12 octets; None where there is none
class Message:
    def __init__(
        self,
        kind: int,
        code: int,
        counter: int,
        originator: "bytes | memoryview",
        recipient: "bytes | memoryview",
        payload: "bytes | memoryview",
        date_time: "bytes | memoryview" = b"",
        party: "tuple[bytes, int] | None" = None,
        signature: "bytes | memoryview | None" = None,
        mac: "bytes | memoryview | None" = None,
    ) -> None:
        self.kind = kind
        self.code = code
        self.counter = counter
        self.originator = bytes(originator)
        self.recipient = bytes(recipient)
        self.payload = payload
        self.date_time = bytes(date_time)
        self.party = party
        self.signature = signature
        self.mac = mac
        self.payload_at = 0  # in the octets that it was parsed from

    # What a signature covers: all from after the tag to the end of the payload.
    def signed_octets(self) -> bytes:
        identifier = bytes((9, self.kind)) + self.counter.to_bytes(8, "big")
        parties = b"\x08" + self.originator + b"\x08" + self.recipient
        other = self.code.to_bytes(_CODE_BYTES, "big")
        if self.party is not None:
            other += self.party[0] + self.party[1].to_bytes(8, "big")
        return b"".join(
            (
                identifier,
                parties,
                bytes((len(self.date_time),)),
                self.date_time,
                bytes((len(other),)),
                other,
                encode_length(len(self.payload)),
                bytes(self.payload),
            )
        )

    # The message without MAC header and MAC, which is what a MAC covers.
    def grouped(self) -> bytes:
        signed = bytes((_GENERAL_SIGNING,)) + self.signed_octets()
        if self.signature is None:
            return signed
        return signed + bytes((len(self.signature),)) + bytes(self.signature)

    def encode(self) -> bytes:
        grouped = self.grouped()
        if self.mac is None:
            return grouped
        length = encode_length(_SECURITY_BYTES + len(grouped) + MAC_BYTES)
        head = bytes((_GENERAL_CIPHERING,)) + _NOTHING_SIX_TIMES + length + _SECURITY
        return head + grouped + bytes(self.mac)


def encode_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    if length < 0x100:
        return bytes((0x81, length))
    return bytes((0x82, length >> 8, length & 255))


# The message in exactly `octets`; Refused(MESSAGE_FORMAT) with the offset of the field at fault.
def parse(octets: "bytes | bytearray | memoryview") -> Message:
    if len(octets) > MESSAGE_MAX_BYTES:
        raise Refused(MESSAGE_FORMAT, MESSAGE_MAX_BYTES)
    cursor = _Cursor(memoryview(octets))
    mac = None
    if len(octets) and octets[0] == _GENERAL_CIPHERING:
        cursor.at = 1
        cursor.expect(_NOTHING_SIX_TIMES)
        at = cursor.at
        if cursor.length() != len(octets) - cursor.at:
            raise Refused(MESSAGE_FORMAT, at)
        cursor.expect(_SECURITY)
        cursor.end -= MAC_BYTES
        mac = octets[len(octets) - MAC_BYTES :]
    message = _parse_grouped(cursor)
    message.mac = None if mac is None else bytes(mac)
    # only a command that is yet to be signed has no signature block, and so never a MAC
    if message.signature is None and (mac is not None or message.kind != COMMAND):
        raise Refused(MESSAGE_FORMAT, cursor.at)
    return message


def _parse_grouped(cursor: "_Cursor") -> Message:
    cursor.expect(b"\xdf\x09")
    kind = cursor.octet()
    if not COMMAND <= kind <= ALERT:
        raise Refused(MESSAGE_FORMAT, cursor.at - 1)
    counter = int.from_bytes(cursor.take(8), "big")
    cursor.expect(b"\x08")
    originator = cursor.take(PARTY_BYTES)
    cursor.expect(b"\x08")
    recipient = cursor.take(PARTY_BYTES)
    date_time = cursor.one_of(0, 12)
    other = cursor.one_of(_CODE_BYTES, _CODE_AND_PARTY_BYTES)
    party = None
    if len(other) == _CODE_AND_PARTY_BYTES:
        party = bytes(other[2:10]), int.from_bytes(other[10:], "big")
    length = cursor.length()
    at = cursor.at
    payload = cursor.take(length)
    signature = None if cursor.at == cursor.end else cursor.one_of(0, SIGNATURE_BYTES)
    if cursor.at != cursor.end:
        raise Refused(MESSAGE_FORMAT, cursor.at)
    code = other[0] << 8 | other[1]
    message = Message(
        kind, code, counter, originator, recipient, payload, date_time, party, signature
    )
    message.payload_at = at
    return message


class _Cursor:
    def __init__(self, octets: memoryview) -> None:
        self._octets = octets
        self.at = 0
        self.end = len(octets)

    def take(self, count: int) -> memoryview:
        at = self.at
        if count > self.end - at:
            raise Refused(MESSAGE_FORMAT, at)
        self.at = at + count
        return self._octets[at : at + count]

    def octet(self) -> int:
        return self.take(1)[0]

    def expect(self, constant: bytes) -> None:
        at = self.at
        if bytes(self.take(len(constant))) != constant:
            raise Refused(MESSAGE_FORMAT, at)

    # a field with its length in front, one of two
    def one_of(self, short: int, long: int) -> memoryview:
        length = self.octet()
        if length != short and length != long:
            raise Refused(MESSAGE_FORMAT, self.at - 1)
        return self.take(length)

    # a BER length, in the fewest octets
    def length(self) -> int:
        at = self.at
        length = self.octet()
        if length >= 0x80:
            count = length & 0x7F
            if not 1 <= count <= 2:
                raise Refused(MESSAGE_FORMAT, at)
            length = int.from_bytes(self.take(count), "big")
            if len(encode_length(length)) != count + 1:
                raise Refused(MESSAGE_FORMAT, at)
        return length
