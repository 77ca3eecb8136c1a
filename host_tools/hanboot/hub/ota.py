"""The OTA Upgrade server (ZigBee 095264r23 6; ZCL8 11): what a hub answers to its devices.

It keeps nothing per client that the protocol needs: a client asks for what it wants. What is kept
is for people: how far each device is, and how it ended.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from hanboot.image.ota_file import Image
from hanbootloader.han import ota_cluster, zcl
from hanbootloader.han.ota_cluster import WAIT_FOR_ACTIVATION

_NOTIFY_S = 30.0
_NOTIFY_MOST_S = 3600.0


class Phase(enum.Enum):
    """How far an offer is with one device."""

    NONE = "none"  # nothing is offered
    OFFERED = "offered"  # the device does not fetch it yet
    DOWNLOADING = "downloading"
    RECEIVED = "received"  # verified by the device, waits for its activation
    SCHEDULED = "scheduled"  # the device was given a time
    RUNNING = "running"  # the device reports the version that was offered
    REFUSED = "refused"  # INVALID_IMAGE
    HARDWARE = "hardware-mismatch"
    DISCARDED = "discarded"  # the hub dropped it


class TransferEnd(enum.IntEnum):
    """How a transfer ended, as CCS08 numbers it (GBCS 11.7)."""

    SUCCESS = 0
    IMAGE_DISCARDED = 1
    HARDWARE_VERSION_MISMATCH = 2
    FILE_TRANSFER_FAILURE = 3


@dataclass
class Offer:
    """An image for one device.

    Attributes:
        activate_in_s: seconds from Upgrade End to activation; None: to be activated by a message.
    """

    image: Image
    activate_in_s: int | None


@dataclass
class DeviceProgress:
    """What the hub knows of a device.

    Attributes:
        version: file version that it runs, from its last query; None before one.
        position: octets that it has fetched of the image offered.
        data_octets: octets of the file that were sent to it, repetitions included.
        reason: the device's own reason for the last refusal, where it reported one.
    """

    eui: bytes
    version: int | None = None
    hardware_version: int | None = None
    heard_at: float | None = None
    queried_at: float | None = None
    phase: Phase = Phase.NONE
    offer: Offer | None = None
    position: int = 0
    data_octets: int = 0
    requests: int = 0
    aborts: int = 0
    reason: int | None = None
    accepts_version: int | None = None
    notify_at: float | None = None
    notify_s: float = _NOTIFY_S
    furthest: int = 0  # octet that the device has asked for
    stalls: int = 0  # notifications since it came further
    ended: list[TransferEnd] = field(default_factory=list)


@dataclass(frozen=True)
class Pacing:
    """How much a hub gives at once.

    Attributes:
        block_bytes: most octets of one block.
        block_period_ms: the device is asked to leave so long between two requests.
        hold_s: the first request of each transfer is answered with WAIT_FOR_DATA for so long.
        stall_s: a device that asks for no more blocks is notified again after so long.
    """

    block_bytes: int = 64
    block_period_ms: int = 0
    hold_s: int = 0
    stall_s: float = 60.0


#: reply(command, values): the answer to the frame being handled; refuse(status): a Default Response
Reply = Callable[[int, dict[str, object]], None]
Refuse = Callable[[int], None]


class OtaServer:
    """Answers the commands of cluster 0x0019.

    Args:
        pacing: how much is given at once.
        utc: seconds since 2000-01-01, as the network's time.
        on_end: called with a device and how its transfer ended.
    """

    def __init__(
        self,
        pacing: Pacing,
        utc: Callable[[], int],
        on_end: Callable[[DeviceProgress, TransferEnd], None],
    ) -> None:
        self._pacing = pacing
        self._utc = utc
        self._on_end = on_end

    def offer(self, device: DeviceProgress, offer: Offer, now: float) -> None:
        """Holds an image for a device; it is notified until it asks."""
        if device.offer is not None and device.phase in (Phase.OFFERED, Phase.DOWNLOADING):
            self._end(device, TransferEnd.IMAGE_DISCARDED)
        device.offer = offer
        device.phase = Phase.OFFERED
        device.position = device.data_octets = device.furthest = device.stalls = 0
        device.reason = device.accepts_version = None
        device.notify_at, device.notify_s = now, _NOTIFY_S

    def discard(self, device: DeviceProgress) -> None:
        """Drops the image held for a device."""
        if device.offer is not None:
            self._end(device, TransferEnd.IMAGE_DISCARDED)
            device.phase = Phase.DISCARDED
        device.offer, device.notify_at = None, None

    def notification(self, device: DeviceProgress, now: float) -> dict[str, object] | None:
        """Values of the Image Notify that is due, repeated ever more seldom; None if none is."""
        if device.offer is None or device.notify_at is None or now < device.notify_at:
            return None
        if device.phase == Phase.DOWNLOADING:
            device.stalls = min(device.stalls + 1, 16)
        device.notify_at = now + device.notify_s
        device.notify_s = min(2 * device.notify_s, _NOTIFY_MOST_S)
        return self.notify_values(device.offer.image)

    @staticmethod
    def notify_values(image: Image, jitter: int = ota_cluster.JITTER_MOST) -> dict[str, object]:
        """An Image Notify that names all of an image's identity."""
        return {
            "payload_type": ota_cluster.WITH_VERSION,
            "jitter": jitter,
            **_identity(image),
        }

    def handle(
        self,
        device: DeviceProgress,
        command: int,
        values: dict[str, int],
        now: float,
        reply: Reply,
        refuse: Refuse,
    ) -> None:
        """Answers one command of a client."""
        device.requests += 1
        if command == ota_cluster.QUERY_NEXT_IMAGE:
            self._query(device, values, now, reply)
        elif command == ota_cluster.IMAGE_BLOCK:
            self._block(device, values, now, reply, refuse)
        elif command == ota_cluster.UPGRADE_END:
            self._upgrade_end(device, values, reply, refuse)
        else:
            refuse(zcl.UNSUP_COMMAND)

    def _query(
        self, device: DeviceProgress, values: dict[str, int], now: float, reply: Reply
    ) -> None:
        device.version = values["version"]
        device.hardware_version = values.get("hardware_version", device.hardware_version)
        device.queried_at = now
        if device.notify_at is not None:
            # should the answer be lost; the first request for a block ends it
            device.notify_at = now + device.notify_s
        image = self._image_for(device, values)
        if image is None:
            none = {"status": zcl.NO_IMAGE_AVAILABLE}
            reply(ota_cluster.QUERY_NEXT_IMAGE_RESPONSE, none)  # type: ignore[arg-type]
            return
        values = {"status": zcl.SUCCESS, **_identity(image), "image_size": len(image.octets)}  # type: ignore[dict-item]
        reply(ota_cluster.QUERY_NEXT_IMAGE_RESPONSE, values)  # type: ignore[arg-type]

    def _image_for(self, device: DeviceProgress, values: dict[str, int]) -> Image | None:
        offer = device.offer
        if offer is None or not _is_of(values, offer.image):
            return None
        image = offer.image
        if values["version"] == image.header.file_version:
            if device.phase in (Phase.OFFERED, Phase.DOWNLOADING):
                # it has this from elsewhere, and has no use for the image
                self._end(device, TransferEnd.IMAGE_DISCARDED)
            device.phase = Phase.RUNNING
            device.offer, device.notify_at = None, None
            return None
        hardware = values.get("hardware_version")
        if hardware is not None and not _fits_hardware(image, hardware):
            device.notify_at = None
            if device.phase != Phase.HARDWARE:
                device.phase = Phase.HARDWARE
                self._end(device, TransferEnd.HARDWARE_VERSION_MISMATCH)
            return None
        return image

    def _block(
        self,
        device: DeviceProgress,
        values: dict[str, int],
        now: float,
        reply: Reply,
        refuse: Refuse,
    ) -> None:
        offer, pacing = device.offer, self._pacing
        if (
            offer is None
            or not _is_of(values, offer.image)
            or values["version"] != offer.image.header.file_version
        ):
            reply(ota_cluster.IMAGE_BLOCK_RESPONSE, {"status": zcl.NO_IMAGE_AVAILABLE})
            return
        image, offset = offer.image, values["offset"]
        if offset >= len(image.octets):
            refuse(zcl.MALFORMED_COMMAND)
            return
        # perhaps it restarts, and would ask by itself only a good while later
        if offset > device.furthest:
            device.furthest, device.stalls = offset, 0
        stall_s = min(pacing.stall_s * 2**device.stalls, _NOTIFY_MOST_S)
        device.notify_at, device.notify_s = now + stall_s, stall_s
        is_first = device.phase != Phase.DOWNLOADING
        device.phase = Phase.DOWNLOADING
        wait_s = pacing.hold_s if is_first else 0
        if wait_s or values.get("block_period", pacing.block_period_ms) < pacing.block_period_ms:
            self._wait(wait_s, reply)
            return
        data = image.octets[offset : offset + min(values["max_bytes"], pacing.block_bytes)]
        device.position = offset
        device.data_octets += len(data)
        block = {"status": zcl.SUCCESS, **_identity(image), "offset": offset, "data": data}
        reply(ota_cluster.IMAGE_BLOCK_RESPONSE, block)

    def _wait(self, wait_s: int, reply: Reply) -> None:
        reply(
            ota_cluster.IMAGE_BLOCK_RESPONSE,
            {
                "status": zcl.WAIT_FOR_DATA,
                "current_time": 0,
                "request_time": wait_s,
                "block_period": self._pacing.block_period_ms,
            },
        )

    def _upgrade_end(
        self, device: DeviceProgress, values: dict[str, int], reply: Reply, refuse: Refuse
    ) -> None:
        offer = device.offer
        is_offered = (
            offer is not None
            and _is_of(values, offer.image)
            and values["version"] == offer.image.header.file_version
        )
        status = values["status"]
        if is_offered:
            device.notify_at = None
        if status != zcl.SUCCESS:
            # no Upgrade End Response: 6.10.9
            refuse(zcl.SUCCESS)
            if is_offered:
                self._failed(device, status)
            return
        if not is_offered or offer is None:
            # perhaps of a hub before this one: it waits for its message
            reply(ota_cluster.UPGRADE_END_RESPONSE, self._end_values(values, None))
            return
        if device.phase not in (Phase.RECEIVED, Phase.SCHEDULED):
            device.position = len(offer.image.octets)
            self._end(device, TransferEnd.SUCCESS)
        device.phase = Phase.RECEIVED if offer.activate_in_s is None else Phase.SCHEDULED
        reply(ota_cluster.UPGRADE_END_RESPONSE, self._end_values(values, offer.activate_in_s))

    def _end_values(self, identity: dict[str, int], in_s: int | None) -> dict[str, object]:
        now = self._utc()
        return {
            **{name: identity[name] for name in ("manufacturer", "image_type", "version")},
            "current_time": now,
            "upgrade_time": WAIT_FOR_ACTIVATION if in_s is None else now + in_s,
        }

    def _failed(self, device: DeviceProgress, status: int) -> None:
        if status == zcl.INVALID_IMAGE:
            if device.phase != Phase.REFUSED:
                device.phase = Phase.REFUSED
                self._end(device, TransferEnd.FILE_TRANSFER_FAILURE)
            return
        # ABORT: the device comes back by itself (GBCS 11.2.1), so the offer stands
        device.notify_at = None
        device.aborts += 1
        device.phase = Phase.OFFERED

    def _end(self, device: DeviceProgress, how: TransferEnd) -> None:
        device.ended.append(how)
        self._on_end(device, how)


def _fits_hardware(image: Image, version: int) -> bool:
    """Whether a device of this hardware version is in the header's range (GBCS 11.2.2)."""
    return image.header.hardware[0] <= version <= image.header.hardware[1]


def _identity(image: Image) -> dict[str, object]:
    header = image.header
    return {
        "manufacturer": header.manufacturer_code,
        "image_type": header.image_type,
        "version": header.file_version,
    }


def _is_of(values: dict[str, int], image: Image) -> bool:
    header = image.header
    return (
        values["manufacturer"] == header.manufacturer_code
        and values["image_type"] == header.image_type
    )
