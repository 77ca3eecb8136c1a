"""A data service provider for tests: a registry with images and devices, and their keys."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hanboot.dcc import journal, parties, schema
from hanboot.dcc import keys as dcc_keys
from hanboot.dcc.devices import Devices
from hanboot.dcc.dispatch import TaskDispatcher
from hanboot.dcc.service import Service
from hanboot.duis import describe, parsing, signature
from hanboot.duis.identifiers import RequestID
from hanboot.errors import NoDevice
from hanboot.gbcs import document
from hanboot.image import ota_file, sign
from hanboot.inventory.devices import DeviceRecord, Inventory
from hanboot.registry.entry import Entry
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys
from hanboot.trust.smki import certificate
from hanboot.trust.smki.certificate import eui_text
from hanbootloader.han.gbcs import mac, message
from hanbootloader.image import ota, writer

CODE, MODEL = 0xFFF0, 0x0005_0100
OLD, NEW = 0x01000000, 0x02000000
HUB = "/hub"

SUPPLIER, OTHER = "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-02-00-00"
BROKER = "90-B3-D5-1F-30-00-00-02"
PPMID, HCALCS = "00-DB-12-34-56-78-90-A4", "00-DB-12-34-56-78-90-A6"
ESME, IHD = "00-DB-12-34-56-78-90-A0", "00-DB-12-34-56-78-90-A5"
COMMS_HUB = "00-DB-12-34-56-78-90-A1"
#: device: its type, and the names of its keys
DEVICES = {PPMID: "PPMID", HCALCS: "HCALCS", ESME: "ESME", IHD: "IHD"}


def hcalcs_response(sent: message.Message, payload: dict[str, object]) -> dict[str, object]:
    """CS06, by which an HCALCS answers the supplier's command."""
    return {
        "use_case": "CS06",
        "kind": "response",
        "originator": HCALCS,
        "recipient": SUPPLIER,
        "counter": sent.counter,
        "date_time": "07df0101ff000000008000ff",
        "payload": payload,
    }


def ppmid_alert(code: int, version: str, counter: int = 1) -> dict[str, object]:
    """CS09, by which a PPMID reports how an activation ended. code: 0 for success."""
    return {
        "use_case": "CS09",
        "kind": "alert",
        "originator": PPMID,
        "recipient": BROKER,
        "counter": counter,
        "payload": {
            "alert_code": "8F8B",
            "time": "2026-03-01T10:00:00Z",
            "version": version,
            "response_code": code,
        },
    }


def image_of(payload: bytes, supplier: keys.PrivateKey | None = None) -> ota_file.Image:
    """An image that is not ours, signed where there is a supplier."""
    header = ota.Header(CODE, 0x0005, NEW, ota.HEADER_BYTES + len(payload), (0x0100, 0x0100))
    plain = ota_file.load(writer.encode_header(header) + payload, "unsigned")
    if supplier is None:
        return plain
    return ota_file.load(sign.sign(plain, supplier), "signed")


class FakeHub:
    """Keeps what it is given. away: whether it does not answer."""

    def __init__(self) -> None:
        self.offers: list[tuple[str, bytes]] = []
        self.commands: list[tuple[str, bytes]] = []
        self.inbox: list[bytes] = []
        self.running: dict[str, int] = {}
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise NoDevice("the hub does not answer", "it is away", "wait")

    def offer(self, device_id: str, image: bytes, layout: str, once: str) -> str:
        self._check()
        self.offers.append((device_id, image))
        return COMMS_HUB

    def send(self, device_id: str, command: bytes, once: str) -> None:
        self._check()
        self.commands.append((device_id, command))

    def versions(self) -> dict[str, int]:
        self._check()
        return self.running

    def messages(self) -> list[bytes]:
        self._check()
        return list(self.inbox)


