"""The service, a process that is driven over HTTP, is killed in the middle of its work, and started
again: nothing is lost, and nothing reaches a hub or a party twice."""

from __future__ import annotations

import http.client
import http.server
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dsp import BROKER, HCALCS, PPMID, SUPPLIER, Dsp, ppmid_alert
from serving import Process, post, serving, until

from hanboot.dcc import parties
from hanboot.dcc.inbox import Inbox
from hanboot.dcc.schema import ASSIGNMENT, OUTGOING, TASK
from hanboot.duis import parsing, precommand, requests
from hanboot.hub.air import Weather
from hanboot.hub.control import ControlServer
from hanboot.hub.hub import Settings
from hanboot.hub.service import HubService
from hanboot.registry.storage.database import Database
from hanboot.trust.smki import certificate as smki
from hanboot.trust.smki.certificate import eui_text

D, S, T = "/api/v1/serviceD", "/api/v1/serviceS", "/api/v1/serviceT"
DEVICES, HUBS, KILLED_AT = 240, 3, 101


@pytest.fixture(params=["sqlite", "postgresql"])
def dsp(request: pytest.FixtureRequest, tmp_path: Path, pki: Path) -> Dsp:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("cluster").new_database()
    made = Dsp(tmp_path, pki, url)
    made.close()
    return made


