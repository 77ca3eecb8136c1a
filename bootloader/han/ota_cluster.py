# The commands of the OTA Upgrade cluster, 0x0019 (ZigBee 095264r23 6.10; ZCL8 11.13), for client
# and server: their payloads as dicts of values.
#
# Each command is declared once, as its fields in order, and both ways follow. Where a field is
# optional, the first octet of the payload (field control, payload type or status) decides. Exactly
# the payload is taken: trailing octets are malformed, because a hub that sends more than was asked
# for is not accepted.

from hanbootloader.compat import const
from hanbootloader.han import zcl
from hanbootloader.han.zcl import SUCCESS, WAIT_FOR_DATA, Malformed, reversed_octets

# fmt: off
IMAGE_NOTIFY              = const(0x00)  # server to client
QUERY_NEXT_IMAGE          = const(0x01)  # client to server
QUERY_NEXT_IMAGE_RESPONSE = const(0x02)
IMAGE_BLOCK               = const(0x03)
IMAGE_BLOCK_RESPONSE      = const(0x05)
UPGRADE_END               = const(0x06)
UPGRADE_END_RESPONSE      = const(0x07)

# Image Notify, payload type (095264r23 6.10.3)
WITH_VERSION   = const(3)
JITTER_MOST    = const(100)

# field control (6.10.4, 6.10.6)
HARDWARE_VERSION_PRESENT = const(0x01)
EUI64_PRESENT            = const(0x01)
BLOCK_PERIOD_PRESENT     = const(0x02)

# wildcards (6.10.9, Upgrade End Response)
ANY_CODE    = const(0xFFFF)
ANY_VERSION = const(0xFFFFFFFF)
# fmt: on

WAIT_FOR_ACTIVATION = 0xFFFFFFFF  # upgrade time: a further command will activate (6.10.10)

# ImageUpgradeStatus, attribute 0x0006
# fmt: off
NORMAL            = const(0)
DOWNLOADING       = const(1)
COMPLETE          = const(2)
WAITING           = const(3)
COUNT_DOWN        = const(4)
WAITING_EXTERNAL  = const(6)

# client attributes (6.7)
UPGRADE_SERVER_ID        = const(0x0000)
FILE_OFFSET              = const(0x0001)
CURRENT_FILE_VERSION     = const(0x0002)
CURRENT_STACK_VERSION    = const(0x0003)
DOWNLOADED_FILE_VERSION  = const(0x0004)
DOWNLOADED_STACK_VERSION = const(0x0005)
IMAGE_UPGRADE_STATUS     = const(0x0006)
MANUFACTURER_ID          = const(0x0007)
IMAGE_TYPE_ID            = const(0x0008)
MINIMUM_BLOCK_PERIOD     = const(0x0009)
IMAGE_STAMP              = const(0x000A)
ACTIVATION_POLICY        = const(0x000B)
TIMEOUT_POLICY           = const(0x000C)

# kinds of fields: so many octets of an integer, or
_EUI64 = const(0x10)
_DATA  = const(0x20)  # one octet of length, then so many
# fmt: on


def _always(first: int) -> bool:
    return True


def _success(first: int) -> bool:
    return first == SUCCESS


def _wait(first: int) -> bool:
    return first == WAIT_FOR_DATA


def _bit0(first: int) -> bool:
    return bool(first & 1)


def _bit1(first: int) -> bool:
    return bool(first & 2)


def _type1(first: int) -> bool:
    return first >= 1


def _type2(first: int) -> bool:
    return first >= 2


def _type3(first: int) -> bool:
    return first >= 3


# fmt: off
_IDENTITY = (
    ("manufacturer", 2, _always),
    ("image_type",   2, _always),
    ("version",      4, _always),
)
_IDENTITY_IF_SUCCESS = (
    ("manufacturer", 2, _success),
    ("image_type",   2, _success),
    ("version",      4, _success),
)

