"""Parties and their records, and documents on their way to them."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib

import pytest
from dsp import (
    BROKER,
    COMMS_HUB,
    OTHER,
    PPMID,
    SUPPLIER,
    ppmid_alert,
)

from hanboot.dcc import dispatch, journal, parties
from hanboot.dcc.http_client import Undelivered
from hanboot.errors import WrongUsage
from hanboot.trust.smki.certificate import parse_eui


def test_records(dsp, pki):
    database = dsp.registry.database
    with pytest.raises(WrongUsage, match="cannot take answers"):
        parties.add_party(database, parties.Party(OTHER, "x", 2, "ftp://x/"), [])
    with pytest.raises(WrongUsage, match="cannot take answers"):
        parties.add_party(database, parties.Party(OTHER, "x", 2, "http://user@host/"), [])
    wrong = [dsp.certificate("supplier-ds")]
    with pytest.raises(WrongUsage, match="is not of"):
        parties.add_party(database, parties.Party(OTHER, "x", 2, None), wrong)
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
        parties.add_party(dsp.registry.database, parties.Party(eui, "x", 2, url), [])

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
