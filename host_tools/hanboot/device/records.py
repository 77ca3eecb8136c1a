"""What a device says of itself, parsed from the replies of group 65 (docs/reference/protocol.md).

A reply may hold keys that this version does not know: they are passed over. A field that is
missing, of a wrong type or out of range is one `LinkError`, which names it and its value.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from hanboot.device.reply import Reply
from hanboot.explain.reasons import Reason, explain
from hanbootloader import policy
from hanbootloader.trust import cell

#: A device keeps two slots; a later one may have more.
_SLOTS_MOST = 16
#: Firmware that a verdict lists as accepted (`bootloader/store/ledger.py` keeps fewer).
_ACCEPTS_MOST = 64
_EVENTS_MOST = 64
_CELLS_MOST = 16
_KID_BYTES = 8
_HASH_BYTES = 32
_TEXT_MOST = 256


class SlotState(enum.StrEnum):
    """What a slot is for at the moment."""

    EMPTY = "empty"
    STAGED = "staged"
    PENDING = "pending"
    TRIAL = "trial"
    CONFIRMED = "confirmed"
    PREVIOUS = "previous"
    REVERTED = "reverted"
    DAMAGED = "damaged"


class Tier(enum.StrEnum):
    """How far a board is protected; a device that does not say is treated as a product."""

    VIRTUAL = "virtual"
    STOCK = "stock"
    PARTITIONED = "partitioned"
    DEVELOPMENT = "development"
    PRODUCT = "product"


class Role(enum.StrEnum):
    """The device of the HAN that a board plays."""

    GSME = "gsme"
    ESME = "esme"
    HCALCS = "hcalcs"
    PPMID = "ppmid"
    IHD = "ihd"


# hanbootloader.policy knows each by the same name
_ROLES = {policy.DEVICE_TYPES[role]: role for role in Role}


class EventKind(enum.StrEnum):
    """What happened to an image; OTHER is what a newer device says in a way of its own."""

    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    FELL_BACK = "fell back"
    DAMAGED = "damaged"
    NOT_ACTIVATED = "not activated"
    NOT_STARTED = "not started"
    OTHER = "other"


# bootloader/store/ledger.py
_EVENT_KINDS = {1: EventKind.CONFIRMED, 2: EventKind.REVERTED, 3: EventKind.FELL_BACK}

ROLE_NAMES = {
    cell.MANUFACTURER: "manufacturer",
    cell.SUPPLIER: "supplier",
    cell.ACCESS_CONTROL_BROKER: "access-control-broker",
}
USAGE_NAMES = {
    cell.DIGITAL_SIGNATURE: "digital-signature",
    cell.KEY_AGREEMENT: "key-agreement",
}


class UploadState(enum.StrEnum):
    """What a device does with an upload."""

    IDLE = "idle"
    RECEIVING = "receiving"
    VERIFYING = "verifying"


@dataclass(frozen=True, kw_only=True)
class FirmwareId:
    """Identity of a firmware.

    Attributes:
        file_version: File Version of the OTA Header (GBCS 11.2.2), 32 bits.
        image_hash: Manufacturer Image Hash (GBCS 11.2.4), 32 octets; None where not known.
    """

    file_version: int
    image_hash: bytes | None

    def as_json(self) -> dict[str, Any]:
        return {
            "file_version": self.file_version,
            "file_version_hex": f"{self.file_version:08X}",
            "hash": self.image_hash.hex() if self.image_hash else None,
        }


@dataclass(frozen=True, kw_only=True)
class SlotReport:
    """What a slot holds.

    Attributes:
        image_bytes: octets of its Manufacturer Image.
        feature_version: version of its features beyond SMETS, as its manifest says; None where it
            does not, or the device is too old to report it.
    """

    state: SlotState
    firmware: FirmwareId | None = None
    image_bytes: int = 0
    feature_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a device says of itself.

    Attributes:
        board: its name, for people; nothing is decided by it.
        serial: 8 octets (EUI-64).
        manufacturer_code, image_type, hardware_version: what an image must fit (GBCS 11.2.2).
        device_type: as `hanbootloader.policy` numbers them.
        slot_bytes: octets of a slot.
        security_counter: lowest that an image may carry.
        provisioned: whether it has trust anchors.
        started: index of the slot that runs; -1 for the bootloader alone.
        attempts: starts of a trial so far.
        slots: in their order.
        tier: how far the board is protected.
        role: what it plays; None for a device type without a name.
        versions: of what is below the application, e.g. {"hanboot": "0.1.0"}; may be empty.
        line_bytes: that its line keeps while it does not read; 0 where the sender is held back.
        line_pause_ms: for how long it may not read.
    """

    board: str
    serial: bytes
    manufacturer_code: int
    image_type: int
    hardware_version: int
    device_type: int
    slot_bytes: int
    security_counter: int
    provisioned: bool
    started: int
    attempts: int
    slots: tuple[SlotReport, ...]
    tier: Tier = Tier.PRODUCT
    role: Role | None = None
    versions: dict[str, str] = field(default_factory=dict)
    line_bytes: int = 0
    line_pause_ms: int = 0

    def slot(self, state: SlotState | str) -> SlotReport | None:
        """The first slot in `state`."""
        return next((slot for slot in self.slots if slot.state == state), None)

    def slot_with(self, image_hash: bytes) -> SlotReport | None:
        """The slot that holds the image with this Manufacturer Image Hash."""
        return next(
            (s for s in self.slots if s.firmware and s.firmware.image_hash == image_hash), None
        )

    @property
    def running(self) -> SlotReport | None:
        return self.slots[self.started] if self.started >= 0 else None

    @property
    def confirmed(self) -> FirmwareId | None:
        slot = self.slot(SlotState.CONFIRMED)
        return slot.firmware if slot else None

    @property
    def facts(self) -> policy.DeviceFacts:
        """What the decision asks about this device."""
        return policy.DeviceFacts(
            self.manufacturer_code,
            self.image_type,
            self.hardware_version,
            self.device_type,
            self.slot_bytes,
            self.security_counter,
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The device's last word on an image that was offered, with the remedy.

    Attributes:
        reason: the number; `Reason.ACCEPTED` is 0.
        offset: where it was found, as `hanbootloader.reasons.Refused` counts it; -1 for nowhere.
        offered: the image.
        running: what ran then.
        minimum_base_version: of the image.
        accepts: firmware that the image may follow, as far as the device keeps it.
        accepts_total: how many there are in all.
        kind: of an event since the verdict; None for the verdict on an offered image.
        offered_model, device_model: both sides of what may not fit; None where not known.
    """

    reason: Reason
    offset: int = -1
    offered: FirmwareId = FirmwareId(file_version=0, image_hash=None)
    running: FirmwareId | None = None
    minimum_base_version: int = 0
    accepts: tuple[FirmwareId, ...] = ()
    accepts_total: int = 0
    kind: EventKind | None = None
    offered_model: HardwareModel | None = None
    device_model: HardwareModel | None = None

    def as_json(self) -> dict[str, Any]:
        texts = explain(self.reason)
        return {
            "reason": {"code": int(self.reason), "name": texts.name},
            "offered": self.offered.as_json(),
            "running": self.running.as_json() if self.running else None,
            "accepts": [firmware.as_json() for firmware in self.accepts],
            "detail": {
                "offset": self.offset if self.offset >= 0 else None,
                "minimum_base_version": self.minimum_base_version,
                "accepts_total": self.accepts_total,
                "meaning": texts.meaning,
                "remedy": texts.remedy,
            },
        }


@dataclass(frozen=True, kw_only=True)
class HardwareModel:
    """What an image must fit, or is made for.

    Attributes:
        manufacturer_code, image_type: of the OTA Header.
        hardware: lowest and highest version; of a device both are its own.
    """

    manufacturer_code: int
    image_type: int
    hardware: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class HistoryEvent:
    """One entry of the upgrade history.

    Attributes:
        index: counts from 0, without gaps.
        kind: how the upgrade ended.
        reason: why, where it did not end well.
        source, target: the firmware before and after.
        chain: SHA-256 of the entry before.
    """

    index: int
    kind: EventKind
    reason: Reason
    source: FirmwareId | None
    target: FirmwareId | None
    chain: bytes


@dataclass(frozen=True, kw_only=True)
class AnchorCell:
    """A trust anchor cell that a device holds.

    Attributes:
        role: "manufacturer", "supplier", "access-control-broker", or the number of another.
        usage: `cell.DIGITAL_SIGNATURE` or `cell.KEY_AGREEMENT`.
        kid: key identifier, 8 octets; the device derives it from the key.
        sequence: counts the keys of a role.
        development: whether its private half is a file on a desk.
        label: what people call it.
        scope: manufacturer code and image type of devices that take it; 0xFFFF for any.
        entity: EUI-64 of who holds the private key, all FF for no one in particular.
        fingerprint: SHA-256 over every byte of the cell; empty from an older device.
    """

    role: str
    usage: int
    kid: bytes
    sequence: int
    development: bool
    label: str
    scope: tuple[int, int]
    entity: bytes
    fingerprint: bytes

    @property
    def fingerprint_text(self) -> str:
        return fingerprint_text(self.fingerprint)

    def as_json(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "usage": USAGE_NAMES.get(self.usage, str(self.usage)),
            "kid": self.kid.hex(),
            "sequence": self.sequence,
            "development": self.development,
            "label": self.label,
            "manufacturer_code": self.scope[0],
            "image_type": self.scope[1],
            "entity": self.entity.hex(),
            "fingerprint": self.fingerprint.hex(),
        }


def fingerprint_text(digest: bytes) -> str:
    """A fingerprint in groups of four digits, to be compared by eye."""
    text = digest.hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


@dataclass(frozen=True, kw_only=True)
class UploadProgress:
    """How far an upload is. received, total: octets."""

    state: UploadState
    received: int
    total: int


# --- parsed


def parse_identity(fields: dict[Any, Any]) -> Identity:
    """The reply to command 0."""
    reply = Reply("identity", fields)
    slots = tuple(_parse_slot(entry) for entry in reply.maps("slots", _SLOTS_MOST))
    device_type = reply.uint("device_type", 0xFF)
    return Identity(
        board=reply.text("board", _TEXT_MOST),
        serial=reply.octets("serial", 8),
        manufacturer_code=reply.uint("manufacturer_code", 0xFFFF),
        image_type=reply.uint("image_type", 0xFFFF),
        hardware_version=reply.uint("hardware_version", 0xFFFF),
        device_type=device_type,
        slot_bytes=reply.uint("slot_bytes"),
        security_counter=reply.uint("security_counter"),
        provisioned=reply.flag("provisioned"),
        started=reply.integer("started", -1, len(slots) - 1),
        attempts=reply.uint("attempts", 0xFF),
        slots=slots,
        tier=reply.choice("tier", Tier, Tier.PRODUCT),
        role=reply.choice("role", Role, _ROLES.get(device_type)),
        versions=reply.texts("versions", _TEXT_MOST),
        line_bytes=reply.uint("line_bytes", default=0),
        line_pause_ms=reply.uint("line_pause_ms", default=0),
    )


def parse_verdict(fields: dict[Any, Any]) -> Verdict | None:
    """The reply to command 1, a verdict or an event; None where there is none."""
    if "reason" not in fields:
        return None
    reply = Reply("verdict", fields)
    accepts = tuple(_parse_firmware(entry) for entry in reply.maps("accepts", _ACCEPTS_MOST))
    return Verdict(
        reason=Reason(reply.uint("reason", 0xFFFF)),
        offset=reply.integer("offset", -1, 0xFFFFFFFF),
        offered=_firmware(reply, "offered") or FirmwareId(file_version=0, image_hash=None),
        running=_firmware(reply, "running"),
        minimum_base_version=reply.uint("minimum_base_version"),
        accepts=accepts,
        accepts_total=reply.integer("accepts_total", len(accepts), 0xFFFFFFFF),
        kind=_kind(reply) if "kind" in fields else None,
        offered_model=_offered_model(reply),
        device_model=_device_model(reply),
    )


def _kind(reply: Reply) -> EventKind:
    try:
        return EventKind(reply.text("kind", _TEXT_MOST))
    except ValueError:
        return EventKind.OTHER


def _offered_model(reply: Reply) -> HardwareModel | None:
    offered = reply.map_or_none("offered")
    if offered is None or not offered.has("hardware"):
        return None
    return HardwareModel(
        manufacturer_code=offered.uint("manufacturer_code", 0xFFFF),
        image_type=offered.uint("image_type", 0xFFFF),
        hardware=offered.uint_pair("hardware", 0xFFFF),
    )


def _device_model(reply: Reply) -> HardwareModel | None:
    device = reply.map_or_none("device") if reply.has("device") else None
    if device is None:
        return None
    hardware = device.uint("hardware_version", 0xFFFF)
    return HardwareModel(
        manufacturer_code=device.uint("manufacturer_code", 0xFFFF),
        image_type=device.uint("image_type", 0xFFFF),
        hardware=(hardware, hardware),
    )


def parse_history(fields: dict[Any, Any]) -> tuple[list[HistoryEvent], bool]:
    """The reply to command 2: some events, and whether there are more."""
    reply = Reply("history", fields)
    return [_parse_event(e) for e in reply.maps("events", _EVENTS_MOST)], reply.flag("more")


def parse_progress(fields: dict[Any, Any]) -> UploadProgress:
    """The reply to command 3."""
    reply = Reply("progress", fields)
    total = reply.uint("total")
    return UploadProgress(
        state=reply.choice("state", UploadState),
        received=reply.integer("received", 0, total),
        total=total,
    )


def parse_anchors(fields: dict[Any, Any]) -> tuple[list[AnchorCell], bool]:
    """The reply to command 4: some cells, and whether there are more."""
    reply = Reply("anchors", fields)
    cells = [_parse_cell(entry) for entry in reply.maps("cells", _CELLS_MOST)]
    return cells, "more" in fields and reply.flag("more")


_ANYONE = b"\xff" * 8


def _parse_cell(reply: Reply) -> AnchorCell:
    role = reply.uint("role", 0xFF)
    return AnchorCell(
        role=ROLE_NAMES.get(role, str(role)),
        usage=reply.uint("usage", 0xFF, cell.DIGITAL_SIGNATURE),
        kid=reply.octets("kid", _KID_BYTES),
        sequence=reply.uint("sequence"),
        development=reply.flag("development"),
        label=reply.any_octets("label", _TEXT_MOST).decode(errors="replace"),
        scope=(
            reply.uint("manufacturer_code", 0xFFFF, cell.ANY),
            reply.uint("image_type", 0xFFFF, cell.ANY),
        ),
        entity=reply.octets("entity", 8, _ANYONE),
        fingerprint=reply.octets("fingerprint", _HASH_BYTES, b""),
    )


def _parse_slot(reply: Reply) -> SlotReport:
    state = reply.choice("state", SlotState)
    if state is SlotState.EMPTY:
        return SlotReport(state=state)
    has_features = reply.has("feature_version")
    return SlotReport(
        state=state,
        firmware=_parse_firmware(reply),
        image_bytes=reply.uint("bytes"),
        feature_version=reply.text("feature_version", _TEXT_MOST) if has_features else None,
    )


def _parse_event(reply: Reply) -> HistoryEvent:
    return HistoryEvent(
        index=reply.uint("index"),
        kind=_EVENT_KINDS.get(reply.uint("event", 0xFF), EventKind.OTHER),
        reason=Reason(reply.uint("reason", 0xFFFF)),
        source=_firmware(reply, "from"),
        target=_firmware(reply, "to"),
        chain=reply.octets("chain", _HASH_BYTES),
    )


def _firmware(reply: Reply, name: str) -> FirmwareId | None:
    found = reply.map_or_none(name)
    return _parse_firmware(found) if found else None


def _parse_firmware(reply: Reply) -> FirmwareId:
    return FirmwareId(
        file_version=reply.uint("version"), image_hash=reply.octets_or_none("hash", _HASH_BYTES)
    )
