# The GBCS OTA Upgrade Image (GBCS 11.2.2, 11.2.3):
#
#   OTA Header (60) || Manufacturer Image [ || Force Replace (1) || 0x40 (1) || signature (64) ]
#
# There is no ZCL sub-element around the Manufacturer Image. The signature is the Authorising
# Remote Party's, over the Manufacturer Image alone: the header is *not* covered by it, so nothing
# is decided from the header unless the signed manifest says the same.

import struct

from hanbootloader.compat import const
from hanbootloader.reasons import (
    FIELD_CONTROL,
    FILE_IDENTIFIER,
    HEADER_VERSION,
    TRAILER,
    Refused,
)

# fmt: off
HEADER_BYTES         = const(60)          # hardware versions present, nothing optional
TRAILER_BYTES        = const(66)
IDENTIFIER           = const(0x0BEEF11E)  # ZCL OTA upgrade file identifier
HEADER_FORMAT        = const(0x0100)      # of the header itself
HEADER_FIELD_CONTROL = const(0x0004)      # bit 2 alone: hardware versions present
_STACK_VERSION       = const(0x0002)      # ZigBee PRO
SIGNATURE_BYTES      = const(0x40)

# where the fields are that a check may point to
_IDENTIFIER_AT       = const(0)
_HEADER_VERSION_AT   = const(4)
_HEADER_LENGTH_AT    = const(6)
_FIELD_CONTROL_AT    = const(8)
MANUFACTURER_CODE_AT = const(10)
IMAGE_TYPE_AT        = const(12)
TOTAL_BYTES_AT       = const(52)
HARDWARE_AT          = const(56)  # minimum, then maximum
# fmt: on

# file identifier, header version, header length, field control, manufacturer code, image type,
# file version, ZigBee stack version, header string, Total Image size, hardware versions
HEADER_LAYOUT = "<IHHHHHIH32sIHH"


class Header:
    # header_string: 32 bytes, free text. total_bytes: the whole file, header and trailer included
    def __init__(
        self,
        manufacturer_code: int,
        image_type: int,
        file_version: int,
        total_bytes: int,
        hardware: "tuple[int, int]",
        header_string: bytes = bytes(32),
        stack_version: int = _STACK_VERSION,
    ) -> None:
        self.manufacturer_code = manufacturer_code
        self.image_type = image_type
        self.file_version = file_version
        self.total_bytes = total_bytes
        self.hardware = hardware
        self.header_string = header_string
        self.stack_version = stack_version


# The header in the first HEADER_BYTES bytes; Refused with the offset of the field at fault.
def parse_header(data: "bytes | bytearray | memoryview") -> Header:
    if len(data) < HEADER_BYTES:
        raise Refused(FILE_IDENTIFIER, len(data))
    fields = struct.unpack_from(HEADER_LAYOUT, data, 0)
    identifier, version, length, control, manufacturer, image_type, file_version = fields[:7]
    stack_version, header_string, total_bytes, hardware_low, hardware_high = fields[7:]
    if identifier != IDENTIFIER:
        raise Refused(FILE_IDENTIFIER, _IDENTIFIER_AT)
    if version != HEADER_FORMAT:
        raise Refused(HEADER_VERSION, _HEADER_VERSION_AT)
    if control != HEADER_FIELD_CONTROL:
        raise Refused(FIELD_CONTROL, _FIELD_CONTROL_AT)
    if length != HEADER_BYTES:
        raise Refused(HEADER_VERSION, _HEADER_LENGTH_AT)
    return Header(
        manufacturer,
        image_type,
        file_version,
        total_bytes,
        (hardware_low, hardware_high),
        header_string,
        stack_version,
    )


class Trailer:
    # signature: r || s, each 32 bytes big-endian
    def __init__(self, force_replace: int, signature: "bytes | memoryview") -> None:
        self.force_replace = force_replace
        self.signature = signature


# The trailer in exactly TRAILER_BYTES bytes. Any Force Replace is taken: only a Communications
# Hub acts on it.
def parse_trailer(data: "bytes | memoryview") -> Trailer:
    if len(data) != TRAILER_BYTES or data[1] != SIGNATURE_BYTES:
        raise Refused(TRAILER, 1)
    return Trailer(data[0], data[2:])
