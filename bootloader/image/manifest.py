# The manifest: what an image is, which hardware it fits, and which firmware it may follow.
#
# A CBOR map with integer keys. Even keys must be understood, odd keys may be ignored; an even
# key that is not known here is refused, so a later release can add rules that old devices must
# not overlook, and remarks that they may.

from hanbootloader.compat import const
from hanbootloader.image import cbor
from hanbootloader.reasons import MANIFEST_MALFORMED, UNKNOWN_EVEN_KEY, Refused

# fmt: off
FORMAT               = const(0)
OUR_FORMAT           = const(1)
MANUFACTURER_CODE    = const(2)
IMAGE_TYPE           = const(4)
FILE_VERSION         = const(6)
HARDWARE             = const(8)
PAYLOAD              = const(10)
PREDECESSORS         = const(12)
MINIMUM_BASE_VERSION = const(14)
SECURITY_COUNTER     = const(16)
POINT_OF_NO_RETURN   = const(18)
CPL_ENTRY_ID         = const(1)
LABEL                = const(3)
RELEASE_NOTES        = const(5)
FEATURE_VERSION      = const(7)     # of what the firmware does beyond SMETS

KIND_ROMFS           = const(0)     # a ROMFS application
_LAST_EVEN           = const(18)
_TEXT_MAX            = const(256)   # bytes of a text
_FEATURE_VERSION_MAX = const(32)    # bytes; both slots' fit one reply on the link
ALIGNMENT            = const(16)    # the payload begins at a multiple of this
# fmt: on


# Reads a manifest, of which nothing is kept twice: a list is read again each time it is asked for,
# and no map is kept but the manifest itself. So an envelope full of predecessors, or of what is not
# known, needs no more memory than any other.
class _Reader(cbor.Reader):
    def array(self, count: int, depth: int) -> object:
        start = self.position
        for _ in range(count):
            self.item(depth - 1)
        return _Encoded(self._data[start : self.position], count)

    def map(self, count: int, depth: int) -> "dict[object, object]":
        result: "dict[object, object]" = {}
        for _, key in self.keys(count, depth):
            value = self.item(depth - 1)
            if depth == cbor.DEPTH:
                result[key] = value
        return result


# The items of a list, read when they are asked for.
class _Encoded:
    def __init__(self, data: memoryview, count: int) -> None:
        self._data = data
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self):  # type: ignore[no-untyped-def]
        reader = cbor.Reader(self._data)
        for _ in range(self._count):
            yield reader.item()


# The predecessors in a manifest that was read.
class Predecessors:
    def __init__(self, encoded: "list[object] | _Encoded") -> None:
        self._encoded = encoded
        # each must be well-formed
        for _ in self:
            pass

    def __len__(self) -> int:
        return len(self._encoded)

    def __iter__(self):  # type: ignore[no-untyped-def]
        for value in self._encoded:
            version, digest, entry = _list(value, 3, PREDECESSORS)
            yield (
                _uint(version, 32, PREDECESSORS),
                None if digest is None else _hash(digest, PREDECESSORS),
                None if entry is None else _text(entry, PREDECESSORS),
            )

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other)  # type: ignore[arg-type]


class Manifest:
    # hardware: (minimum, maximum). predecessors: (file_version, Manufacturer Image Hash or None,
    # CPL Entry ID or None) of each; empty is the registry's 'N/A'.
    def __init__(
        self,
        manufacturer_code: int,
        image_type: int,
        file_version: int,
        hardware: "tuple[int, int]",
        payload_kind: int,
        payload_bytes: int,
        payload_hash: bytes,
        predecessors: "Predecessors | tuple[tuple[int, bytes | None, str | None], ...]",
        minimum_base_version: int = 0,
        security_counter: int = 0,
        point_of_no_return: bool = False,
        cpl_entry_id: "str | None" = None,
        label: "str | None" = None,
        release_notes: "str | None" = None,
        feature_version: "str | None" = None,
    ) -> None:
        self.manufacturer_code = manufacturer_code
        self.image_type = image_type
        self.file_version = file_version
        self.hardware = hardware
        self.payload_kind = payload_kind
        self.payload_bytes = payload_bytes
        self.payload_hash = payload_hash
        self.predecessors = predecessors
        self.minimum_base_version = minimum_base_version
        self.security_counter = security_counter
        self.point_of_no_return = point_of_no_return
        self.cpl_entry_id = cpl_entry_id
        self.label = label
        self.release_notes = release_notes
        self.feature_version = feature_version


