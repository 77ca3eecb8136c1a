"""What answers in place of a hub or of a party's server: it holds up no other, and what it says is
kept as every database takes it."""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
import threading

import pytest
import sqlalchemy as sa
from dsp import BROKER, HUB, IHD, PPMID, SUPPLIER, Dsp, ppmid_alert

from hanboot.dcc import dispatch, journal, parties, schema
from hanboot.dcc.http_client import Undelivered
from hanboot.dcc.hub_link import SocketHub
from hanboot.duis import requests
from hanboot.errors import HanbootError, NoDevice
from hanboot.inventory.devices import Inventory
from hanboot.trust.smki.certificate import parse_eui

DEEP = b"[" * 200_000
NO_HUB = {
    "nothing": b"",
    "words": b"hello",
    "a number": b"1",
    "null": b"null",
    "a list": b"[]",
    "no result": b"{}",
    "deep": DEEP,
    "not UTF-8": b'{"result": "\xff"}',
    "an error that is a number": b'{"error": 1}',
    "an error of two lines": b'{"error": {"lines": ["a", "b"], "exit_code": 1}}',
    "an error without a code": b'{"error": {"lines": ["a", "b", "c"], "exit_code": null}}',
}
NO_RESULT = ("null", "1", '"text"', "[1]", '[{"message": 1}]', '[{"message": "0"}]')
NO_OFFER = (*NO_RESULT, "{}", '{"hub": 1}', '{"hub": "a"}', '{"hub": null}')
NO_STATUS = (
    *NO_RESULT,
    "{}",
    '{"devices": 1}',
    '{"devices": [1]}',
    '{"devices": [{}]}',
    '{"devices": [{"device": "a", "file_version": 1}]}',
    '{"devices": [{"device": 1, "file_version": 1}]}',
    f'{{"devices": [{{"device": "{PPMID}", "file_version": "1"}}]}}',
    f'{{"devices": [{{"device": "{PPMID}", "file_version": {1 << 32}}}]}}',
    f'{{"devices": [{{"device": "{PPMID}", "file_version": -1}}]}}',
    f'{{"devices": [{{"device": "{PPMID}", "file_version": true}}]}}',
)


