# The decision: may this image be installed on this device, over what it runs now?
#
# Pure functions of plain values. The device asks them before it erases anything, again when all
# bytes have arrived, and again at activation; host tools and planner ask the same functions, so
# they cannot disagree with the device. Each check is one paragraph, in the order of the design,
# and has its own reason. The parsers in image/ have refused before this what cannot be read.

from hanbootloader.compat import const
from hanbootloader.image import ota
from hanbootloader.reasons import (
    ACCEPTED,
    ALREADY_RUNNING,
    BELOW_MINIMUM_BASE,
    HARDWARE_VERSION,
    HASH_MISMATCH,
    HEADER_MISMATCH,
    IMAGE_TYPE,
    MANUFACTURER_CODE,
    MANUFACTURER_SIGNATURE,
    NO_IMAGE_HELD,
    NO_LONGER_ALLOWED,
    NOT_A_PREDECESSOR,
    NOT_PROVISIONED,
    PADDING,
    PAYLOAD_HASH,
    SECURITY_COUNTER,
    SIZE_MISMATCH,
    SUPPLIER_MISSING,
    SUPPLIER_SIGNATURE,
    TOO_LARGE,
    TRIAL_RUNNING,
    UNKNOWN_SIGNER,
)

if __debug__:  # in annotations alone
    from hanbootloader.image.manifest import Manifest

# fmt: off
# device types, as GBCS numbers them
ESME   = const(1)
GSME   = const(0)
HCALCS = const(4)
PPMID  = const(5)
IHD    = const(6)  # 'type 2' device
# fmt: on

# The same by the name of a role.
DEVICE_TYPES = {"gsme": GSME, "esme": ESME, "hcalcs": HCALCS, "ppmid": PPMID, "ihd": IHD}

# Images for these are distributed without the Authorising Remote Party Signature (SR 11.4); one
# that is there must be right all the same.
_SUPPLIER_OPTIONAL = (PPMID, IHD)


# The remedy of these is another predecessor.
PATHWAY = (BELOW_MINIMUM_BASE, NOT_A_PREDECESSOR, NO_LONGER_ALLOWED)

# These speak of the device, not of an image.
TRANSIENT = (NOT_PROVISIONED, TRIAL_RUNNING)

# Where in the OTA Header a refusal points to.
FIELD_OFFSETS = {
    MANUFACTURER_CODE: ota.MANUFACTURER_CODE_AT,
    IMAGE_TYPE: ota.IMAGE_TYPE_AT,
    SIZE_MISMATCH: ota.TOTAL_BYTES_AT,
    HARDWARE_VERSION: ota.HARDWARE_AT,
}


class RunningFirmware:
    # Identity of a firmware: the registry holds equal versions with different hashes, so the
    # Manufacturer Image Hash is part of it. is_damaged: it is what the device should run, but
    # its bytes no longer verify; it may be installed once more over itself.
    def __init__(self, file_version: int, image_hash: bytes, is_damaged: bool = False) -> None:
        self.file_version = file_version
        self.image_hash = image_hash
        self.is_damaged = is_damaged


class DeviceFacts:
    # What an image must fit. hardware_version: version in the high byte, revision in the low.
    # security_counter: the counter of the last confirmed image that raised it.
    def __init__(
        self,
        manufacturer_code: int,
        image_type: int,
        hardware_version: int,
        device_type: int,
        slot_bytes: int,
        security_counter: int,
    ) -> None:
        self.manufacturer_code = manufacturer_code
        self.image_type = image_type
        self.hardware_version = hardware_version
        self.device_type = device_type
        self.slot_bytes = slot_bytes
        self.security_counter = security_counter


class VerificationResult:
    # What verification found. Everything counts as failed until it has been shown.
    # supplier_valid: None where the image carries no supplier signature.
    def __init__(self) -> None:
        self.padding_is_zero = False
        self.payload_hash_matches = False
        self.signer_known = False
        self.manufacturer_valid = False
        self.supplier_valid: "bool | None" = False


# Whether `manifest` names `running` as a version that it may follow.
def names_predecessor(manifest: "Manifest", running: RunningFirmware) -> bool:
    for version, digest, _ in manifest.predecessors:
        if version == running.file_version and (digest is None or digest == running.image_hash):
            return True
    return False


