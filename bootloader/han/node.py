# The device on its Home Area Network: takes frames from the radio, hands them to whom they concern,
# and keeps the clock for all of them.
#
#   OTA Upgrade 0x0019   ota_client      Time 0x000A   network_time      Tunnelling 0x0704   mail
#
# The first OTA server that is heard is the hub from then on, until the next start; no one proves
# to be one. What a hub can do at worst is in docs/design/security.md.

import os
from binascii import crc32

from hanbootloader.compat import const, ticks_diff, ticks_ms
from hanbootloader.han import ota_attributes, ota_cluster, reason_attributes, tunneling, zcl
from hanbootloader.han.activation import Activations
from hanbootloader.han.authority import Authority
from hanbootloader.han.identity import NetworkIdentity
from hanbootloader.han.image_store import DeviceStore
from hanbootloader.han.mail import Mail
from hanbootloader.han.network_time import NetworkTime
from hanbootloader.han.ota_client import OtaClient
from hanbootloader.han.ota_store import Timing
from hanbootloader.han.radio import BROADCAST, FRAME_MOST_BYTES
from hanbootloader.han.receipts import Receipts
from hanbootloader.policy import HCALCS
from hanbootloader.reasons import Refused

if __debug__:  # in annotations alone
    from hanbootloader.board import Radio
    from hanbootloader.device import Device
    from hanbootloader.han.stores import Stores
    from hanbootloader.install import Installer

# fmt: off
_TIME_ATTRIBUTE  = const(0x0000)
_FIRST_QUERY_S   = const(5)       # after the start at least, and then every day
_SILENT_MS       = const(3_600_000)  # after the flash did not take what was to be kept
_RESTART_MS      = const(2000)    # from an activation to the restart: what is said goes out
# fmt: on


# A device's own share of the minute in which devices report after a power cut that they all had.
def _offset_s(eui64: bytes) -> int:
    return crc32(eui64) % 60


def _draw() -> int:
    return os.urandom(1)[0] % 100 + 1