# Bytes of the zero padding that follows an envelope of `envelope_bytes`.
def padding_bytes(envelope_bytes: int) -> int:
    return -envelope_bytes % ALIGNMENT


def _malformed(key: int) -> Refused:
    # the offset of a fault in a well-formed CBOR map is the key it concerns
    return Refused(MANIFEST_MALFORMED, key)


def _uint(value: object, bits: int, key: int) -> int:
    # a negative one leaves -1
    if not isinstance(value, int) or isinstance(value, bool) or value >> bits:
        raise _malformed(key)
    return value


def _text(value: object, key: int, most_bytes: int = _TEXT_MAX) -> str:
    if not isinstance(value, str) or len(value.encode()) > most_bytes:
        raise _malformed(key)
    return value


# null says as much as no key
def _optional_text(
    fields: "dict[object, object]", key: int, most_bytes: int = _TEXT_MAX
) -> "str | None":
    return None if fields.get(key) is None else _text(fields[key], key, most_bytes)


# length: 0 for any
def _list(value: object, length: int, key: int) -> "list[object] | _Encoded":
    if not isinstance(value, (list, _Encoded)) or (length and len(value) != length):
        raise _malformed(key)
    return value


def _hash(value: object, key: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != 32:
        raise _malformed(key)
    return value


# What the manifest in `content` says of features beyond SMETS; None where it says nothing. Read no
# further than that: the predecessors, which may be hundreds, take a board a third of a second.
def read_feature_version(content: "bytes | memoryview") -> "str | None":
    reader = cbor.Reader(content)
    fields: "dict[object, object]" = {}
    for _, key in reader.keys(reader.head()[1], cbor.DEPTH):
        if key == PREDECESSORS:
            break
        fields[key] = reader.item(cbor.DEPTH - 1)
    return _optional_text(fields, FEATURE_VERSION, _FEATURE_VERSION_MAX)


# The manifest in `content`. ENCODING carries the offset of the byte, MANIFEST_MALFORMED and
# UNKNOWN_EVEN_KEY the key of the value that is wrong.
def parse_manifest(content: "bytes | memoryview") -> Manifest:
    fields = _Reader(content).whole()
    if not isinstance(fields, dict):
        raise _malformed(FORMAT)

    # keys are unsigned integers
    for key in fields:
        if not isinstance(key, int) or key < 0:
            raise _malformed(FORMAT)

    # a later format may mean something else by every key that follows
    if _uint(fields.get(FORMAT), 32, FORMAT) != OUR_FORMAT:
        raise _malformed(FORMAT)

    low, high = _list(fields.get(HARDWARE), 2, HARDWARE)
    hardware = (_uint(low, 16, HARDWARE), _uint(high, 16, HARDWARE))
    if hardware[0] > hardware[1]:
        raise _malformed(HARDWARE)

    kind, length, digest = _list(fields.get(PAYLOAD), 3, PAYLOAD)
    if _uint(kind, 8, PAYLOAD) != KIND_ROMFS or not _uint(length, 32, PAYLOAD):
        raise _malformed(PAYLOAD)

    # point_of_no_return is true or absent: one meaning has one encoding
    if fields.get(POINT_OF_NO_RETURN, True) is not True:
        raise _malformed(POINT_OF_NO_RETURN)

    found = Manifest(
        _uint(fields.get(MANUFACTURER_CODE), 16, MANUFACTURER_CODE),
        _uint(fields.get(IMAGE_TYPE), 16, IMAGE_TYPE),
        _uint(fields.get(FILE_VERSION), 32, FILE_VERSION),
        hardware,
        KIND_ROMFS,
        _uint(length, 32, PAYLOAD),
        _hash(digest, PAYLOAD),
        Predecessors(_list(fields.get(PREDECESSORS), 0, PREDECESSORS)),
        _uint(fields.get(MINIMUM_BASE_VERSION), 32, MINIMUM_BASE_VERSION),
        _uint(fields.get(SECURITY_COUNTER), 32, SECURITY_COUNTER),
        POINT_OF_NO_RETURN in fields,
        _optional_text(fields, CPL_ENTRY_ID),
        _optional_text(fields, LABEL),
        _optional_text(fields, RELEASE_NOTES),
        _optional_text(fields, FEATURE_VERSION, _FEATURE_VERSION_MAX),
    )

    # even keys must be understood; the lowest is named, for not every interpreter keeps an order
    unknown = [k for k in fields if k > _LAST_EVEN and not k & 1]
    if unknown:
        raise Refused(UNKNOWN_EVEN_KEY, min(unknown))
    return found