@contextlib.contextmanager
def answering(folder, octets):
    """Answers each connection to the path that is yielded with the same octets."""
    path = str(folder / "hub.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        while connection.recv(65536):
                            pass
                        connection.sendall(octets)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("name", NO_HUB)
def test_no_hub(tmp_path, name):
    with answering(tmp_path, NO_HUB[name]) as path:
        hub = SocketHub(path)
        for ask in (
            hub.messages,
            hub.versions,
            lambda: hub.offer(PPMID, b"", "unsigned", "once"),
            lambda: hub.send(PPMID, b"", "once"),
        ):
            with pytest.raises(NoDevice, match="is no hub"):
                ask()


@pytest.mark.parametrize(
    ("result", "ask"),
    [
        *((result, SocketHub.messages) for result in NO_RESULT),
        *((result, lambda hub: hub.offer(PPMID, b"", "unsigned", "once")) for result in NO_OFFER),
        *((result, SocketHub.versions) for result in NO_STATUS),
    ],
)
def test_an_answer_of_another_shape(tmp_path, result, ask):
    with (
        answering(tmp_path, f'{{"result": {result}}}'.encode()) as path,
        pytest.raises(NoDevice, match="is no hub"),
    ):
        ask(SocketHub(path))


def test_what_a_hub_reports_is_its_error(tmp_path):
    error = {"lines": ["what", "why", "what to do"], "exit_code": 1}
    with answering(tmp_path, json.dumps({"error": error}).encode()) as path:
        with pytest.raises(HanbootError, match="what; why; what to do") as caught:
            SocketHub(path).messages()
        assert caught.value.exit_code == 1


@pytest.mark.parametrize("octets", [b"1", b'{"error": 1}', b'{"result": {"devices": 1}}', DEEP])
def test_it_holds_up_no_other_hub(dsp, tmp_path, octets):
    with answering(tmp_path, octets) as path:
        parties.assign(dsp.registry.database, parties.Assignment(PPMID, SUPPLIER, path, None), [])
        dispatcher = dispatch.TaskDispatcher(
            dsp.registry.database,
            dsp.devices,
            lambda at: dsp.hub if at == HUB else SocketHub(at),
            lambda: dsp.time,
        )
        devices = [parse_eui(PPMID), parse_eui(IHD)]
        asked = requests.update_ppmid_firmware(dsp.request_id(BROKER), dsp.ppmid_image, devices)
        assert dsp.ask(asked)["response_code"] == "I0"
        dsp.says("ppmid", ppmid_alert(1, "01000000"))
        dispatcher.work()
    assert IHD in [device for device, _ in dsp.hub.offers]
    assert len(dsp.after_delivery()) == 1


def say_hostile_words(dsp, monkeypatch, caplog):
    """What is in the way of a task and of a document, in the words of a hub and of a server."""
    words = "a\0b\ud800c\x1b[2J" + "x" * 100_000

    def fail(*_):
        raise NoDevice(words, "", "")

    def post(*_):
        raise Undelivered(words)

    monkeypatch.setattr(dsp.hub, "offer", fail)
    monkeypatch.setattr(dispatch, "post", post)
    asked = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), dsp.ppmid_image, [parse_eui(PPMID)]
    )
    assert dsp.ask(asked)["response_code"] == "I0"
    dsp.says("ppmid", ppmid_alert(1, "01000000"))
    for _ in range(2):
        dsp.dispatcher.work()
    with dsp.registry.database.reading() as connection:
        ((why, count),) = journal.obstacles(connection, 10)
    assert count == 2
    assert why.startswith("a\ufffdb\ufffdc\ufffd[2Jxxx")
    assert len(why) <= 500
    # until the hub is given up
    for _ in range(52 * 4):
        dsp.time += datetime.timedelta(minutes=15)
        dsp.dispatcher.work()
    sent = Inventory(dsp.registry.database).distributions(PPMID)
    assert ("failed", why) in [(one.outcome, one.detail) for one in sent]
    logged = [line for line in caplog.messages if "xxx" in line]
    assert any("was given up" in line for line in logged)
    assert any("wait for another try" in line for line in logged)
    assert all("\ud800" not in line and len(line) < 700 for line in logged)


def test_hostile_words(dsp, monkeypatch, caplog):
    say_hostile_words(dsp, monkeypatch, caplog)


def test_hostile_words_on_postgresql(cluster, tmp_path, pki, monkeypatch, caplog):
    dsp = Dsp(tmp_path, pki, cluster.new_database())
    say_hostile_words(dsp, monkeypatch, caplog)
    dsp.close()


def test_obstacles_are_counted_over_tasks_and_documents(dsp):
    """One that is first in neither may be the first of both."""
    why = {"tasks": ["t"] * 4 + ["both"] * 3, "documents": ["d"] * 4 + ["both"] * 3}
    devices = dsp.add_displays([HUB] * len(why["tasks"]))
    dsp.ask(requests.update_ppmid_firmware(dsp.request_id(BROKER), dsp.ppmid_image, devices))
    with dsp.registry.database.writing() as connection:
        numbers = connection.execute(sa.select(schema.TASK.c.number)).scalars().all()
        for number, one in zip(numbers, why["tasks"], strict=True):
            update = sa.update(schema.TASK).where(schema.TASK.c.number == number)
            connection.execute(update.values(detail=one))
        for one in why["documents"]:
            journal.add_outgoing(connection, SUPPLIER, b"", dsp.time)
            number = sa.select(sa.func.max(schema.OUTGOING.c.number)).scalar_subquery()
            update = sa.update(schema.OUTGOING).where(schema.OUTGOING.c.number == number)
            connection.execute(update.values(detail=one))
    with dsp.registry.database.reading() as connection:
        assert journal.obstacles(connection, 1) == [("both", 6)]
        assert journal.obstacles(connection, 10) == [("both", 6), ("d", 4), ("t", 4)]