class Node:
    def __init__(
        self, device: "Device", stores: "Stores", installer: "Installer", radio: "Radio"
    ) -> None:
        self._radio = radio
        self._sequence = 0
        self._last_ticks = ticks_ms()
        self._now = 0  # milliseconds since the start, which never wrap
        self._time_due = 0
        self._restart_at = -1
        self._activating = b""  # hash of the image whose time has come
        self._silent_until = 0
        self.is_quiet = True  # there was nothing to do when it was polled last
        self.server = radio.hub
        self.records = records = stores.records
        self.identity = identity = NetworkIdentity(device, stores)
        self.time = NetworkTime(records.time())
        self._activations = Activations(device, installer, records, identity, self.time)
        timing = Timing()
        timing.first_query_s = _FIRST_QUERY_S
        # what is to be reported is not kept waiting
        if not records.outcomes():
            timing.first_query_s += _offset_s(radio.eui64)
        self.store = DeviceStore(device, stores.transfer, installer, self._activate)
        self.client = OtaClient(
            self.store,
            self._send_ota,
            radio.eui64,
            radio.block_bytes,
            device.board.device_type == HCALCS,
            _draw,
            timing,
        )
        self.authority = Authority(device, records, identity)
        self.mail = Mail(
            records,
            identity,
            self.authority,
            self._activations,
            self._send_message,
            lambda: self.server is not None,
            self.store.running_version,
        )
        self._receipts = Receipts(device, records, identity, self.time)
        self._reasons = reason_attributes.Reasons(device)

    # Whether the image activated over the HAN is to be started.
    @property
    def restart_due(self) -> bool:
        return 0 <= self._restart_at <= self._now

    # The network's time; None while it is not known.
    @property
    def seconds(self) -> "int | None":
        return self.time.seconds(self._now)

    # Does a little of what is to be done. True if there was anything.
    def poll(self) -> bool:
        ticks = ticks_ms()
        self._now += ticks_diff(ticks, self._last_ticks)
        self._last_ticks = ticks
        self.is_quiet = True
        if self._now >= self._silent_until:
            try:
                self.is_quiet = not self._work()
            except Refused:
                # a store that takes nothing more: the network waits, link and application do not
                self._silent_until = self._now + _SILENT_MS
                self.is_quiet = False
        return not self.is_quiet

    def _work(self) -> bool:
        received = self._radio.receive()
        if received is not None:
            self._receive(*received)
            return True
        now = self._now
        if self._activating:
            self._activate_now()
            return True
        worked = (
            self.client.poll(now)
            or self.mail.poll(now)
            or self._activations.poll(now)
            or self._receipts.poll(now, self.client)
            or self._ask_time()
        )
        if self._activations.is_activated and self._restart_at < 0:
            self._restart_at = now + _RESTART_MS
        return worked

    # Not here, at the bottom of many calls: the manifest is parsed once more, and the stack of an
    # RP2040 is short.
    def _activate(self, image_hash: bytes) -> None:
        self._activating = image_hash

    def _activate_now(self) -> None:
        image_hash, self._activating = self._activating, b""
        try:
            self._activations.by_server(image_hash, self._now)
        except Refused:
            self.client.not_activated()

    # --- frames in

    def _receive(self, source: bytes, cluster: int, is_broadcast: bool, octets: memoryview) -> None:
        if len(octets) > FRAME_MOST_BYTES:
            return
        try:
            frame = zcl.parse(octets)
        except zcl.Malformed:
            return
        # a device is a client here, and speaks to a server
        if not frame.from_server:
            return
        status = zcl.NOT_AUTHORIZED
        if self._is_server(source, cluster):
            try:
                status = self._dispatch(cluster, frame, is_broadcast)
            except zcl.Malformed as malformed:
                status = malformed.status
        if status >= 0 and not is_broadcast:
            self._answer(source, cluster, frame, status)

    # The first that speaks the OTA cluster to this device is its server.
    def _is_server(self, source: bytes, cluster: int) -> bool:
        if self.server is None and cluster == zcl.OTA_CLUSTER:
            self.server = bytes(source)
        return self.server == source

    # Returns the status of a Default Response, -1 where none is due: a command has its own answer.
    def _dispatch(self, cluster: int, frame: zcl.Frame, is_broadcast: bool) -> int:
        if frame.is_global:
            return self._global(cluster, frame)
        if frame.manufacturer is not None:
            return zcl.UNSUP_COMMAND
        if cluster == zcl.OTA_CLUSTER:
            return self._ota(frame, is_broadcast)
        if cluster == zcl.TUNNELING_CLUSTER and frame.command == tunneling.TO_CLIENT:
            message = tunneling.parse_transfer(frame.payload)
            self.mail.on_transfer(message, self._receipt(frame))
            return -1
        return zcl.UNSUP_COMMAND

    def _ota(self, frame: zcl.Frame, is_broadcast: bool) -> int:
        command = frame.command
        if not ota_cluster.is_from_server(command):
            return zcl.UNSUP_COMMAND
        values = ota_cluster.parse(command, frame.payload)
        if command == ota_cluster.IMAGE_NOTIFY:
            self.client.on_notify(values, is_broadcast)  # type: ignore[arg-type]
            return -1
        # an answer to one device is never a broadcast
        if is_broadcast:
            return -1
        if command == ota_cluster.QUERY_NEXT_IMAGE_RESPONSE:
            return self.client.on_query_response(values)  # type: ignore[arg-type]
        if command == ota_cluster.IMAGE_BLOCK_RESPONSE:
            self.client.on_block_response(values)
            return zcl.SUCCESS
        return self.client.on_end_response(values)  # type: ignore[arg-type]

    def _global(self, cluster: int, frame: zcl.Frame) -> int:
        command, payload = frame.command, frame.payload
        if command == zcl.DEFAULT_RESPONSE:
            answered, status = zcl.parse_default_response(payload)
            if cluster == zcl.TUNNELING_CLUSTER:
                self.mail.on_receipt(frame.sequence, status)
            elif cluster == zcl.OTA_CLUSTER:
                self.client.on_default_response(answered, status)
            return -1
        if command == zcl.READ_ATTRIBUTES and cluster == zcl.OTA_CLUSTER:
            self._answer_attributes(frame)
            return -1
        if command == zcl.READ_ATTRIBUTES_RESPONSE and cluster == zcl.TIME_CLUSTER:
            seconds = zcl.parse_read_response(payload).get(_TIME_ATTRIBUTE)
            if isinstance(seconds, int):
                self.time.read(seconds, self._now)
                self._time_due = self._now + self.time.interval_s * 1000
            return -1
        return zcl.UNSUP_COMMAND

    def _answer_attributes(self, frame: zcl.Frame) -> None:
        wanted = zcl.parse_read(frame.payload)
        if frame.manufacturer is None:
            records = ota_attributes.read(wanted, self.client, self.store, self.server)
        elif frame.manufacturer == self.store.manufacturer_code:
            records = self._reasons.read(wanted)
        else:
            records = [(attribute, None, None) for attribute in wanted]
        answer = zcl.Frame(
            True,
            False,
            frame.sequence,
            zcl.READ_ATTRIBUTES_RESPONSE,
            zcl.encode_read_response(records),
            manufacturer=frame.manufacturer,
        )
        self._send(zcl.OTA_CLUSTER, answer)

    # --- frames out

    def _answer(self, source: bytes, cluster: int, frame: zcl.Frame, status: int) -> None:
        # no Default Response to one, and none where the sender wants it for errors alone
        if frame.is_global and frame.command == zcl.DEFAULT_RESPONSE:
            return
        if status != zcl.SUCCESS or not frame.no_default:
            self._radio.send(source, cluster, zcl.default_response(frame, status).encode())

    def _receipt(self, frame: zcl.Frame):  # type: ignore[no-untyped-def]
        request = zcl.Frame(False, True, frame.sequence, frame.command, b"")

        def receipt(status: int) -> None:
            self._send(zcl.TUNNELING_CLUSTER, zcl.default_response(request, status))

        return receipt

    def _send(self, cluster: int, frame: zcl.Frame) -> None:
        # as long as none is known a query goes to all, and the first that answers is it
        self._radio.send(self.server or BROADCAST, cluster, frame.encode())

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _send_ota(self, command: int, values: "dict[str, object]") -> None:
        payload = ota_cluster.encode(command, values)
        self._send(
            zcl.OTA_CLUSTER, zcl.Frame(False, False, self._next_sequence(), command, payload)
        )

    # Returns the sequence number that its receipt will carry.
    def _send_message(self, payload: bytes) -> int:
        sequence = self._next_sequence()
        frame = zcl.Frame(False, False, sequence, tunneling.TO_SERVER, payload, no_default=False)
        self._send(zcl.TUNNELING_CLUSTER, frame)
        return sequence

    def _ask_time(self) -> bool:
        if self.server is None or self._now < self._time_due:
            return False
        self._time_due = self._now + self.time.interval_s * 1000
        payload = zcl.encode_read((_TIME_ATTRIBUTE,))
        frame = zcl.Frame(True, False, self._next_sequence(), zcl.READ_ATTRIBUTES, payload)
        self._send(zcl.TIME_CLUSTER, frame)
        return True
