"""Who plays the chain from desk to household: supplier with inbox, service, hub, two devices.

All keys are a lab's (`hanboot smki new-test-pki`), with certificates for the serials of the devices
that play.
"""

from __future__ import annotations

import datetime
import itertools
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hanboot.dcc import keys as dcc_keys
from hanboot.dcc import parties, schema
from hanboot.dcc.devices import Devices
from hanboot.dcc.dispatch import TaskDispatcher
from hanboot.dcc.inbox import Inbox
from hanboot.dcc.service import Service
from hanboot.demo.bench import Bench
from hanboot.device import network
from hanboot.device.provisioning import AnchorKey, provision
from hanboot.duis import describe, parsing, signature
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import DOCUMENT_MAX_BYTES
from hanboot.http import listen as http
from hanboot.hub.air import Weather
from hanboot.hub.attachment import PortExchange
from hanboot.hub.hub import Settings
from hanboot.hub.ota import Offer, Pacing
from hanboot.hub.service import HubService
from hanboot.image import ota_file
from hanboot.image.ota_file import Layout
from hanboot.inventory.devices import DeviceRecord, Inventory
from hanboot.inventory.enrolment import from_identity
from hanboot.link import virtual
from hanboot.link.deadline import Deadline
from hanboot.link.process_clock import own_clock
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import now
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys
from hanboot.trust.keys import PrivateKey, PublicKey
from hanboot.trust.smki import certificate, lab
from hanboot.trust.smki.authority import CertificateAuthority
from hanboot.trust.smki.certificate import Certificate, eui_text, parse_eui
from hanbootloader.trust import cell

SUPPLIER = "90-B3-D5-1F-30-01-00-00"
BROKER = "90-B3-D5-1F-30-00-00-02"
_HUB = "00-DB-12-34-56-78-90-A1"
_WAIT_S = 60.0
_LOOK_S = 0.05


class _HubOfTheHome:
    """The hub as the service reaches it."""

    def __init__(self, home: HubService) -> None:
        self._home = home

    def offer(self, device_id: str, image: bytes, layout: Layout, once: str) -> str:
        # a supplier's signature says that CS06 will activate
        in_s = None if layout == "signed" else 0
        self._home.hub.offer(parse_eui(device_id), Offer(ota_file.load(image, layout), in_s))
        return _HUB

    def send(self, device_id: str, command: bytes, once: str) -> None:
        self._home.hub.send_message(parse_eui(device_id), command)

    def versions(self) -> dict[str, int]:
        return {}

    def messages(self) -> list[bytes]:
        return [octets for _, octets in list(self._home.inbox)]


