# SMP messages: header, errors and the way to a command (Zephyr, 'SMP specification').
#
#   0  version << 3 | operation   1  flags   2  length (2)   4  group (2)   6  sequence
#   7  command                    8  one CBOR map          all big-endian
#
# A reply is operation + 1 (3 where the operation has no meaning) with everything else as asked:
# also the version, which old clients compare. Errors are {"rc"} in version 1, {"err": {"group",
# "rc"}} in version 2.

import struct

from hanbootloader.compat import const
from hanbootloader.image import cbor
from hanbootloader.reasons import Refused

# fmt: off
HEADER_BYTES   = const(8)
READ           = const(0)
READ_RESPONSE  = const(1)
WRITE          = const(2)
WRITE_RESPONSE = const(3)

# errors of SMP itself, MGMT_ERR
UNKNOWN      = const(1)
NOMEM        = const(2)
EINVAL       = const(3)
ENOENT       = const(5)
NOTSUP       = const(8)

_SMP_GROUP   = const(-1)  # an error of SMP itself: rc in every version

# what a client needs of the groups, so that it imports none of what serves them
OS_GROUP            = const(0)
IMAGE_GROUP         = const(1)
HANBOOT_GROUP       = const(65)
CONFIRMATION_DENIED = const(32)   # error of group 1
REASON_BASE         = const(256)  # group 65: a reason code, above what SMP has itself
# fmt: on

_HEADER = ">BBHHBB"


class SmpError(Exception):
    # rc: error of `group`, or of SMP itself where no group is given
    def __init__(self, rc: int, group: int = _SMP_GROUP) -> None:
        super().__init__(rc, group)
        self.rc = rc
        self.group = group


class SmpHeader:
    def __init__(
        self, version: int, operation: int, length: int, group: int, sequence: int, command: int
    ) -> None:
        self.version = version
        self.operation = operation
        self.length = length
        self.group = group
        self.sequence = sequence
        self.command = command

    def encode(self) -> bytes:
        first = self.version << 3 | self.operation
        return struct.pack(_HEADER, first, 0, self.length, self.group, self.sequence, self.command)


# The header of `message`; None if it is not an SMP message.
def parse_header(message: "bytes | memoryview") -> "SmpHeader | None":
    if len(message) < HEADER_BYTES:
        return None
    first, _, length, group, sequence, command = struct.unpack_from(_HEADER, message, 0)
    if length != len(message) - HEADER_BYTES:
        return None
    return SmpHeader(first >> 3 & 3, first & 7, length, group, sequence, command)


# A whole message: `body` under a header.
def encode(
    version: int, operation: int, group: int, sequence: int, command: int, body: object
) -> bytes:
    data = cbor.encode(body)
    return SmpHeader(version, operation, len(data), group, sequence, command).encode() + data


# What a command got; typed look-ups that answer EINVAL.
class Request:
    def __init__(self, operation: int, fields: "dict[object, object]") -> None:
        self.operation = operation
        self.fields = fields

    def uint(self, name: str, default: "int | None" = None) -> int:
        value = self.fields.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise SmpError(EINVAL)
        return value

    # A byte string, as a view into the message; None where it is absent.
    def byte_string(self, name: str) -> "memoryview | None":
        value = self.fields.get(name)
        if value is not None and not isinstance(value, memoryview):
            raise SmpError(EINVAL)
        return value

    def text(self, name: str) -> "str | None":
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise SmpError(EINVAL)
        return value


class Dispatcher:
    # groups: group number -> {command: (read handler or None, write handler or None)}; a handler
    # takes a Request and returns the fields of the reply, or a generator that does so in steps
    def __init__(self, groups: "dict[int, dict[int, tuple[object, object]]]") -> None:
        self._groups = groups

    # Generator; returns the reply to `message`, None where it is not a request.
    def answer_steps(self, message: memoryview):  # type: ignore[no-untyped-def]
        header = parse_header(message)
        # a response asks for nothing
        if header is None or header.operation in (READ_RESPONSE, WRITE_RESPONSE):
            return None
        try:
            body = self._run(header, message[HEADER_BYTES:])
            if not isinstance(body, dict):
                body = yield from body
        except MemoryError:
            body = {"rc": NOMEM}
        except Refused:
            # flash that does not take what it is given, where no command expects it
            body = {"rc": UNKNOWN}
        except SmpError as error:
            if header.version == 0 or error.group == _SMP_GROUP:
                body = {"rc": error.rc if error.group == _SMP_GROUP else UNKNOWN}
            else:
                body = {"err": {"group": error.group, "rc": error.rc}}
        return encode(
            header.version,
            READ_RESPONSE if header.operation == READ else WRITE_RESPONSE,
            header.group,
            header.sequence,
            header.command,
            body,
        )

    def _run(self, header: SmpHeader, body: memoryview):  # type: ignore[no-untyped-def]
        handlers = self._groups.get(header.group, {}).get(header.command)
        # operations from 4 on have no meaning
        handler = handlers and header.operation <= WRITE and handlers[header.operation >> 1]
        if not handler:
            raise SmpError(NOTSUP)
        try:
            # an empty body stands for an empty map
            fields = cbor.decode(body, False, True) if len(body) else {}
        except Refused:
            raise SmpError(EINVAL)
        if not isinstance(fields, dict):
            raise SmpError(EINVAL)
        return handler(Request(header.operation, fields))  # type: ignore[operator]
