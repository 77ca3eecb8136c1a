"""The data service provider: hubs and parties that are away or hang, and restarts."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import logging

import pytest
import sqlalchemy as sa
from dcc_steps import activation, distribute, receipt, transferred
from dsp import (
    BROKER,
    COMMS_HUB,
    HCALCS,
    IHD,
    OTHER,
    PPMID,
    SUPPLIER,
    ppmid_alert,
)

from hanboot.dcc import dispatch, journal, parties, schema
from hanboot.dcc.http_client import Undelivered
from hanboot.errors import NoDevice, WrongUsage
from hanboot.trust.smki.certificate import parse_eui


def test_a_message_that_is_dropped_is_logged_once(dsp, caplog):
    """A hub hands over what it keeps with each round; it counts as soon as it can be checked."""
    wrong = dsp.says("ppmid", ppmid_alert(0, "02000000") | {"originator": COMMS_HUB})
    garbled = b"no message"
    dsp.hub.inbox.append(garbled)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            dsp.dispatcher.work()
    assert caplog.text.count("was dropped") == 2
    assert not dsp.devices.take(wrong)
    unknown = dsp.says("ppmid", ppmid_alert(1, "01000000"))
    held = dsp.certificate("ppmid-ds")
    with dsp.registry.database.writing() as connection:
        mine = schema.CERTIFICATE.c.serial == str(held.serial)
        connection.execute(sa.delete(schema.CERTIFICATE).where(mine))
    assert not dsp.devices.take(unknown)
    parties.trust(dsp.registry.database, [held])
    assert dsp.devices.take(unknown)


def test_a_message_that_cannot_be_taken_keeps_no_other_from_it(dsp, monkeypatch, caplog):
    """Not even by an unexpected error: the others' outcomes are written, once."""
    device = parse_eui(IHD)
    tell = dsp.devices._smi.activation

    def fails(connection, device_id, version, success):
        tell(connection, device_id, version, success)
        if device_id == IHD:
            raise KeyError("not thought of")

    monkeypatch.setattr(dsp.devices._smi, "activation", fails)
    alerts = [ppmid_alert(1, "01000000", counter) for counter in (1, 2)]
    first, second = (dsp.says("ppmid", alert) for alert in alerts)
    wrong = dsp.says("ihd", ppmid_alert(1, "01000000") | {"originator": IHD})
    heard = [(first, "/hub"), (wrong, "/hub"), (first, "/hub"), (b"none", "/hub"), (second, "/hub")]
    for _ in range(2):
        assert dsp.devices.take_all(heard) == [True, False, True, False, True]
    assert caplog.text.count("internal error: KeyError('not thought of')") == 1
    assert len(dsp.outgoing()) == 2
    assert not any(device.hex("-").upper() in str(reported) for _, reported in dsp.outgoing())
    monkeypatch.undo()
    assert dsp.devices.take(wrong)
    assert len(dsp.outgoing()) == 3


def test_a_hub_reports_transfers_to_its_own_devices(dsp):
    distribute(dsp, PPMID)
    dsp.dispatcher.work()
    parties.assign(dsp.registry.database, parties.Assignment(HCALCS, SUPPLIER, "/other"))
    about_another = dsp.says("hub", transferred(HCALCS))
    assert not dsp.devices.take(about_another, "/hub")
    assert dsp.devices.take(about_another, "/other")
    # a device is no hub, though its signature is right
    assert not dsp.devices.take(dsp.says("ihd", transferred(PPMID, IHD)), "/hub")
    assert dsp.devices.take(dsp.says("hub", transferred(PPMID)), "/hub")


def test_an_alert_for_no_party_goes_nowhere(dsp, caplog):
    alert = receipt(dsp, "00-00-00-00-00-00-00-01")
    with caplog.at_level(logging.WARNING):
        assert dsp.devices.take(dsp.says("hcalcs", alert))
    assert "which is no party" in caplog.text
    assert dsp.outgoing() == []


def test_a_hub_that_is_away(dsp):
    distribute(dsp, PPMID)
    dsp.hub.away = True
    dsp.dispatcher.work()
    dsp.hub.away = False
    dsp.dispatcher.work()
    # not before its time has come
    assert dsp.hub.offers == []
    dsp.time += datetime.timedelta(seconds=3)
    dsp.dispatcher.work()
    assert len(dsp.hub.offers) == 1


def test_hubs_are_heard_by_a_clock_that_goes_on(dsp):
    """Two looks at it are never the same instant, as with the real one."""

    def clock():
        dsp.time += datetime.timedelta(microseconds=1)
        return dsp.time

    dispatcher = dispatch.TaskDispatcher(
        dsp.registry.database, dsp.devices, lambda path: dsp.hub, clock
    )
    dsp.says("ppmid", ppmid_alert(1, "01000000"))
    dispatcher.work()
    assert len(dsp.outgoing()) == 1


