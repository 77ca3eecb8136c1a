# ZCL frames (ZigBee Cluster Library, ZCL8 2.4): header, and the few global commands that are used.
#
#   0  frame control   [1  manufacturer code (2)]   sequence   command   payload
#
# All integers of the ZCL are little-endian.

from hanbootloader.compat import const

# fmt: off
# statuses, ZCL8 2.6.3
SUCCESS              = const(0x00)
FAILURE              = const(0x01)
NOT_AUTHORIZED       = const(0x7E)
MALFORMED_COMMAND    = const(0x80)
UNSUP_COMMAND        = const(0x81)
UNSUPPORTED_ATTRIBUTE = const(0x86)
INSUFFICIENT_SPACE   = const(0x89)
ABORT                = const(0x95)
INVALID_IMAGE        = const(0x96)
WAIT_FOR_DATA        = const(0x97)
NO_IMAGE_AVAILABLE   = const(0x98)

# global commands, ZCL8 2.5
READ_ATTRIBUTES          = const(0x00)
READ_ATTRIBUTES_RESPONSE = const(0x01)
DEFAULT_RESPONSE         = const(0x0B)

# attribute data types, ZCL8 2.6.2
UINT16  = const(0x21)
UINT32  = const(0x23)
BITMAP8 = const(0x18)
ENUM8   = const(0x30)
UTC     = const(0xE2)
EUI64   = const(0xF0)

# clusters
TIME_CLUSTER      = const(0x000A)
OTA_CLUSTER       = const(0x0019)
TUNNELING_CLUSTER = const(0x0704)

# frame control, ZCL8 2.4.1.1
_CLUSTER_SPECIFIC = const(0x01)
_TYPE_MASK        = const(0x03)
_MANUFACTURER     = const(0x04)
_FROM_SERVER      = const(0x08)
_NO_DEFAULT       = const(0x10)
_RESERVED         = const(0xE0)
# fmt: on

# octets of a value of each type
VALUE_BYTES = {UINT16: 2, UINT32: 4, BITMAP8: 1, ENUM8: 1, UTC: 4, EUI64: 8}


# A frame or payload that is not what its command says. status: for the Default Response.
class Malformed(Exception):
    def __init__(self, status: int = MALFORMED_COMMAND) -> None:
        super().__init__(status)
        self.status = status


class Frame:
    # is_global: a command of every cluster, such as Default Response
    # from_server: the direction; no_default: its sender wants no Default Response where all is well
    # manufacturer: None, or the code of a manufacturer-specific command
    def __init__(
        self,
        is_global: bool,
        from_server: bool,
        sequence: int,
        command: int,
        payload: "bytes | memoryview",
        no_default: bool = True,
        manufacturer: "int | None" = None,
    ) -> None:
        self.is_global = is_global
        self.from_server = from_server
        self.sequence = sequence
        self.command = command
        self.payload = payload
        self.no_default = no_default
        self.manufacturer = manufacturer

    def encode(self) -> bytes:
        control = 0 if self.is_global else _CLUSTER_SPECIFIC
        if self.from_server:
            control |= _FROM_SERVER
        if self.no_default:
            control |= _NO_DEFAULT
        head = bytes((control, self.sequence, self.command))
        if self.manufacturer is not None:
            code = self.manufacturer.to_bytes(2, "little")
            head = bytes((control | _MANUFACTURER,)) + code + head[1:]
        return head + bytes(self.payload)


# The frame in exactly `octets`; Malformed where there is none.
def parse(octets: "bytes | memoryview") -> Frame:
    octets = memoryview(octets)
    if len(octets) < 3:
        raise Malformed()
    control = octets[0]
    # types 2 and 3 are reserved, as are the high bits
    if control & _TYPE_MASK > _CLUSTER_SPECIFIC or control & _RESERVED:
        raise Malformed()
    at, manufacturer = 1, None
    if control & _MANUFACTURER:
        if len(octets) < 5:
            raise Malformed()
        manufacturer = octets[1] | octets[2] << 8
        at = 3
    return Frame(
        not control & _CLUSTER_SPECIFIC,
        bool(control & _FROM_SERVER),
        octets[at],
        octets[at + 1],
        octets[at + 2 :],
        bool(control & _NO_DEFAULT),
        manufacturer,
    )


# The Default Response to `frame` (ZCL8 2.5.12).
def default_response(frame: Frame, status: int) -> Frame:
    payload = bytes((frame.command, status))
    return Frame(
        True,
        not frame.from_server,
        frame.sequence,
        DEFAULT_RESPONSE,
        payload,
        manufacturer=frame.manufacturer,
    )


# (command, status) of a Default Response.
def parse_default_response(payload: "bytes | memoryview") -> "tuple[int, int]":
    if len(payload) != 2:
        raise Malformed()
    return payload[0], payload[1]


# Payload of Read Attributes (ZCL8 2.5.1).
def encode_read(attributes: "tuple[int, ...]") -> bytes:
    return b"".join([attribute.to_bytes(2, "little") for attribute in attributes])


def parse_read(payload: "bytes | memoryview") -> "list[int]":
    if len(payload) % 2:
        raise Malformed()
    return [payload[at] | payload[at + 1] << 8 for at in range(0, len(payload), 2)]


# Payload of Read Attributes Response (ZCL8 2.5.2). records: (attribute, type, value); a type of
# None says that there is no such attribute. An EUI-64 is 8 octets, most significant first.
def encode_read_response(records: "list[tuple[int, int | None, object]]") -> bytes:
    payload = b""
    for attribute, kind, value in records:
        payload += attribute.to_bytes(2, "little")
        if kind is None:
            payload += bytes((UNSUPPORTED_ATTRIBUTE,))
        elif isinstance(value, int):
            payload += bytes((SUCCESS, kind)) + value.to_bytes(VALUE_BYTES[kind], "little")
        else:
            payload += bytes((SUCCESS, kind)) + reversed_octets(value)  # type: ignore[arg-type]
    return payload


# {attribute: value}; those that the other side has not are left out.
def parse_read_response(payload: "bytes | memoryview") -> "dict[int, object]":
    values: "dict[int, object]" = {}
    at = 0
    while at < len(payload):
        if at + 3 > len(payload):
            raise Malformed()
        attribute = payload[at] | payload[at + 1] << 8
        status = payload[at + 2]
        at += 3
        if status != SUCCESS:
            continue
        size = VALUE_BYTES.get(payload[at]) if at < len(payload) else None
        if size is None or at + 1 + size > len(payload):
            raise Malformed()
        octets = payload[at + 1 : at + 1 + size]
        is_eui64 = payload[at] == EUI64
        values[attribute] = (
            reversed_octets(octets) if is_eui64 else int.from_bytes(octets, "little")
        )
        at += 1 + size
    return values


# An EUI-64 the other way round: on the air its least significant octet comes first.
def reversed_octets(octets: "bytes | memoryview") -> bytes:
    return bytes([octets[at] for at in range(len(octets) - 1, -1, -1)])
