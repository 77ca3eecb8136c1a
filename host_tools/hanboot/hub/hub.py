"""A Communications Hub behind one door: frames of its devices in, frames for them out."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from hanboot.hub import transfer_alert
from hanboot.hub.ota import DeviceProgress, Offer, OtaServer, Pacing, Phase, TransferEnd
from hanboot.hub.post import Mailbox
from hanboot.trust.keys import PrivateKey
from hanbootloader.han import ota_cluster, zcl
from hanbootloader.han.tunneling import TO_SERVER

#: 2000-01-01 00:00 UTC in Unix time: the ZigBee epoch (ZCL8 2.6.2.20).
EPOCH_S = 946_684_800

#: Attributes of the OTA client that ours has beyond the cluster, manufacturer-specific.
LAST_REASON = 0xF000
ACCEPTS_VERSION = 0xF001

_TIME = 0x0000
_TIME_STATUS = 0x0001
_MASTER = 0x01  # ZCL8 10.2.2.2.2: this clock is the network's


@dataclass(frozen=True)
class OutgoingFrame:
    """A ZCL frame on its way to a device."""

    cluster: int
    octets: bytes
    is_broadcast: bool = False


@dataclass
class Settings:
    """What a hub is.

    Attributes:
        eui: its EUI-64, 8 octets.
        broker: EUI-64 of the Access Control Broker, who gets its alerts.
        key: signs its alerts; None leaves the signature empty.
        pacing: how it gives out images.
        keeps_versions: whether it stores each device's version, or only forwards what devices say
            (SECMP0007 left this open).
        time_offset_s: how wrong its clock is.
        has_time: whether it knows the time at all.
        is_authority: whether it is the network's OTA server; one that is not is for tests.
    """

    eui: bytes = bytes.fromhex("00db1234567890aa")
    broker: bytes = bytes.fromhex("90b3d51f30000002")
    key: PrivateKey | None = None
    pacing: Pacing = field(default_factory=Pacing)
    keeps_versions: bool = True
    time_offset_s: int = 0
    has_time: bool = True


class Hub:
    """Not thread safe: `attachment` guards it.

    Args:
        settings: what it is.
        clock: seconds, for repetitions.
        unix: seconds since 1970, for the network's time.
        on_message: called with (device, message) for each GBCS message of a device, and for the
            hub's own alerts.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
        on_message: Callable[[bytes, bytes], None] = lambda eui, message: None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._unix = unix
        self._on_message = on_message
        self._sequence = 0
        self._counter = 0
        self._out: dict[bytes, list[OutgoingFrame]] = defaultdict(list)
        self.devices: dict[bytes, DeviceProgress] = {}
        self.mail: dict[bytes, Mailbox] = defaultdict(Mailbox)
        #: versions that were reported, (device, version), in order; also where none are kept
        self.reports: list[tuple[bytes, int]] = []
        self.alerts: list[bytes] = []
        self._ota = OtaServer(settings.pacing, self.utc, self._transfer_ended)

    def utc(self) -> int:
        """Seconds since 2000-01-01 by the hub's clock."""
        return int(self._unix()) - EPOCH_S + self.settings.time_offset_s

    # --- what people ask for

    def device(self, eui: bytes) -> DeviceProgress:
        return self.devices.setdefault(eui, DeviceProgress(eui))

    def offer(self, eui: bytes, offer: Offer) -> None:
        """Holds an image for a device, and notifies it."""
        self._ota.offer(self.device(eui), offer, self._clock())

    def discard(self, eui: bytes) -> None:
        """Drops the image held for a device."""
        self._ota.discard(self.device(eui))

    def notify_all(self, offer: Offer, jitter: int) -> None:
        """Holds an image for every device of the network, and notifies them by broadcast."""
        values = OtaServer.notify_values(offer.image, jitter)
        for eui, device in self.devices.items():
            self._ota.offer(device, offer, self._clock())
            device.notify_at = None
            self._send(eui, ota_cluster.IMAGE_NOTIFY, values, is_broadcast=True)

    def send_message(self, eui: bytes, octets: bytes) -> None:
        """Sends a GBCS message to a device, repeated until it has it."""
        self.device(eui)
        self.mail[eui].add(octets)

    # --- frames

    def outgoing(self, eui: bytes) -> list[OutgoingFrame]:
        """The frames for a device, which are due or waiting; they are taken from the hub."""
        now = self._clock()
        values = self._ota.notification(self.device(eui), now)
        if values is not None:
            self._send(eui, ota_cluster.IMAGE_NOTIFY, values)
        letter = self.mail[eui].due(self._next_sequence(), now)
        if letter is not None:
            self._out[eui].append(OutgoingFrame(zcl.TUNNELING_CLUSTER, letter.encode()))
        frames, self._out[eui] = self._out[eui], []
        return frames

    def receive(self, eui: bytes, cluster: int, octets: bytes) -> None:
        """Takes a frame from a device. A malformed one is answered where it can be, or dropped."""
        device = self.device(eui)
        device.heard_at = self._clock()
        try:
            frame = zcl.parse(octets)
        except zcl.Malformed:
            return
        if frame.from_server:
            return
        try:
            if frame.is_global:
                self._global(device, cluster, frame)
            elif cluster == zcl.OTA_CLUSTER:
                self._ota_command(device, frame)
            elif cluster == zcl.TUNNELING_CLUSTER and frame.command == TO_SERVER:
                self._message(device, frame)
            else:
                raise zcl.Malformed(zcl.UNSUP_COMMAND)
        except zcl.Malformed as malformed:
            self._refuse(eui, cluster, frame, malformed.status)

    def _global(self, device: DeviceProgress, cluster: int, frame: zcl.Frame) -> None:
        if frame.command == zcl.READ_ATTRIBUTES and cluster == zcl.TIME_CLUSTER:
            self._tell_time(device.eui, frame)
        elif frame.command == zcl.READ_ATTRIBUTES_RESPONSE and cluster == zcl.OTA_CLUSTER:
            self._read(device, frame)
        elif frame.command == zcl.DEFAULT_RESPONSE:
            command, status = zcl.parse_default_response(frame.payload)
            if cluster == zcl.TUNNELING_CLUSTER:
                self.mail[device.eui].receipt(frame.sequence, status)
            elif command == ota_cluster.QUERY_NEXT_IMAGE_RESPONSE and status != zcl.SUCCESS:
                # the device does not want what it was offered: too large, or not for it
                device.phase, device.notify_at = Phase.REFUSED, None
                self._transfer_ended(device, TransferEnd.FILE_TRANSFER_FAILURE)

    def _ota_command(self, device: DeviceProgress, frame: zcl.Frame) -> None:
        if ota_cluster.is_from_server(frame.command):
            raise zcl.Malformed(zcl.UNSUP_COMMAND)
        values = ota_cluster.parse(frame.command, frame.payload)
        before = device.phase, device.version
        self._ota.handle(
            device,
            frame.command,
            values,  # type: ignore[arg-type]
            self._clock(),
            lambda command, answer: self._send(
                device.eui, command, answer, sequence=frame.sequence
            ),
            lambda status: self._refuse(device.eui, zcl.OTA_CLUSTER, frame, status),
        )
        if frame.command == ota_cluster.QUERY_NEXT_IMAGE and device.version is not None:
            self.reports.append((device.eui, device.version))
            if not self.settings.keeps_versions:
                device.version = None
        if device.phase == Phase.REFUSED and before[0] != Phase.REFUSED:
            self._ask_why(device, values["manufacturer"])  # type: ignore[arg-type]

    def _message(self, device: DeviceProgress, frame: zcl.Frame) -> None:
        message = self.mail[device.eui].take(frame.payload)
        if not frame.no_default:
            self._refuse(device.eui, zcl.TUNNELING_CLUSTER, frame, zcl.SUCCESS)
        if message is not None:
            self._on_message(device.eui, message)

    # --- attributes

    def _tell_time(self, eui: bytes, frame: zcl.Frame) -> None:
        values: dict[int, tuple[int, int]] = {}
        if self.settings.has_time:
            values = {_TIME: (zcl.UTC, self.utc()), _TIME_STATUS: (zcl.BITMAP8, _MASTER)}
        records: list[tuple[int, int | None, object]] = []
        for attribute in zcl.parse_read(frame.payload):
            kind, value = values.get(attribute, (None, None))
            records.append((attribute, kind, value))
        payload = zcl.encode_read_response(records)
        answer = zcl.Frame(True, True, frame.sequence, zcl.READ_ATTRIBUTES_RESPONSE, payload)
        self._out[eui].append(OutgoingFrame(zcl.TIME_CLUSTER, answer.encode()))

    def _ask_why(self, device: DeviceProgress, manufacturer: int) -> None:
        payload = zcl.encode_read((LAST_REASON, ACCEPTS_VERSION))
        question = zcl.Frame(
            True,
            True,
            self._next_sequence(),
            zcl.READ_ATTRIBUTES,
            payload,
            manufacturer=manufacturer,
        )
        self._out[device.eui].append(OutgoingFrame(zcl.OTA_CLUSTER, question.encode()))

    def _read(self, device: DeviceProgress, frame: zcl.Frame) -> None:
        if frame.manufacturer is None:
            return
        values = zcl.parse_read_response(frame.payload)
        reason, accepts = values.get(LAST_REASON), values.get(ACCEPTS_VERSION)
        if isinstance(reason, int):
            device.reason = reason
        if isinstance(accepts, int) and accepts != ota_cluster.ANY_VERSION:
            device.accepts_version = accepts

    # --- sending

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _send(
        self,
        eui: bytes,
        command: int,
        values: dict[str, object],
        sequence: int | None = None,
        is_broadcast: bool = False,
    ) -> None:
        frame = zcl.Frame(
            False,
            True,
            self._next_sequence() if sequence is None else sequence,
            command,
            ota_cluster.encode(command, values),
        )
        self._out[eui].append(OutgoingFrame(zcl.OTA_CLUSTER, frame.encode(), is_broadcast))

    def _refuse(self, eui: bytes, cluster: int, frame: zcl.Frame, status: int) -> None:
        if frame.is_global and frame.command == zcl.DEFAULT_RESPONSE:
            return
        answer = zcl.default_response(frame, status).encode()
        self._out[eui].append(OutgoingFrame(cluster, answer))

    def _transfer_ended(self, device: DeviceProgress, how: TransferEnd) -> None:
        settings = self.settings
        self._counter = max(self._counter + 1, int(self._unix() * 1000))
        alert = transfer_alert.make(
            settings.eui,
            settings.broker,
            self._counter,
            self.utc(),
            device.eui,
            device.offer.image.header.file_version if device.offer else 0,
            how,
            settings.key,
        )
        self.alerts.append(alert)
        self._on_message(settings.eui, alert)
