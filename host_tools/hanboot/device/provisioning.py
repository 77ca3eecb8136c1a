"""Gives a device its trust anchors, and compares what it holds with what it is to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.device.client import Device
from hanboot.device.records import ROLE_NAMES, USAGE_NAMES, AnchorCell, Verdict
from hanboot.device.refusal import DeviceRefused
from hanboot.errors import BadFile
from hanboot.explain.reasons import Reason
from hanboot.image.verify import check_validity
from hanboot.trust import comb, keys
from hanboot.trust.keys import PublicKey
from hanboot.trust.smki.certificate import load as load_certificate
from hanbootloader.reasons import ANCHORS_LOCKED
from hanbootloader.trust import cell

WRITTEN = "written"
WAS_THERE = "was there already"

_SEQUENCE_MAX = 0xFFFFFFFF  # four bytes in a cell


@dataclass(frozen=True)
class AnchorKey:
    """A public key that a device is to trust.

    Attributes:
        role: `cell.MANUFACTURER`, `cell.SUPPLIER` or `cell.ACCESS_CONTROL_BROKER`.
        kid: subject key identifier, 8 bytes.
        key: x || y, 64 bytes.
        development: its private half is a file on a developer's machine.
        label: what people call it; cut to 24 bytes.
        usage: `cell.DIGITAL_SIGNATURE` or `cell.KEY_AGREEMENT`.
        entity: EUI-64 of who holds the private key; FF for no one in particular: whose messages
            no device takes.
    """

    role: int
    kid: bytes
    key: bytes
    development: bool
    label: str
    usage: int = cell.DIGITAL_SIGNATURE
    entity: bytes = cell.ANYONE

    @property
    def name(self) -> str:
        return ROLE_NAMES[self.role]


def development_keys(manufacturer: PublicKey, supplier: PublicKey | None = None) -> list[AnchorKey]:
    """What a device on a developer's desk trusts: these keys, called by their roles."""
    named = [(cell.MANUFACTURER, manufacturer)]
    if supplier is not None:
        named.append((cell.SUPPLIER, supplier))
    return [AnchorKey(role, key.kid, key.point, True, ROLE_NAMES[role]) for role, key in named]


def anchor_key(
    role: int, file: Path, usage: int = cell.DIGITAL_SIGNATURE, label: str | None = None
) -> AnchorKey:
    """The key in `file`, for a cell of `role`; called by the file's name, if by no `label`.

    A certificate of SMKI's shape also says whose key it is. One that has expired, or is not valid
    yet, is warned of.
    """
    entity = cell.ANYONE
    if _is_certificate(file):
        try:
            certificate = load_certificate(file)
            entity = certificate.eui or cell.ANYONE
        except BadFile:
            pass  # a certificate of another shape has a key all the same
    public = keys.load_public(file, for_agreement=usage == cell.KEY_AGREEMENT)
    check_validity(public, file.name, None)
    return AnchorKey(
        role,
        public.kid,
        public.point,
        keys.is_development(file),
        file.name.removesuffix(".pem").removesuffix(".pub") if label is None else label,
        usage,
        entity,
    )


def _is_certificate(file: Path) -> bool:
    return b"-----BEGIN CERTIFICATE-----" in files.read(file, files.TEXT_MAX_BYTES)


def encode_cell(
    anchor: AnchorKey, sequence: int = 1, scope: tuple[int, int] = (cell.ANY, cell.ANY)
) -> bytes:
    """The head of the cell for `anchor`.

    Args:
        anchor: its key.
        sequence: above that of every cell that it is to succeed.
        scope: manufacturer code and image type of the devices that take it; 0xFFFF for any.
    """
    return cell.encode_head(
        anchor.role,
        anchor.usage,
        cell.DEVELOPMENT if anchor.development else 0,
        anchor.key,
        sequence,
        anchor.label.encode()[: cell.LABEL_BYTES],
        scope,
        anchor.entity,
    )


def fingerprint(head: bytes) -> bytes:
    """SHA-256 over every byte of a cell: its head, and the comb table that follows from the key."""
    parsed = cell.Cell(head)
    parsed.table = memoryview(comb.build_table(parsed.key))
    return parsed.fingerprint()


def is_held(anchor: AnchorKey, there: AnchorCell) -> bool:
    """Whether the cell `there` holds `anchor`'s key, in every byte.

    Sequence, label and scope are taken from the device; the key and what follows from it are not.
    """
    head = cell.encode_head(
        anchor.role,
        anchor.usage,
        cell.DEVELOPMENT if there.development else 0,
        anchor.key,
        there.sequence,
        there.label.encode(),
        there.scope,
        there.entity if anchor.entity == cell.ANYONE else anchor.entity,
    )
    return fingerprint(head) == there.fingerprint