# First, on the 60 bytes of the OTA Header. file_bytes: the size that the sender announces.
def check_header(header: ota.Header, file_bytes: int, device: DeviceFacts) -> int:
    # the declared size must be the size that arrives
    if header.total_bytes != file_bytes:
        return SIZE_MISMATCH

    # the Manufacturer Image must fit a slot; whether a trailer follows is not known yet
    if file_bytes - ota.HEADER_BYTES > device.slot_bytes + ota.TRAILER_BYTES:
        return TOO_LARGE

    if header.manufacturer_code != device.manufacturer_code:
        return MANUFACTURER_CODE

    if header.image_type != device.image_type:
        return IMAGE_TYPE

    if not header.hardware[0] <= device.hardware_version <= header.hardware[1]:
        return HARDWARE_VERSION

    return ACCEPTED


# Then on the manifest, before anything is erased. image_hash: None while it is not known yet.
def check_manifest(
    header: ota.Header,
    manifest: "Manifest",
    image_bytes: int,
    image_hash: "bytes | None",
    running: "RunningFirmware | None",
    device: DeviceFacts,
) -> int:
    # no signature covers the header: it must say what the signed manifest says
    if (
        header.manufacturer_code != manifest.manufacturer_code
        or header.image_type != manifest.image_type
        or header.file_version != manifest.file_version
        or header.hardware != manifest.hardware
    ):
        return HEADER_MISMATCH

    if image_bytes > device.slot_bytes:
        return TOO_LARGE

    return check_pathway(manifest, image_hash, running, device.security_counter)


# The upgrade pathway alone: may `manifest` follow `running`?
def check_pathway(
    manifest: "Manifest",
    image_hash: "bytes | None",
    running: "RunningFirmware | None",
    security_counter: int,
) -> int:
    if running is not None:
        if image_hash == running.image_hash:
            return ACCEPTED if running.is_damaged else ALREADY_RUNNING
        # perhaps the damaged image itself: its hash decides, once it is known
        if running.is_damaged and image_hash is None:
            if manifest.file_version == running.file_version:
                return ACCEPTED

    # a device without an application counts as version 0
    base = 0 if running is None else running.file_version
    if base < manifest.minimum_base_version:
        return BELOW_MINIMUM_BASE

    # an empty list is 'N/A': a first version, only for a device that holds no application;
    # an image that names predecessors may follow those and nothing else
    if running is None:
        if manifest.predecessors:
            return NOT_A_PREDECESSOR
    elif not names_predecessor(manifest, running):
        return NOT_A_PREDECESSOR

    if manifest.security_counter < security_counter:
        return SECURITY_COUNTER

    return ACCEPTED


# Then on the signature over the manifest: what is not signed does not erase anything, either.
def check_signature(result: VerificationResult) -> int:
    if not result.signer_known:
        return UNKNOWN_SIGNER

    if not result.manufacturer_valid:
        return MANUFACTURER_SIGNATURE

    return ACCEPTED


# Last, when all bytes have arrived and all signatures have been checked.
def check_verification(result: VerificationResult, device: DeviceFacts) -> int:
    reason = check_signature(result)
    if reason:
        return reason

    if not result.padding_is_zero:
        return PADDING

    if not result.payload_hash_matches:
        return PAYLOAD_HASH

    # required, or right if present, by device type
    if result.supplier_valid is None:
        return ACCEPTED if device.device_type in _SUPPLIER_OPTIONAL else SUPPLIER_MISSING
    if not result.supplier_valid:
        return SUPPLIER_SIGNATURE

    return ACCEPTED


# The whole decision on a complete image.
def decide(
    header: ota.Header,
    manifest: "Manifest",
    file_bytes: int,
    image_bytes: int,
    image_hash: bytes,
    result: VerificationResult,
    running: "RunningFirmware | None",
    device: DeviceFacts,
) -> int:
    return (
        check_header(header, file_bytes, device)
        or check_manifest(header, manifest, image_bytes, image_hash, running, device)
        or check_verification(result, device)
    )


# Activation of the image that is held; staged_hash: None where none is held.
def check_activation(
    wanted_hash: bytes,
    staged_hash: "bytes | None",
    manifest: "Manifest | None",
    running: "RunningFirmware | None",
    device: DeviceFacts,
) -> int:
    # GBCS CS06 asks in this order: an image held, the right one
    if staged_hash is None or manifest is None:
        return NO_IMAGE_HELD

    if wanted_hash != staged_hash:
        return HASH_MISMATCH

    # what runs may have changed since it was staged
    if check_pathway(manifest, staged_hash, running, device.security_counter):
        return NO_LONGER_ALLOWED

    return ACCEPTED