class Chain:
    """Everybody but the manufacturer.

    Args:
        manufacturer: public key that devices take images by.
        benches: the devices; each has made no keys yet, and runs nothing.
    """

    def __init__(self, manufacturer: PublicKey, *benches: Bench) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="hanboot-demo-")
        self.folder = Path(self._temporary.name)
        #: their IDs, once they are entered
        self.devices: list[str] = []
        self._pki = self.folder / "pki"
        lab.new(self._pki)
        self._counters = itertools.count(int(time.time() * 1000))
        self._benches = benches
        for bench in benches:
            self._prepare(bench, manufacturer)
        self.registry = Registry(Database(str(self.folder / "registry.db"), create=True))
        self.inventory = Inventory(self.registry.database)
        schema.prepare(self.registry.database)
        self._open_inbox()
        self.home = HubService(
            Settings(eui=parse_eui(_HUB), key=self.key("hub-ds"), pacing=Pacing(stall_s=2.0)),
            Weather(),
            1,
        )
        held = dcc_keys.load(self._pki)
        self._service = Service(self.registry, held, None)
        devices = Devices(self.registry.database, self._service, held)
        hub = _HubOfTheHome(self.home)
        self._dispatcher = TaskDispatcher(self.registry.database, devices, lambda path: hub)

    def close(self) -> None:
        self.home.close()
        self._server.stop()
        self._listener.join()
        self.registry.database.close()
        self._temporary.cleanup()

    # --- keys

    def key(self, name: str) -> PrivateKey:
        return keys.load_private(self._pki / f"{name}.key.pem")

    def certificate(self, name: str) -> Certificate:
        return certificate.load(self._pki / f"{name}.pem")

    def _prepare(self, bench: Bench, manufacturer: PublicKey) -> None:
        """Certificates and keys for a device, and its trust anchors."""
        serial = bench.device.identity().serial
        authority = CertificateAuthority("Z3", lab.ROOT, None, _yesterday())
        for suffix, issued in (
            ("ds", authority.device(serial, "signature")),
            ("ka", authority.device(serial, "agreement")),
        ):
            (self._pki / f"{serial.hex()}-{suffix}.pem").write_bytes(issued.certificate)
            file = self._pki / f"{serial.hex()}-{suffix}.key.pem"
            file.touch(0o600)
            file.write_bytes(issued.private_key)
        own = [self.key(f"{serial.hex()}-{suffix}") for suffix in ("ds", "ka")]
        network.write_keys(bench.device, *own)
        signing, agreeing = cell.DIGITAL_SIGNATURE, cell.KEY_AGREEMENT
        trusted = (
            (cell.SUPPLIER, self.certificate("supplier-ds").key, signing, parse_eui(SUPPLIER)),
            (
                cell.ACCESS_CONTROL_BROKER,
                self.certificate("broker-ka").key,
                agreeing,
                parse_eui(BROKER),
            ),
            (cell.MANUFACTURER, manufacturer, signing, cell.ANYONE),
        )
        provision(
            bench.device,
            [
                AnchorKey(role, key.kid, key.point, True, "a lab's", usage, entity)
                for role, key, usage, entity in trusted
            ],
        )

    # --- before the first request

    def _open_inbox(self) -> None:
        self.answers = self.folder / "inbox"
        self.answers.mkdir()
        application = Inbox(self.answers, [self.certificate("dsp-xml")])
        self._server = http.open_server(
            http.Listen("127.0.0.1", 0), application, DOCUMENT_MAX_BYTES
        )
        self._listener = threading.Thread(target=self._server.serve, daemon=True)
        self._listener.start()
        url = f"http://127.0.0.1:{self._server.bind_addr[1]}/"
        party = parties.ServiceParty(SUPPLIER, "supplier", certificate.SUPPLIER, url)
        held = [self.certificate(f"supplier-{end}") for end in ("ds", "ka", "xml")]
        parties.add_party(self.registry.database, party, held)
        parties.trust(self.registry.database, [self.certificate("hub-ds")])

    def enter(self) -> None:
        """Devices with their first application: into the inventory, and on the hub."""
        self.devices = []
        for bench in self._benches:
            identity = bench.device.identity()
            device = from_identity(identity, now())
            self.inventory.add([device])
            self.devices.append(device.device_id)
            held = [self.certificate(f"{identity.serial.hex()}-{end}") for end in ("ds", "ka")]
            assignment = parties.Assignment(device.device_id, SUPPLIER, "hub")
            parties.assign(self.registry.database, assignment, held)
            bench.device.close()
            port = f"{virtual.PREFIX}{bench.board.state}"
            self.home.attach(identity.serial, PortExchange(port, identity.serial))

    # --- the supplier's desk

    def request_id(self, target: str) -> RequestID:
        return RequestID.parse(f"{SUPPLIER}:{target}:{next(self._counters)}")

    def submit(self, root: Any) -> tuple[str, Any]:
        """Signs a request and sends it; the code of the answer, and the answer, both checked."""
        signature.sign(root, self.key("supplier-xml"), self.certificate("supplier-xml"))
        answer = parsing.parse(self._service.answer(signature.to_octets(root)))
        signature.verify(answer, [self.certificate("dsp-xml")], None)
        return describe.describe(answer)["response_code"], answer

    def received(self) -> list[dict[str, Any]]:
        """What is in the supplier's inbox, in its order."""
        return [
            describe.describe(parsing.parse(path.read_bytes()))
            for path in sorted(self.answers.glob("*.xml"))
        ]

    def wait(self, holds: Callable[[], Any]) -> Any:
        """Lets the service work until something holds; what it is, or None at last."""
        deadline = Deadline(_WAIT_S, own_clock())
        while not deadline.passed:
            self._dispatcher.work()
            if found := holds():
                return found
            time.sleep(_LOOK_S)
        return None

    def wait_for(self, kind: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The body of the first document of a kind in the inbox for which something holds."""

        def look() -> dict[str, Any] | None:
            bodies = (one["body"] for one in self.received() if one["kind"] == kind)
            return next((body for body in bodies if holds(body)), None)

        found: dict[str, Any] | None = self.wait(look)
        return found

    def held(self, device_id: str) -> DeviceRecord:
        """The device as the inventory has it."""
        return self.inventory.find([device_id])[device_id]


def device_id(bench: Bench) -> str:
    return eui_text(bench.device.identity().serial)


def _yesterday() -> datetime.datetime:
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return moment.replace(microsecond=0)
