"""What it costs the service when all devices of a distribution report back, as `bench_chain` has
distributed it: each hub hands over its PPMID's alert (CS09), and each becomes a DCC alert in the
supplier's inbox, after the report (N60) that the hub had its image.

The service is a process of its own, which is killed (SIGKILL) in the middle and started again. The
supplier's side is this process: the inbox of `hanboot dcc inbox`, over HTTP. Nothing is asserted
but that each alert is kept once, and that the inventory follows.
"""

from __future__ import annotations

import http.server
import itertools
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("chain", "support")]

import dsp  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.x509 import load_pem_x509_certificate  # noqa: E402

from hanboot.dcc import journal, keys, parties, schema  # noqa: E402
from hanboot.dcc.devices import Devices  # noqa: E402
from hanboot.dcc.dispatch import TaskDispatcher  # noqa: E402
from hanboot.dcc.inbox import Inbox  # noqa: E402
from hanboot.dcc.service import Service  # noqa: E402
from hanboot.errors import HanbootError  # noqa: E402
from hanboot.gbcs import document  # noqa: E402
from hanboot.registry.storage.database import Database  # noqa: E402
from hanboot.registry.storage.schema import DEVICE  # noqa: E402
from hanboot.registry.storage.store import Registry  # noqa: E402
from hanboot.trust.keys import PrivateKey  # noqa: E402
from hanboot.trust.smki import certificate  # noqa: E402
from hanboot.trust.smki.authority import CertificateAuthority  # noqa: E402
from hanboot.trust.smki.certificate import eui_text  # noqa: E402

Figures = dict[str, tuple[str, float, str]]

_ROWS_AT_ONCE = 1000
_PROGRAM = Path(__file__)


# --- the service, a process of its own


class _Hub:
    """Has one alert to hand over, the same with each round."""

    def __init__(self, alerts: Path, octets: int, number: int | None) -> None:
        self._alerts, self._octets, self._number = alerts, octets, number

    def offer(self, device_id: str, image: bytes, layout: str, once: str) -> str:
        raise AssertionError("everything is distributed")

    def send(self, device_id: str, command: bytes, once: str) -> None:
        raise AssertionError("no command is sent here")

    def versions(self) -> dict[str, int]:
        return {}

    def messages(self) -> list[bytes]:
        if self._number is None:
            return []
        # of one length, one after the other
        with self._alerts.open("rb") as file:
            file.seek(self._number * self._octets)
            return [file.read(self._octets)]


def serve(url: str, pki: Path, alerts: Path, octets: int) -> None:
    """Hears hubs and delivers, round after round, until it is killed."""
    held = keys.load(pki)

    def connect(path: str) -> _Hub:
        # some more devices are on a hub of their own
        return _Hub(alerts, octets, None if path == dsp.HUB else int(path.rpartition("/")[2]))

    with Registry(Database(url)) as registry:
        service = Service(registry, held)
        devices = Devices(registry.database, service, held)
        dispatcher = TaskDispatcher(registry.database, devices, connect)
        before = memory_mb("VmRSS")
        for number in itertools.count(1):
            started = time.process_time()
            dispatcher.work()
            took = time.process_time() - started
            print(number, took, memory_mb("VmHWM") - before, flush=True)