class Dsp:
    """The service with all that is around it.

    Attributes:
        time: what its clock shows.
        hub: the only one.
    """

    def __init__(self, folder: Path, pki: Path, url: str | None = None) -> None:
        self.pki = pki
        self.path = folder / "registry.db"
        self.url = url or str(self.path)
        self.time = datetime.datetime.now(datetime.UTC)
        self.hub = FakeHub()
        self.ppmid_image = image_of(b"for a display" * 20)
        self.signed_image = image_of(b"for a switch" * 20, self.key("supplier-ds"))
        self.meter_image = image_of(b"for a meter" * 20, self.key("supplier-ds"))
        self._counters = itertools.count(1000)
        self._fill()
        self.open()

    def key(self, name: str) -> keys.PrivateKey:
        return keys.load_private(self.pki / f"{name}.key.pem")

    def certificate(self, name: str) -> certificate.Certificate:
        return certificate.load(self.pki / f"{name}.pem")

    def _fill(self) -> None:
        database = Database(self.url, create=True)
        entries = [
            self.entry("E-1", "PPMID", self.ppmid_image),
            self.entry("E-2", "HCALCS", self.signed_image),
            self.entry("E-3", "ESME", self.meter_image),
            self.entry("E-4", "IHD", self.ppmid_image),
        ]
        with Registry(database) as registry:
            with registry.changing(Attribution("a test", "to test")) as changing:
                changing.add(entries)
            Inventory(database).add(
                DeviceRecord(device_id, kind, CODE, MODEL, OLD)  # type: ignore[arg-type]
                for device_id, kind in DEVICES.items()
            )
            schema.prepare(database)
            for eui, name in ((SUPPLIER, "supplier"), (OTHER, "other-supplier")):
                held = [self.certificate(f"{name}-{end}") for end in ("ds", "ka", "xml")]
                party = parties.ServiceParty(
                    eui, name, certificate.SUPPLIER, "http://127.0.0.1:9/answers"
                )
                parties.add_party(database, party, held)
            for device_id, kind in DEVICES.items():
                held = [self.certificate(f"{kind.lower()}-{end}") for end in ("ds", "ka")]
                assignment = parties.Assignment(device_id, SUPPLIER, HUB)
                parties.assign(database, assignment, held)
            # the hub's own alerts are signed too
            parties.trust(database, [self.certificate("hub-ds")])

    def add_displays(self, hubs: Sequence[str]) -> list[bytes]:
        """A PPMID more on each hub, a path for each; returns their EUI-64s."""
        devices = [(0x00DB_1000_0000_0000 + n).to_bytes(8, "big") for n in range(len(hubs))]
        database = Database(self.url)
        try:
            Inventory(database).add(
                DeviceRecord(eui_text(device), "PPMID", CODE, MODEL, OLD) for device in devices
            )
            rows = [
                {"device_id": eui_text(device), "supplier": SUPPLIER, "hub": hub}
                for device, hub in zip(devices, hubs, strict=True)
            ]
            with database.writing() as connection:
                for start in range(0, len(rows), 1000):
                    connection.execute(sa.insert(schema.ASSIGNMENT), rows[start : start + 1000])
        finally:
            database.close()
        return devices

    @staticmethod
    def entry(name: str, kind: Any, image: ota_file.Image, **more: Any) -> Entry:
        values: dict[str, Any] = {
            "cpl_entry_id": name,
            "device_type": kind,
            "manufacturer_code": CODE,
            "device_model": MODEL,
            "firmware_version": image.header.file_version,
            "firmware_version_text": f"{image.header.file_version:08X}",
            "image_hash": image.image_hash,
            "status": "Active",
            "join_option": "2.4 GHz Only",
            "predecessors": (),
        }
        return Entry(**(values | more))

    def open(self) -> None:
        """Starts the service on what is in the database."""
        self.registry = Registry(Database(self.url))
        schema.prepare(self.registry.database)
        held = dcc_keys.load(self.pki)
        clock = lambda: self.time  # noqa: E731
        self.service = Service(self.registry, held, None, clock)
        self.devices = Devices(self.registry.database, self.service, held, clock)
        self.dispatcher = TaskDispatcher(
            self.registry.database, self.devices, lambda path: self.hub, clock
        )

    def close(self) -> None:
        self.registry.database.close()

    # --- asked

    def request_id(self, target: str, originator: str = SUPPLIER) -> RequestID:
        return RequestID.parse(f"{originator}:{target}:{next(self._counters)}")

    def signed(self, root: Any, name: str = "supplier-xml") -> bytes:
        signature.sign(root, self.key(name), self.certificate(name))
        return signature.to_octets(root)

    def ask(self, root: Any, name: str = "supplier-xml", **more: Any) -> dict[str, Any]:
        """What is answered to a request, once its signature is checked."""
        return self.read(self.service.answer(self.signed(root, name), **more))

    def read(self, octets: bytes) -> dict[str, Any]:
        self.last = octets
        root = parsing.parse(octets)
        described = describe.describe(root)
        signature.verify(root, [self.certificate("dsp-xml")], None)
        return described

    def outgoing(self) -> list[tuple[str, dict[str, Any]]]:
        """Documents that wait for parties."""
        with self.registry.database.reading() as connection:
            later = self.time + datetime.timedelta(days=30)
            waiting = journal.due_outgoing(connection, later, 1000)
        return [(one.party, self.read(one.octets)) for one in waiting]

    def after_delivery(self) -> list[tuple[str, dict[str, Any]]]:
        """The same without the reports that hubs have their images."""
        return [
            (party, described)
            for party, described in self.outgoing()
            if "csp_firmware_delivery_status" not in described["body"].get("dcc_alert", {})
        ]

    def device(self, device_id: str) -> DeviceRecord:
        return Inventory(self.registry.database).find([device_id])[device_id]

    # --- devices

    def says(self, name: str, described: dict[str, Any]) -> bytes:
        """A device's message, signed or MACed as its use case has it."""
        decoded = document.from_document(described, "a message")
        sent = decoded.message
        if decoded.use_case.protection & 1:
            sent.signature = self.key(f"{name}-ds").sign_plain(sent.signed_octets())
        if decoded.use_case.protection & 2:
            secret = self.key(f"{name}-ka").agree(self.certificate("broker-ka").key)
            sent.mac = mac.make(secret, sent)
        octets = sent.encode()
        self.hub.inbox.append(octets)
        return octets

    def takes(self, name: str, octets: bytes) -> message.Message:
        """A command as the device gets it: MAC checked."""
        sent = message.parse(octets)
        secret = self.key(f"{name}-ka").agree(self.certificate("broker-ka").key)
        assert mac.is_right(secret, sent)
        return sent
