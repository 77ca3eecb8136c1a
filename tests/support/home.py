"""A home in memory: a hub, devices on boards in memory, and a clock that the test turns.

Everything that runs on a device is its own code; between it and the hub lies a line that can lose,
delay, double and reorder frames, by a seed. A day takes a second or so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import images
import ramboard
from cells import SCOPE, finish

from hanboot.hub.air import Air, Weather
from hanboot.hub.hub import EPOCH_S, Hub, OutgoingFrame, Settings
from hanboot.hub.ota import Offer
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.trust.keys import PrivateKey, generate
from hanbootloader import boot, policy
from hanbootloader.board import Radio
from hanbootloader.han import node as node_module
from hanbootloader.han.gbcs import clock, mac
from hanbootloader.han.gbcs.message import COMMAND, Message
from hanbootloader.han.gbcs.use_cases import CS06_COMMAND, CS08_COMMAND
from hanbootloader.han.node import Node
from hanbootloader.han.radio import BROADCAST
from hanbootloader.image import manifest, ota, writer
from hanbootloader.install import Installer
from hanbootloader.reasons import TRIAL_CRASHED
from hanbootloader.store import ledger
from hanbootloader.store.device_keys import DIGITAL_SIGNATURE as DS
from hanbootloader.store.device_keys import KEY_AGREEMENT as KA
from hanbootloader.trust import cell as cells

SUPPLIER_EUI = bytes.fromhex("90b3d51f30010000")
BROKER_EUI = bytes.fromhex("90b3d51f30000002")
#: 2027-01-01 12:00 UTC
START_S = 1_798_804_800
V1, V11, V12, V2 = 0x01000000, 0x01010000, 0x01020000, 0x02000000
FAR = 0xFFFF


@dataclass
class People:
    """Who holds which key."""

    manufacturer: PrivateKey = field(default_factory=generate)
    supplier: PrivateKey = field(default_factory=generate)
    broker: PrivateKey = field(default_factory=generate)
    stranger: PrivateKey = field(default_factory=generate)
    signing: PrivateKey = field(default_factory=generate)  # a device's
    agreement: PrivateKey = field(default_factory=generate)


def scalar(key: PrivateKey) -> bytes:
    """The 32 octets of a private key, as a device keeps them."""
    return key._key.private_numbers().private_value.to_bytes(32, "big")


def build(
    people: People,
    version: int,
    follows: tuple[int, ...] = (),
    signed: bool = False,
    payload_bytes: int = 9000,
    seed: str = "",
    hardware: tuple[int, int] = images.HARDWARE,
) -> Image:
    """An image of `version` that may follow the versions in `follows`."""
    payload = images.payload_octets(f"{version:08x}{seed}", payload_bytes)
    content = manifest.Manifest(
        images.MANUFACTURER_CODE,
        images.IMAGE_TYPE,
        version,
        hardware,
        manifest.KIND_ROMFS,
        payload_bytes,
        hashlib.sha256(payload).digest(),
        tuple((one, None, None) for one in follows),
    )
    encoded = writer.encode_manifest(content)
    key = people.manufacturer
    signature = key.sign(writer.to_be_signed(encoded))
    image = images.assemble(writer.encode_envelope(key.public.kid, encoded, signature), payload)
    trailer = b""
    if signed:
        trailer = writer.encode_trailer(ota.Trailer(0, people.supplier.sign(image)))
    header = images.header_of(content, image, len(trailer))
    return ota_file.load(writer.encode_header(header) + image + trailer)


class HomeRadio(Radio):
    """The radio of a device; the test plays the air."""

    def __init__(self, eui: bytes, hub: bytes | None = None) -> None:
        self.eui64 = eui
        self.hub = hub
        self.inbox: list[tuple[bytes, int, bool, memoryview]] = []
        self.outbox: list[tuple[bytes, int, bytes]] = []

    def receive(self) -> tuple[bytes, int, bool, memoryview] | None:
        return self.inbox.pop(0) if self.inbox else None

    def send(self, destination: bytes, cluster: int, frame: bytes) -> bool:
        self.outbox.append((destination, cluster, frame))
        return True


class Household:
    """One device: its flash, and what runs on it until it restarts."""

    def __init__(
        self,
        people: People,
        serial: bytes,
        device_type: int = policy.PPMID,
        tier: str = "product",
        has_broker: bool = True,
        has_keys: bool = True,
        cells_of_flash: bytearray | None = None,
    ) -> None:
        self.people = people
        self.board = ramboard.Board(device_type)
        self.board.flash = ramboard.RamFlash(ramboard.SECTORS, cells_of_flash)
        self.board.serial = serial
        self.board.tier = tier
        self.radio = self.board.han = HomeRadio(serial)
        self.trial_passes = True
        self.restarts = 0
        self._provision(has_broker, has_keys)
        self.restart()

    def _provision(self, has_broker: bool, has_keys: bool) -> None:
        device = self.board.device()
        people = self.people
        if has_keys:
            for usage, key in ((DS, people.signing), (KA, people.agreement)):
                device.network.stores.keys.keep(usage, scalar(key), key.public.point)
        trusted = [(cells.SUPPLIER, cells.DIGITAL_SIGNATURE, people.supplier, SUPPLIER_EUI)]
        if has_broker:
            broker = cells.ACCESS_CONTROL_BROKER
            trusted.append((broker, cells.KEY_AGREEMENT, people.broker, BROKER_EUI))
        trusted.append((cells.MANUFACTURER, cells.DIGITAL_SIGNATURE, people.manufacturer, bytes(8)))
        for role, usage, key, entity in trusted:
            head = cells.encode_head(role, usage, 0, key.public.point, 1, b"", SCOPE, entity)
            for _ in device.put_anchor_steps(head, None):
                pass

    # --- what runs

    def restart(self) -> None:
        """A reset: everything is read anew from flash, and what may start does."""
        self.restarts += 1
        self.device = self.board.device()
        if self.device.doubts.needs_restart:
            self.restart()
            return
        chosen = boot.choose(self.device)
        if self.device.doubts.needs_restart:
            self.restart()
            return
        if chosen is not None:
            self.device.started = chosen[0]
        self.installer = Installer(self.device)
        self.radio.inbox.clear()
        self.radio.outbox.clear()
        self.node = Node(self.device, self.device.network.stores, self.installer, self.radio)
        on_trial = self.device.ledger.find(ledger.TRIAL)
        if on_trial >= 0 and on_trial == self.device.started:
            if self.trial_passes:
                self.device.ledger.confirm(on_trial)
            else:
                self.device.ledger.note_trial(TRIAL_CRASHED)
                self.restart()

    def work(self) -> None:
        """All that is to be done now."""
        for _ in range(100_000):
            stepped = self.installer.step()
            if not self.node.poll() and not stepped:
                break
        else:
            raise AssertionError("the device comes to no end")
        if self.node.restart_due and not self.installer.busy:
            self.restart()

    def install(self, image: Image) -> None:
        """Installs by cable, at once."""
        octets = memoryview(image.octets)
        offset = self.installer.begin(len(octets), None)
        while offset < len(octets):
            steps = self.installer.write_steps(offset, octets[offset : offset + 512])
            offset = finish(steps)
        while self.installer.step():
            pass
        self.installer.activate(image.image_hash)
        self.restart()

    @property
    def version(self) -> int:
        running = self.device.running()
        return running.file_version if running else 0


class Home:
    """A hub, devices, and the time.

    Args:
        monkeypatch: takes the devices' clock.
        settings: of the hub.
        weather, seed: of the line.
        people: who holds which key; None makes keys.
    """

    def __init__(
        self,
        monkeypatch,
        settings: Settings | None = None,
        weather: Weather = Weather(),  # noqa: B008
        seed: int = 1,
        people: People | None = None,
    ) -> None:
        self.ms = 0
        monkeypatch.setattr(node_module, "ticks_ms", lambda: self.ms)
        self.settings = settings or Settings()
        self.people = people or People()
        self.messages: list[tuple[bytes, bytes]] = []
        self.weather, self.seed = weather, seed
        self.hub = self.new_hub()
        self.households: list[Household] = []
        self._down: dict[bytes, Air[OutgoingFrame]] = {}
        self._up: dict[bytes, Air[tuple[bytes, int, bytes]]] = {}
        #: sees every frame to a device: (source, cluster, frame) -> what arrives in its place
        self.meddle: Callable[[OutgoingFrame], list[OutgoingFrame]] = lambda frame: [frame]
        self._counter = 1_000

    def new_hub(self) -> Hub:
        return Hub(
            self.settings,
            clock=lambda: self.ms / 1000,
            unix=lambda: START_S + self.ms / 1000,
            on_message=lambda eui, octets: self.messages.append((eui, octets)),
        )

    def add(self, household: Household) -> Household:
        self.households.append(household)
        eui = household.board.serial
        self.hub.device(eui)
        self._down[eui] = Air(self.weather, self.seed + 2 * len(self.households))
        self._up[eui] = Air(self.weather, self.seed + 2 * len(self.households) + 1)
        return household

    def ppmid(self, number: int = 1, **more) -> Household:
        return self.add(Household(self.people, eui_of(number), policy.PPMID, **more))

    def hcalcs(self, number: int = 2, **more) -> Household:
        return self.add(Household(self.people, eui_of(number), policy.HCALCS, **more))

    def ihd(self, number: int = 3, **more) -> Household:
        return self.add(Household(self.people, eui_of(number), policy.IHD, **more))

    def offer(self, household: Household, image: Image, in_s: int | None = 0) -> None:
        self.hub.offer(household.board.serial, Offer(image, in_s))

    def state(self, household: Household):
        return self.hub.device(household.board.serial)

    def utc(self) -> int:
        return START_S - EPOCH_S + self.ms // 1000

    # --- time

    def step(self) -> None:
        """What happens at this instant."""
        now = self.ms / 1000
        for household in self.households:
            eui = household.board.serial
            for frame in self.hub.outgoing(eui):
                for changed in self.meddle(frame):
                    self._down[eui].put(changed, now)
            for frame in self._down[eui].arrived(now):
                household.radio.inbox.append(
                    (
                        self.settings.eui,
                        frame.cluster,
                        frame.is_broadcast,
                        memoryview(frame.octets),
                    )
                )
            household.work()
            for sent in household.radio.outbox:
                self._up[eui].put(sent, now)
            household.radio.outbox.clear()
            for destination, cluster, octets in self._up[eui].arrived(now):
                if destination in (self.settings.eui, BROADCAST):
                    self.hub.receive(eui, cluster, octets)

    def run(
        self,
        seconds: float = 3600,
        until: Callable[[], object] = lambda: False,
        step_ms: int = 20,
    ) -> bool:
        """Lets time pass until `until` holds, at most `seconds`; whether it came to hold.

        While nothing flows the clock goes in larger steps.
        """
        end = self.ms + int(seconds * 1000)
        while self.ms < end:
            before = self._traffic()
            self.step()
            if until():
                return True
            is_quiet = before == self._traffic() and not self._is_under_way()
            self.ms += min(step_ms * 25 if is_quiet else step_ms, max(1, end - self.ms))
        return bool(until())

    def _traffic(self) -> int:
        return sum(air.sent for air in (*self._down.values(), *self._up.values()))

    def _is_under_way(self) -> bool:
        airs = (*self._down.values(), *self._up.values())
        return not all(air.is_empty for air in airs)

    # --- commands

    def next_counter(self) -> int:
        self._counter += 1
        return self._counter

    def cs06(
        self,
        household: Household,
        image_hash: bytes,
        when: int | str | None = None,
        counter: int | None = None,
        **changes,
    ) -> bytes:
        """An Activate Firmware command of the supplier, in its final form.

        when: seconds since 2000-01-01, clock.CANCELLED, or None for now. changes: "originator",
        "recipient", "payload", "signer", "maced_by".
        """
        counter = self.next_counter() if counter is None else counter
        values: dict[str, object] = {"image_hash": image_hash, "counter": counter}
        if when is not None:
            values["execution_time"] = when if isinstance(when, str) else clock.time_of(when)
        command = Message(
            COMMAND,
            CS06_COMMAND.code,
            counter,
            changes.get("originator", SUPPLIER_EUI),
            changes.get("recipient", household.board.serial),
            changes.get("payload", CS06_COMMAND.encode(values)),
        )
        command.signature = changes.get("signer", self.people.supplier).sign(
            command.signed_octets()
        )
        return self.with_mac(command, changes.get("maced_by", self.people.broker))

    def cs08(self, household: Household, **changes) -> bytes:
        command = Message(
            COMMAND,
            CS08_COMMAND.code,
            changes.get("counter", self.next_counter()),
            BROKER_EUI,
            household.board.serial,
            CS08_COMMAND.encode({}),
            party=(SUPPLIER_EUI, 5),
            signature=b"",
        )
        return self.with_mac(command, changes.get("maced_by", self.people.broker))

    def with_mac(self, command: Message, key: PrivateKey) -> bytes:
        """`command` with the MAC of the holder of `key`."""
        secret = key.agree(self.people.agreement.public)
        command.mac = mac.make(secret, command)
        return command.encode()

    def send(self, household: Household, octets: bytes) -> None:
        self.hub.send_message(household.board.serial, octets)


def eui_of(number: int) -> bytes:
    return bytes.fromhex("00db12345678ff") + bytes((number,))