def memory_mb(name: str) -> float:
    """VmRSS or VmHWM, its peak. Not getrusage's: that begins with the parent's, before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


# --- devices and hubs


def _prepare(made: dsp.Dsp, devices: Sequence[bytes], url: str, alerts: Path) -> int:
    """Gives each device a certificate and writes its alert; the octets of one alert."""
    authority = CertificateAuthority("Z2", 0x07, None, made.time.replace(microsecond=0))
    database = Database(made.url)
    lengths: Counter[int] = Counter()
    try:
        parties.add_party(
            database, parties.ServiceParty(dsp.SUPPLIER, "supplier", certificate.SUPPLIER, url), []
        )
        with alerts.open("wb") as file, database.writing() as connection:
            # N60s were tried in vain, by a clock that ran through the window
            due = journal.time_text(made.time)
            connection.execute(sa.update(schema.OUTGOING).values(due=due))
            for start in range(0, len(devices), _ROWS_AT_ONCE):
                rows = []
                for device in devices[start : start + _ROWS_AT_ONCE]:
                    issued = authority.device(device, "signature")
                    lengths[file.write(_alert(device, issued.private_key))] += 1
                    rows.append(_row(device, issued.certificate))
                connection.execute(sa.insert(schema.CERTIFICATE), rows)
    finally:
        database.close()
    (length,) = lengths
    return length


def _alert(device: bytes, private_key: bytes) -> bytes:
    """CS09: the new version was activated."""
    described = dsp.ppmid_alert(0, f"{dsp.NEW:08X}") | {"originator": eui_text(device)}
    sent = document.from_document(described, "an alert").message
    key = serialization.load_pem_private_key(private_key, None)
    sent.signature = PrivateKey(key).sign_plain(sent.signed_octets())  # type: ignore[arg-type]
    return sent.encode()


def _row(device: bytes, pem: bytes) -> dict[str, str]:
    held = load_pem_x509_certificate(pem)
    return {
        "issuer": held.issuer.rfc4514_string(),
        "serial": str(held.serial_number),
        "holder": eui_text(device),
        "pem": pem.decode(),
    }


# --- the supplier


class _Supplier(http.server.ThreadingHTTPServer):
    """An inbox behind HTTP, as `hanboot dcc inbox` is; counts what it is sent.

    Attributes:
        kept: how many documents.
        sent: how often each document came, by the hash of its octets.
        spent_s: processor time of keeping.
    """

    daemon_threads = True

    def __init__(self, folder: Path, dsp_certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        folder.mkdir()
        self.folder = folder
        self._inbox = Inbox(folder, [certificate.load(dsp_certificate)], None, self._on_document)
        self.kept = 0
        self.sent: Counter[int] = Counter()
        self.spent_s = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def _on_document(self, line: str) -> None:
        self.kept += 1

    def keep(self, octets: bytes) -> None:
        self.sent[hash(octets)] += 1
        started = time.thread_time()
        self._inbox.keep(octets)
        self.spent_s += time.thread_time() - started


class _Answer(http.server.BaseHTTPRequestHandler):
    server: _Supplier

    def do_POST(self) -> None:
        octets = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.server.keep(octets)
            status = 204
        except HanbootError:
            status = 400
        try:
            self.send_response(status)
            self.end_headers()
        except OSError:
            # the service was killed
            return

    def log_message(self, *_: object) -> None:
        pass


# --- what is measured


class _Run:
    """What the service's processes have printed. work_mb: the most that one took beyond rest."""

    def __init__(self, *arguments: object) -> None:
        self._arguments = [str(one) for one in arguments]
        self.work_s = self.work_mb = 0.0

    def go(self, supplier: _Supplier, until: int) -> None:
        """Runs the service until the supplier has so many documents, and kills it."""
        command = [sys.executable, str(_PROGRAM), *self._arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                _, took, memory = line.split()
                self.work_s += float(took)
                self.work_mb = max(self.work_mb, float(memory))
                if supplier.kept >= until:
                    process.kill()
                    break


def measure(folder: Path, made: dsp.Dsp, devices: Sequence[bytes]) -> Figures:
    """name: (what, value, unit).

    Args:
        folder: for files.
        made: the service after a distribution to `devices`; its database is closed.
        devices: EUI-64s, each on the hub whose path ends with its place.
    """
    supplier = _Supplier(folder / "inbox", folder / "pki" / "dsp-xml.pem")
    thread = threading.Thread(target=supplier.serve_forever, daemon=True)
    thread.start()
    try:
        alerts = folder / "alerts"
        octets = _prepare(made, devices, supplier.url, alerts)
        run = _Run(made.url, folder / "pki", alerts, octets)
        started = time.monotonic()
        # a report for each device waits already; killed when two fifths of the alerts are there
        run.go(supplier, len(devices) * 7 // 5)
        run.go(supplier, len(devices) * 2)
        took = time.monotonic() - started
    finally:
        supplier.shutdown()
        thread.join()
        supplier.server_close()
    kept = len(list(supplier.folder.glob("*.xml")))
    assert kept == supplier.kept == len(supplier.sent) == len(devices) * 2
    assert _running(made, dsp.NEW) == len(devices)
    return {
        "back_s": ("alerts heard, they and N60 delivered, two processes", run.work_s, "s CPU"),
        "back_wall_s": ("the same by the clock, the inbox beside it", took, "s"),
        "back_mb": ("memory of a process for that, beyond rest", run.work_mb, "MB"),
        "back_again": ("delivered again after the kill", supplier.sent.total() - kept, ""),
        "inbox_s": ("verified and kept by the inbox", supplier.spent_s, "s CPU"),
    }


def _running(made: dsp.Dsp, version: int) -> int:
    """How many devices run it, as the inventory has it."""
    database = Database(made.url)
    try:
        with database.reading() as connection:
            query = sa.select(sa.func.count()).where(DEVICE.c.firmware_version == version)
            return int(connection.execute(query).scalar_one())
    finally:
        database.close()


if __name__ == "__main__":
    _url, _pki, _alerts_file, _octets = sys.argv[1:]
    serve(_url, Path(_pki), Path(_alerts_file), int(_octets))