def provision(
    device: Device,
    wanted: list[AnchorKey],
    on_cell: Callable[[AnchorKey, str], None] = lambda key, outcome: None,
) -> None:
    """Writes the cells of `wanted`; the manufacturer's last, for it locks the region.

    Begun once and interrupted, it goes on: a cell that the device holds is not written again, and
    one with another key is replaced as long as the region is not locked. Every cell is read back
    and compared. A cell that is not in `wanted` is an error: before it is locked a device takes
    cells from anyone, and who holds a key of a role may name the role's other keys later.

    Args:
        device: what gets them.
        wanted: the anchors.
        on_cell: called with each key and `WRITTEN` or `WAS_THERE`.

    Raises:
        AnchorDiffers: the device holds another key, one more, or not what was written.
        DeviceRefused: it takes a cell for malformed.
    """
    check_held(device, wanted)
    for anchor in sorted(wanted, key=lambda key: key.role == cell.MANUFACTURER):
        outcome = WAS_THERE
        there = _held(device, anchor)
        if there is None or not is_held(anchor, there):
            _write(device, anchor, there)
            outcome = WRITTEN
            there = _held(device, anchor)
            if there is None or not is_held(anchor, there):
                raise _differs(anchor, there)
        on_cell(anchor, outcome)


def check_held(device: Device, wanted: list[AnchorKey]) -> None:
    """Raises AnchorDiffers where `wanted` cannot be all that the device will hold.

    So it is where it holds another manufacturer's key, or a cell of a role and usage that is not in
    `wanted`.
    """
    for anchor in wanted:
        there = _held(device, anchor)
        # the manufacturer's locks the region: nothing else would get in either
        if anchor.role == cell.MANUFACTURER and there is not None and not is_held(anchor, there):
            raise _differs(anchor, there)
    named = {(anchor.name, anchor.usage) for anchor in wanted}
    for there in device.anchors():
        if (there.role, there.usage) not in named:
            usage = USAGE_NAMES.get(there.usage, there.usage)
            raise AnchorDiffers(
                f"the device holds one more trust anchor: {there.role}, {usage}",
                f"key {there.kid.hex()} ({there.label}), which was not asked for: its holder "
                f"may name other keys of that role",
                "if it is yours, name it, too; if not, erase the device and begin again",
            )


def _held(device: Device, anchor: AnchorKey) -> AnchorCell | None:
    for there in device.anchors():
        if (there.role, there.usage) == (anchor.name, anchor.usage):
            return there
    return None


def _write(device: Device, anchor: AnchorKey, there: AnchorCell | None) -> None:
    sequence = there.sequence + 1 if there else 1
    if there is not None and sequence > _SEQUENCE_MAX:
        raise _differs(anchor, there)
    try:
        device.put_anchor(encode_cell(anchor, sequence))
    except DeviceRefused as refused:
        if there is not None and refused.verdict.reason == ANCHORS_LOCKED:
            raise _differs(anchor, there) from refused
        raise


class AnchorDiffers(DeviceRefused):
    """A device holds, or keeps, another trust anchor than it is to hold."""

    def __init__(
        self, what: str, why: str, what_to_do: str, reason: Reason = Reason.ANCHORS_LOCKED
    ) -> None:
        super().__init__(Verdict(reason=reason))
        self.what, self.why, self.what_to_do = what, why, what_to_do
        self.args = (what, why, what_to_do)


def _differs(anchor: AnchorKey, there: AnchorCell | None) -> AnchorDiffers:
    if there is not None and there.sequence == _SEQUENCE_MAX:
        return AnchorDiffers(
            f"the device's {anchor.name} anchor differs, and cannot be succeeded",
            f"it holds the key {there.kid.hex()} under sequence 0x{_SEQUENCE_MAX:X}, the highest "
            f"there is; wanted: {anchor.kid.hex()}",
            "it is meant to stay: return the device to its maker, to be erased",
        )
    what = f"the device's {anchor.name} anchor differs (anchors-locked)"
    if there is None:
        why = "it holds none after it was written"
    elif there.kid == anchor.kid:
        why = f"it holds the key {there.kid.hex()}, but its fingerprint is {there.fingerprint_text}"
    else:
        why = f"it holds the key {there.kid.hex()}, not {anchor.kid.hex()}"
    return AnchorDiffers(
        what,
        why,
        "check the key; a successor of the device's key goes in by: hanboot board anchors update",
    )
