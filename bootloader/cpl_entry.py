# An entry of the CPL as a board may demand it for an image that comes by cable (Board.cpl_key): the
# registry's signed word that the image with this hash is Active for this model.
#
# A COSE_Sign1 of the same template as the envelope of an image (image/cose.py), around a map. As in
# a manifest, unknown even keys are refused and odd ones passed over. A manifest has an array at 8
# and a snapshot of the CPL, too: with the same key signed, none of the three passes for another.

from hanbootloader.compat import const
from hanbootloader.image import cbor, cose
from hanbootloader.reasons import CPL_ENTRY, Refused
from hanbootloader.trust import p256
from hanbootloader.trust.kid import kid_of

# fmt: off
FORMAT            = const(0)
MANUFACTURER_CODE = const(2)
IMAGE_TYPE        = const(4)
HARDWARE_VERSION  = const(6)
FILE_VERSION      = const(8)
IMAGE_HASH        = const(10)
STATUS            = const(12)
CPL_ENTRY_ID      = const(1)
ISSUED            = const(3)

OUR_FORMAT        = const(1)
ENTRY_MAX_BYTES   = const(512)  # the whole; it fits one request
_LAST_EVEN        = const(12)
# fmt: on

ACTIVE = "Active"


class CplEntry:
    # model: manufacturer code, image type, hardware version
    def __init__(self, model: "tuple[int, int, int]", file_version: int, image_hash: bytes) -> None:
        self.model = model
        self.file_version = file_version
        self.image_hash = image_hash


def _uint(fields: "dict[object, object]", key: int, bits: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value >> bits:
        raise Refused(CPL_ENTRY, key)
    return value


# The entry in `content`, of which no signature was checked; Refused with the key at fault.
def parse_entry(content: "bytes | memoryview") -> CplEntry:
    fields = cbor.decode(content)
    if not isinstance(fields, dict) or _uint(fields, FORMAT, 32) != OUR_FORMAT:
        raise Refused(CPL_ENTRY, FORMAT)
    for key in fields:
        if not isinstance(key, int) or key < 0 or (key > _LAST_EVEN and not key & 1):
            raise Refused(CPL_ENTRY, FORMAT)
    image_hash = fields.get(IMAGE_HASH)
    if not isinstance(image_hash, bytes) or len(image_hash) != 32:
        raise Refused(CPL_ENTRY, IMAGE_HASH)
    # Removed, Withdrawn, or whatever a later registry knows
    if fields.get(STATUS) != ACTIVE:
        raise Refused(CPL_ENTRY, STATUS)
    model = (
        _uint(fields, MANUFACTURER_CODE, 16),
        _uint(fields, IMAGE_TYPE, 16),
        _uint(fields, HARDWARE_VERSION, 16),
    )
    return CplEntry(model, _uint(fields, FILE_VERSION, 32), image_hash)


# Checks `token` with `key` (x || y), for a device of `model`. Generator; returns the entry.
# Refused(CPL_ENTRY) for whatever is wrong.
def check_steps(token: bytes, key: bytes, model: "tuple[int, int, int]"):  # type: ignore[no-untyped-def]
    if len(token) > ENTRY_MAX_BYTES:
        raise Refused(CPL_ENTRY)
    try:
        envelope = cose.Envelope(token)
        entry = parse_entry(envelope.content)
    except Refused as refused:
        raise Refused(CPL_ENTRY, refused.offset)
    for at, field in ((0, MANUFACTURER_CODE), (1, IMAGE_TYPE), (2, HARDWARE_VERSION)):
        if entry.model[at] != model[at]:
            raise Refused(CPL_ENTRY, field)
    is_signed = False
    # a board that names no point of the curve trusts no one
    if p256.is_public_key(key) and envelope.kid == kid_of(key):
        is_signed = yield from p256.verify_steps(key, envelope.digest(), envelope.signature)
    if not is_signed:
        raise Refused(CPL_ENTRY)
    return entry