class Killer:
    """Kills a process, once, when what it counts comes to a number."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0
        self.process: Process | None = None
        self.killed = threading.Event()

    def hit(self) -> None:
        self.count += 1
        if self.count == self.at:
            assert self.process is not None
            os.kill(self.process.process.pid, signal.SIGKILL)
            self.process.process.wait()
            self.killed.set()


class Hub(HubService):
    """A hub with no devices at it: keeps what it is given, and what it was asked."""

    def __init__(self, killer: Killer) -> None:
        super().__init__(Settings(), Weather(), 1)
        self._killer = killer
        self.asked: list[str] = []
        self.given: list[tuple[str, str]] = []

    def handle(self, request: dict[str, Any]) -> Any:
        if request["command"] in ("offer", "send"):
            self.asked.extend(request["to"])
        return super().handle(request)

    def _offer(self, request: dict[str, Any]) -> Any:
        return self._take(request)

    def _send(self, request: dict[str, Any]) -> Any:
        return self._take(request)

    def _take(self, request: dict[str, Any]) -> Any:
        (device,) = request["to"]
        self.given.append((request["command"], device))
        # the hub has it, and the service never gets to know
        self._killer.hit()
        return {"hub": eui_text(self.hub.settings.eui), "offered_to": [device]}


@pytest.fixture
def serve_hub(tmp_path: Path) -> Iterator[Callable[[Hub], str]]:
    """Lets a hub listen; returns the path of its socket."""
    stop = threading.Event()
    running: list[tuple[ControlServer, threading.Thread]] = []

    def start(hub: Hub) -> str:
        path = tmp_path / f"hub-{len(running)}.sock"
        server = ControlServer(path, hub.handle)
        thread = threading.Thread(target=server.run, args=(stop,))
        thread.start()
        running.append((server, thread))
        return str(path)

    yield start
    stop.set()
    for server, thread in running:
        thread.join()
        server.close()


def taken(url: str, path: str, octets: bytes) -> bytes:
    """The answer to a document that is taken."""
    status, answer = post(url, path, octets)
    assert status == 200
    return bytes(answer)


def count(dsp: Dsp, *conditions: Any, table: sa.Table = TASK) -> int:
    database = Database(dsp.url)
    try:
        with database.reading() as connection:
            query = sa.select(sa.func.count()).select_from(table).where(*conditions)
            return int(connection.execute(query).scalar_one())
    finally:
        database.close()


def test_killed_in_the_middle_of_a_distribution(dsp: Dsp, serve_hub: Callable[[Hub], str]) -> None:
    killer = Killer(KILLED_AT)
    hubs = [Hub(killer) for _ in range(HUBS)]
    paths = [serve_hub(hub) for hub in hubs]
    devices = dsp.add_displays([paths[n % HUBS] for n in range(DEVICES)])
    asked = requests.update_ppmid_firmware(dsp.request_id(BROKER), dsp.ppmid_image, devices)
    octets = dsp.signed(asked)
    with serving(dsp) as killer.process:
        answer = taken(killer.process.url, D, octets)
        assert dsp.read(answer)["response_code"] == "I0"
        killer.killed.wait()
    assert sum(len(hub.given) for hub in hubs) == KILLED_AT
    with serving(dsp) as again:
        # the supplier did not know either: the same answer, and nothing more to do
        assert taken(again.url, D, octets) == answer
        until(lambda: count(dsp, TASK.c.state == "passed") == DEVICES, "all images passed on")
    given = Counter(device for hub in hubs for _, device in hub.given)
    assert given == dict.fromkeys(map(eui_text, devices), 1)
    assert count(dsp) == DEVICES
    # and each delivery is one report to the supplier
    assert count(dsp, table=OUTGOING) == DEVICES
    # what was under way was handed over again: the hubs saw that they had it
    assert sum(len(hub.asked) for hub in hubs) > DEVICES


def test_killed_while_a_command_goes_out(dsp: Dsp, serve_hub: Callable[[Hub], str]) -> None:
    killer = Killer(1)
    hub = Hub(killer)
    move(dsp, HCALCS, serve_hub(hub))
    first = requests.activate_firmware(dsp.request_id(HCALCS), dsp.signed_image.image_hash)
    with serving(dsp) as killer.process:
        answer = taken(killer.process.url, T, dsp.signed(first))
        command = precommand.compare(first, parsing.parse(answer))
        second = dsp.signed(precommand.sign(first, command, 5, dsp.key("supplier-ds")))
        acknowledged = taken(killer.process.url, S, second)
        assert dsp.read(acknowledged)["response_code"] == "I99"
        killer.killed.wait()
    with serving(dsp) as again:
        assert taken(again.url, S, second) == acknowledged
        until(
            lambda: count(dsp, TASK.c.command.is_not(None), TASK.c.state == "passed") == 1,
            "the command passed on",
        )
    assert hub.given == [("send", HCALCS)]
    assert hub.asked == [HCALCS, HCALCS]


def test_killed_while_answers_go_out(
    dsp: Dsp, serve_hub: Callable[[Hub], str], tmp_path: Path, pki: Path
) -> None:
    killer = Killer(3)
    hub = Hub(Killer(0))
    move(dsp, PPMID, serve_hub(hub))
    folder = tmp_path / "answers"
    folder.mkdir()
    inbox = Inbox(folder, [smki.load(pki / "dsp-xml.pem")])
    received: list[bytes] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(octets)
            inbox.keep(octets)
            # kept, and the service never gets to know
            killer.hit()
            try:
                self.send_response(204)
                self.end_headers()
            except OSError:
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    listener = threading.Thread(target=server.serve_forever)
    listener.start()
    try:
        database = Database(dsp.url)
        url = f"http://127.0.0.1:{server.server_port}/"
        parties.add_party(
            database, parties.ServiceParty(SUPPLIER, "supplier", smki.SUPPLIER, url), []
        )
        database.close()
        for number in range(1, 7):
            hub.inbox.append((b"", activated(dsp, number)))
        with serving(dsp) as killer.process:
            killer.killed.wait()
        with serving(dsp):
            delivered = OUTGOING.c.delivered_at.is_not(None)
            until(lambda: count(dsp, delivered, table=OUTGOING) == 6, "all answers delivered")
    finally:
        server.shutdown()
        listener.join()
        server.server_close()
    assert len(list(folder.glob("*.xml"))) == 6
    # one came again, octet for octet the same, in its order
    assert len(received) == 7
    assert received[2] == received[3]
    assert len(set(received)) == 6


def move(dsp: Dsp, device: str, hub: str) -> None:
    """Puts a device on a hub, and all others nowhere."""
    database = Database(dsp.url)
    with database.writing() as connection:
        connection.execute(sa.update(ASSIGNMENT).values(hub="/nowhere"))
        connection.execute(
            sa.update(ASSIGNMENT).where(ASSIGNMENT.c.device_id == device).values(hub=hub)
        )
    database.close()


def activated(dsp: Dsp, number: int) -> bytes:
    """The PPMID's alert, with a counter of its own."""
    return dsp.says(
        "ppmid",
        ppmid_alert(1, "01000000", number),
    )