# command: (from the server, largest first octet, fields)
_LAYOUTS = {
    IMAGE_NOTIFY: (True, WITH_VERSION, (
        ("payload_type", 1, _always),
        ("jitter",       1, _always),
        ("manufacturer", 2, _type1),
        ("image_type",   2, _type2),
        ("version",      4, _type3),
    )),
    QUERY_NEXT_IMAGE: (False, 0x01, (
        ("field_control", 1, _always),
    ) + _IDENTITY + (
        ("hardware_version", 2, _bit0),
    )),
    QUERY_NEXT_IMAGE_RESPONSE: (True, 0xFF, (
        ("status", 1, _always),
    ) + _IDENTITY_IF_SUCCESS + (
        ("image_size", 4, _success),
    )),
    IMAGE_BLOCK: (False, 0x03, (
        ("field_control", 1, _always),
    ) + _IDENTITY + (
        ("offset",       4,      _always),
        ("max_bytes",    1,      _always),
        ("eui64",        _EUI64, _bit0),
        ("block_period", 2,      _bit1),
    )),
    IMAGE_BLOCK_RESPONSE: (True, 0xFF, (
        ("status", 1, _always),
    ) + _IDENTITY_IF_SUCCESS + (
        ("offset",       4,     _success),
        ("data",         _DATA, _success),
        ("current_time", 4,     _wait),
        ("request_time", 4,     _wait),
        ("block_period", 2,     _wait),
    )),
    UPGRADE_END: (False, 0xFF, (
        ("status", 1, _always),
    ) + _IDENTITY),
    # its first octet decides nothing
    UPGRADE_END_RESPONSE: (True, 0xFF, _IDENTITY + (
        ("current_time", 4, _always),
        ("upgrade_time", 4, _always),
    )),
}
# fmt: on


# Whether `command` is one that a server sends; Malformed for one that is not in the cluster.
def is_from_server(command: int) -> bool:
    if command not in _LAYOUTS:
        raise Malformed(zcl.UNSUP_COMMAND)
    return _LAYOUTS[command][0]


# The payload of `command`. values: by the names of the fields; ValueError where they do not fit.
def encode(command: int, values: "dict[str, object]") -> bytes:
    fields = _LAYOUTS[command][2]
    first = values[fields[0][0]]
    payload = b""
    for name, kind, is_there in fields:
        if not is_there(first):  # type: ignore[arg-type]
            continue
        value = values[name]
        if kind == _EUI64:
            payload += reversed_octets(value)  # type: ignore[arg-type]
        elif kind == _DATA:
            payload += bytes((len(value),)) + bytes(value)  # type: ignore[arg-type,call-overload]
        else:
            # MicroPython cuts off what does not fit
            if value < 0 or value >> 8 * kind:  # type: ignore[operator]
                raise ValueError
            payload += value.to_bytes(kind, "little")  # type: ignore[attr-defined]
    return payload


# The values in exactly `payload`; Malformed where it is not one of `command`. Data is a view.
def parse(command: int, payload: "bytes | memoryview") -> "dict[str, object]":
    payload = memoryview(payload)
    _, first_most, fields = _LAYOUTS[command]
    if not len(payload) or payload[0] > first_most:
        raise Malformed()
    first, at = payload[0], 0
    values: "dict[str, object]" = {}
    for name, kind, is_there in fields:
        if not is_there(first):
            continue
        size = kind
        if kind == _EUI64:
            size = 8
        elif kind == _DATA:
            if at >= len(payload):
                raise Malformed()
            size = payload[at]
            at += 1
        if at + size > len(payload):
            raise Malformed()
        octets = payload[at : at + size]
        at += size
        if kind == _EUI64:
            values[name] = reversed_octets(octets)
        elif kind == _DATA:
            values[name] = octets
        else:
            values[name] = int.from_bytes(octets, "little")
    if at != len(payload):
        raise Malformed()
    return values
