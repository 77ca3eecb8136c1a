# DER of the ASN.1 payloads (GBCS 11.5 and the use cases of its firmware management), strictly: one
# encoding for each value, and nothing before, between or after (X.690 10 and 11).
#
# A payload is declared once, as a template, and both ways follow from it:
#
#     ((name, kind, size), ...)      a SEQUENCE of these; values are a dict by name
#
#   INTEGER    int of 0 to `size`          OCTETS    bytes, `size` of them
#   VERSION    int, four octets            TIME      str "YYYYMMDDHHMMSSZ"
#   OUTCOME    a SEQUENCE in the SEQUENCE; `size` is its template
#
# A last field may be missing where its kind is | OPTIONAL. No payload is longer than 127 octets, so
# only the short form of a length occurs.

from hanbootloader.compat import const
from hanbootloader.han.gbcs import clock
from hanbootloader.reasons import MESSAGE_PAYLOAD, Refused

# fmt: off
INTEGER  = const(0)
OCTETS   = const(1)
VERSION  = const(2)
TIME     = const(3)
OUTCOME  = const(4)
OPTIONAL = const(16)

_TAGS = b"\x02\x04\x04\x18\x30"  # by kind

_SEQUENCE       = const(0x30)
_LONGEST        = const(127)
_VERSION_OCTETS = const(4)
_TIME_OCTETS    = const(15)
# fmt: on

NULL = b"\x05\x00"


# The octets of `values` by `template`; ValueError where a value does not fit it.
def encode(template: "tuple", values: "dict") -> bytes:  # type: ignore[type-arg]
    content = b""
    for name, kind, size in template:
        value = values.get(name)
        if value is None and kind & OPTIONAL:
            continue
        kind &= ~OPTIONAL
        if kind == OUTCOME:
            content += encode(size, value or {})
        else:
            content += _element(_TAGS[kind], _content(kind, size, value))
    return _element(_SEQUENCE, content)


def _element(tag: int, content: bytes) -> bytes:
    if len(content) > _LONGEST:
        raise ValueError
    return bytes((tag, len(content))) + content


def _content(kind: int, size: int, value: object) -> bytes:
    if kind == INTEGER:
        if not isinstance(value, int) or not 0 <= value <= size:
            raise ValueError
        # X.690 8.3: the fewest octets, the first of which begins with the sign bit, 0
        length = 1
        while value >> 8 * length - 1:
            length += 1
        return value.to_bytes(length, "big")
    if kind == VERSION:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
            raise ValueError
        return value.to_bytes(_VERSION_OCTETS, "big")
    if kind == TIME:
        if not isinstance(value, str) or not clock.is_time(value):
            raise ValueError
        return value.encode()
    if not isinstance(value, bytes) or len(value) != size:
        raise ValueError
    return value


# The values of exactly `octets`, which begin at `offset` of the message; Refused(MESSAGE_PAYLOAD)
# with the offset of the element at fault.
def decode(template: "tuple", octets: memoryview, offset: int) -> "dict":  # type: ignore[type-arg]
    values, at = _decode_sequence(template, octets, 0, offset)
    if at != len(octets):
        raise Refused(MESSAGE_PAYLOAD, offset + at)
    return values  # type: ignore[no-any-return]


def _decode_sequence(  # type: ignore[no-untyped-def]
    template: "tuple",  # type: ignore[type-arg]
    octets: memoryview,
    at: int,
    offset: int,
):
    start = at
    at, end = _bounds(_SEQUENCE, octets, at, offset)
    values = {}
    for name, kind, size in template:
        if kind & OPTIONAL and at == end:
            continue
        kind &= ~OPTIONAL
        if kind == OUTCOME:
            values[name], at = _decode_sequence(size, octets, at, offset)
        else:
            first, after = _bounds(_TAGS[kind], octets, at, offset)
            values[name] = _value(kind, size, octets[first:after], offset + at)
            at = after
        if at > end:
            raise Refused(MESSAGE_PAYLOAD, offset + start)
    if at != end:
        raise Refused(MESSAGE_PAYLOAD, offset + at)
    return values, at


# Where the content of the element at `at` begins and ends.
def _bounds(tag: int, octets: memoryview, at: int, offset: int) -> "tuple[int, int]":
    if at + 2 > len(octets) or octets[at] != tag or octets[at + 1] > _LONGEST:
        raise Refused(MESSAGE_PAYLOAD, offset + at)
    end = at + 2 + octets[at + 1]
    if end > len(octets):
        raise Refused(MESSAGE_PAYLOAD, offset + at + 1)
    return at + 2, end


def _value(kind: int, size: int, content: memoryview, offset: int) -> object:
    length = len(content)
    if kind == INTEGER:
        # not negative, no redundant octet, and not above what may be
        if length and not content[0] & 0x80 and (length == 1 or content[0] or content[1] & 0x80):
            number = int.from_bytes(content, "big")
            if number <= size:
                return number
    elif kind == VERSION:
        if length == _VERSION_OCTETS:
            return int.from_bytes(content, "big")
    elif kind == TIME:
        if length == _TIME_OCTETS:
            # MicroPython decodes what is no ASCII without complaint; is_time finds it
            text = "".join([chr(octet) for octet in content])
            if clock.is_time(text):
                return text
    elif length == size:
        return bytes(content)
    raise Refused(MESSAGE_PAYLOAD, offset)