def test_a_hub_that_hangs_is_left_alone_for_a_while(dsp, monkeypatch, caplog):
    """It takes a connection and does not answer, until a time-out ends that."""
    clock = {"now": 0.0, "wait": 0.0}
    asked = []

    def messages():
        asked.append(dsp.time)
        clock["now"] += clock["wait"]
        raise NoDevice("no hub answers", "timed out", "start one")

    monkeypatch.setattr(dispatch.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(dsp.hub, "messages", messages)
    # one that is gone fails at once, and is asked with each round
    for clock["wait"], times in ((0.001, 3), (30.0, 1)):
        asked.clear()
        for _ in range(3):
            dsp.dispatcher.work()
            dsp.time += datetime.timedelta(seconds=1)
        assert len(asked) == times
    assert caplog.text.count("is left alone for a while") == 1
    dsp.time += datetime.timedelta(minutes=5)
    dsp.dispatcher.work()
    assert len(asked) == 2


def test_what_is_in_the_way_is_said_once(dsp, run, caplog):
    """In the log, and by `dcc status` as long as it is there."""
    distribute(dsp, PPMID, IHD)
    dsp.hub.away = True
    assert dsp.devices.take(dsp.says("ppmid", ppmid_alert(1, "01000000")))
    for _ in range(3):
        dsp.dispatcher.work()
        dsp.time += datetime.timedelta(minutes=1)
    lines = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(lines) == 2, lines
    assert lines[0] == (
        f"tasks that wait for another try: 2, first {PPMID}: the hub does not answer"
    )
    assert lines[1].startswith(f"documents for {SUPPLIER} wait for another try: http://127.0.0.1:9")
    ran = run("dcc", "status", "--registry", dsp.path, "--json")
    tasks, documents = ran.document["obstacles"]
    assert tasks == {"why": "the hub does not answer", "count": 2}
    assert documents["count"] == 1
    ran = run("dcc", "status", "--registry", dsp.path)
    assert "2 tried in vain" in ran.out
    assert "the hub does not answer" in ran.out
    dsp.hub.away = False
    dsp.dispatcher.work()
    ran = run("dcc", "status", "--registry", dsp.path, "--json")
    assert [one["count"] for one in ran.document["obstacles"]] == [1]


def test_a_restart_loses_nothing(dsp):
    distribute(dsp, PPMID)
    _, second = activation(dsp)
    dsp.ask(second)
    dsp.close()
    dsp.open()
    dsp.dispatcher.work()
    assert (len(dsp.hub.offers), len(dsp.hub.commands)) == (1, 1)
    dsp.close()
    dsp.open()
    dsp.dispatcher.work()
    assert (len(dsp.hub.offers), len(dsp.hub.commands)) == (1, 1)


def test_answers_are_delivered_in_order(dsp, monkeypatch):
    sent, down = [], {"down": True}

    def post(url, octets):
        assert url == "http://127.0.0.1:9/answers"
        if down["down"]:
            raise Undelivered("no one is there")
        sent.append(hashlib.sha256(octets).hexdigest())

    monkeypatch.setattr(dispatch, "post", post)
    for counter in range(1, 4):
        dsp.says("ppmid", ppmid_alert(1, "01000000", counter))
        dsp.dispatcher.work()
    assert sent == []
    wanted = [hashlib.sha256(one).hexdigest() for one in waiting(dsp)]
    down["down"] = False
    for _ in range(4):
        dsp.time += datetime.timedelta(hours=1)
        dsp.dispatcher.work()
    assert sent == wanted
    assert len(sent) == 3
    dsp.dispatcher.work()
    assert len(sent) == 3


def test_a_party_that_is_away_keeps_its_order_and_delays_no_other(dsp, monkeypatch):
    away = {SUPPLIER}
    tried, sent = [], []
    addresses = {f"http://{eui}/": eui for eui in (SUPPLIER, OTHER)}
    for url, eui in addresses.items():
        parties.add_party(dsp.registry.database, parties.ServiceParty(eui, "x", 2, url), [])

    def post(url, octets):
        tried.append(addresses[url])
        if addresses[url] in away:
            raise Undelivered("no one is there")
        sent.append(octets)

    monkeypatch.setattr(dispatch, "post", post)
    monkeypatch.setattr(dispatch, "_AT_ONCE", 3)
    with dsp.registry.database.writing() as connection:
        for number in range(10):
            journal.add_outgoing(connection, SUPPLIER, b"%d" % number, dsp.time)
        journal.add_outgoing(connection, OTHER, b"other", dsp.time)
    dsp.dispatcher.work()
    assert sent == [b"other"]
    # one try, and the next when that one is due, not one with each round
    dsp.time += datetime.timedelta(seconds=1)
    dsp.dispatcher.work()
    assert tried.count(SUPPLIER) == 1
    away.clear()
    dsp.dispatcher.work()
    assert tried.count(SUPPLIER) == 1
    for _ in range(4):
        dsp.time += datetime.timedelta(seconds=2)
        dsp.dispatcher.work()
    assert sent[1:] == [b"%d" % number for number in range(10)]


def waiting(dsp):
    with dsp.registry.database.reading() as connection:
        later = dsp.time + datetime.timedelta(days=30)
        return [one.octets for one in journal.due_outgoing(connection, later, 100)]


def test_records(dsp, pki):
    database = dsp.registry.database
    with pytest.raises(WrongUsage, match="cannot take answers"):
        parties.add_party(database, parties.ServiceParty(OTHER, "x", 2, "ftp://x/"), [])
    with pytest.raises(WrongUsage, match="cannot take answers"):
        parties.add_party(database, parties.ServiceParty(OTHER, "x", 2, "http://user@host/"), [])
    wrong = [dsp.certificate("supplier-ds")]
    with pytest.raises(WrongUsage, match="is not of"):
        parties.add_party(database, parties.ServiceParty(OTHER, "x", 2, None), wrong)
    # a certificate that names itself as another party's does takes no place
    theirs = dsp.certificate("supplier-ds")
    mine = dataclasses.replace(theirs, eui=parse_eui(PPMID))
    with pytest.raises(WrongUsage, match=f"are {SUPPLIER}'s"):
        parties.trust(database, [mine])
    parties.trust(database, [theirs])
    with pytest.raises(WrongUsage, match="is not in the inventory"):
        parties.assign(database, parties.Assignment(COMMS_HUB, SUPPLIER, "/hub"))
    with pytest.raises(WrongUsage, match="there is no party"):
        parties.assign(database, parties.Assignment(PPMID, BROKER, "/hub"))
