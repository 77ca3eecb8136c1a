"""What the inventory holds of a device that does not answer, of one that the CPL has left behind,
and of what hubs report once a day."""

from __future__ import annotations

import dataclasses
import datetime

import dcc_steps
import pytest
import sqlalchemy as sa
from dcc_steps import transferred
from dsp import (
    BROKER,
    HCALCS,
    HUB,
    IHD,
    NEW,
    OLD,
    PPMID,
    SUPPLIER,
    Dsp,
    hcalcs_response,
    ppmid_alert,
)

from hanboot.dcc import smi
from hanboot.dcc.schema import TASK
from hanboot.duis import parsing, precommand, requests
from hanboot.inventory import listing, reports
from hanboot.inventory.devices import Inventory
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE
from hanboot.trust.smki.certificate import parse_eui

GONE = 0x00900000
DAY = datetime.timedelta(days=1)


@pytest.fixture
def dsp(tmp_path, pki):
    made = Dsp(tmp_path, pki)
    # the first second of a day: every hub's second of the day is still to come
    made.time = (made.time + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    yield made
    made.close()


def distribute(dsp, *devices):
    assert dcc_steps.distribute(dsp, *devices)["response_code"] == "I0"
    dsp.dispatcher.work()


def activate(dsp, execution=None, cancel=False):
    """Both steps of 11.3; the command as the device gets it."""
    first = requests.activate_firmware(
        dsp.request_id(HCALCS), dsp.signed_image.image_hash, execution, cancel
    )
    answer = parsing.parse(dsp.service.answer(dsp.signed(first)))
    command = precommand.compare(first, answer)
    second = precommand.sign(first, command, 5, dsp.key("supplier-ds"))
    assert dsp.ask(second)["response_code"] == "I99"
    dsp.dispatcher.work()
    return dsp.takes("hcalcs", dsp.hub.commands[-1][1])


def later(dsp, time):
    dsp.time += time
    dsp.dispatcher.work()


def unanswered(dsp):
    with dsp.registry.database.reading() as connection:
        return listing.unanswered(connection)


def outcomes(dsp):
    return [sent.outcome for sent in Inventory(dsp.registry.database).distributions()]


def says_version(dsp, device, name, version):
    """Service Request 11.2, and what the device answers."""
    answer = dsp.ask(requests.read_firmware_version(dsp.request_id(device), 1))
    assert answer["response_code"] == "I99"
    dsp.dispatcher.work()
    sent = dsp.takes(name, dsp.hub.commands[-1][1])
    dsp.says(
        name,
        {
            "use_case": "CS08",
            "kind": "response",
            "originator": device,
            "recipient": BROKER,
            "counter": sent.counter,
            "remote_party": SUPPLIER,
            "remote_counter": sent.party[1],
            "payload": {"version": f"{version:08X}", "response_code": 0},
        },
    )
    dsp.dispatcher.work()


def answers(dsp, sent, payload):
    dsp.says("hcalcs", hcalcs_response(sent, payload))
    dsp.dispatcher.work()


def alerts(dsp):
    """Kinds of the DCC alerts that wait for the supplier, besides reports of deliveries."""
    found = []
    for _, document in dsp.after_delivery():
        if document["kind"] == "DCCAlertMessage":
            found.extend(key for key in document["body"]["dcc_alert"])
    return found


# --- activated, no answer came


def test_a_ppmid_that_never_answers(dsp, run):
    distribute(dsp, PPMID, IHD)
    later(dsp, DAY - datetime.timedelta(minutes=1))
    assert unanswered(dsp) == {}
    later(dsp, datetime.timedelta(minutes=12))
    assert unanswered(dsp) == dict.fromkeys((PPMID, IHD), "02000000")
    # recorded once
    later(dsp, DAY)
    assert outcomes(dsp) == ["unanswered", "unanswered"]
    assert dsp.device(PPMID).firmware_version == OLD
    ran = run("inventory", "list", PPMID, HCALCS, "--registry", dsp.path)
    shown = [line for line in ran.out.splitlines() if "no answer came" in line]
    assert [PPMID in line for line in shown] == [True]
    assert "02000000 activated, no answer came" in shown[0]
    ran = run("inventory", "list", "--registry", dsp.path, "--json")
    found = {one["DeviceID"]: one["UnansweredFirmwareVersion"] for one in ran.document}
    assert (found[PPMID], found[HCALCS]) == ("02000000", None)
    # and the next distribution may come
    distribute(dsp, PPMID)
    assert len(dsp.hub.offers) == 3


def test_a_second_distribution_is_not_ended_by_what_the_hub_drops_for_it(dsp):
    """The first was left unanswered; its image makes room for the second at the hub."""
    distribute(dsp, PPMID)
    later(dsp, DAY + datetime.timedelta(minutes=11))
    distribute(dsp, PPMID)
    assert dsp.devices.take(dsp.says("hub", transferred(PPMID, code=1)))
    assert outcomes(dsp) == ["unanswered", "failed"]
    assert in_progress(dsp) == ["passed"]
    # another image's transfer ends nothing either
    assert dsp.devices.take(dsp.says("hub", transferred(PPMID, version="03000000")))
    assert in_progress(dsp) == ["passed"]
    dsp.says("ppmid", ppmid_alert(0, "02000000"))
    dsp.dispatcher.work()
    assert outcomes(dsp) == ["unanswered", "failed", "activated"]
    assert in_progress(dsp) == []
    # an alert that comes late opens nothing again
    assert dsp.devices.take(dsp.says("hub", transferred(PPMID, code=0)))
    assert in_progress(dsp) == []


def in_progress(dsp):
    with dsp.registry.database.reading() as connection:
        query = sa.select(TASK.c.state).where(TASK.c.state.not_in(("done", "failed")))
        return list(connection.execute(query).scalars())


def test_an_answer_that_comes_late(dsp):
    distribute(dsp, PPMID)
    later(dsp, DAY + datetime.timedelta(minutes=11))
    dsp.says(
        "ppmid",
        ppmid_alert(0, "02000000"),
    )
    dsp.dispatcher.work()
    assert unanswered(dsp) == {}
    assert outcomes(dsp) == ["unanswered", "activated"]
    held = dsp.device(PPMID)
    assert (held.firmware_version, held.image_hash) == (NEW, dsp.ppmid_image.image_hash)


@pytest.mark.parametrize(
    ("runs", "outcome", "holds"), [(NEW, "activated", NEW), (OLD, "failed", OLD)]
)
def test_11_2_repairs_an_activation_without_answer(dsp, runs, outcome, holds):
    activate(dsp)
    later(dsp, DAY + datetime.timedelta(minutes=11))
    assert unanswered(dsp) == {HCALCS: "02000000"}
    says_version(dsp, HCALCS, "hcalcs", runs)
    assert unanswered(dsp) == {}
    assert outcomes(dsp) == ["unanswered", outcome]
    assert dsp.device(HCALCS).firmware_version == holds
    # it runs what was sent: nothing to be alarmed about
    assert "firmware_version_mismatch" not in alerts(dsp)


def test_11_2_before_anything_is_overdue(dsp):
    """The version that was activated is an answer; the old one may be that of a moment ago."""
    activate(dsp)
    says_version(dsp, HCALCS, "hcalcs", OLD)
    assert outcomes(dsp) == []
    says_version(dsp, HCALCS, "hcalcs", NEW)
    assert outcomes(dsp) == ["activated"]
    assert dsp.device(HCALCS).firmware_version == NEW


def test_a_future_dated_activation_is_not_overdue_before_its_date(dsp):
    at = dsp.time + 3 * DAY
    answers(dsp, activate(dsp, at), {})
    later(dsp, 3 * DAY)
    assert unanswered(dsp) == {}
    later(dsp, DAY + datetime.timedelta(minutes=11))
    assert unanswered(dsp) == {HCALCS: "02000000"}


def test_a_cancelled_activation_is_never_overdue(dsp):
    at = dsp.time + 3 * DAY
    answers(dsp, activate(dsp, at), {})
    answers(dsp, activate(dsp, cancel=True), {})
    later(dsp, 30 * DAY)
    assert unanswered(dsp) == {}


# --- suspended


def withdraw(dsp):
    """The HCALCS runs firmware whose entry was withdrawn."""
    entry = dsp.entry("E-OLD", "HCALCS", dsp.signed_image, status="Withdrawn")
    with dsp.registry.changing(Attribution("a test", "to test")) as changing:
        changing.add([dataclasses.replace(entry, firmware_version=GONE, image_hash=bytes(32))])
    with dsp.registry.database.writing() as connection:
        connection.execute(
            sa.update(DEVICE).where(DEVICE.c.device_id == HCALCS).values(firmware_version=GONE)
        )


def test_a_device_that_the_cpl_has_left_behind(dsp, run):
    withdraw(dsp)
    later(dsp, datetime.timedelta())
    assert dsp.device(HCALCS).state == "Suspended"
    # firmware that no entry names suspends nothing
    assert dsp.device(PPMID).state == "Commissioned"
    assert alerts(dsp) == ["device_status_change_event"]
    ran = run("inventory", "list", HCALCS, "--registry", dsp.path)
    assert "Withdrawn  Suspended" in ran.out
    # once
    later(dsp, DAY)
    assert alerts(dsp) == ["device_status_change_event"]
    answer = dsp.ask(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", HCALCS))
    device = answer["body"]["dsp_inventory"]["device"]
    assert device["device_status"] == "Suspended"
    assert device["device_firmware_version_status"] == "Withdrawn"


def test_many_are_left_behind_in_pieces(dsp, monkeypatch):
    """Each piece is a transaction of its own, so that requests are answered in between."""
    monkeypatch.setattr(smi, "_AT_ONCE", 2)
    distribute(dsp, PPMID, IHD)
    devices = dsp.add_displays(["/hub"] * 5)
    withdraw(dsp)
    ids = [device.hex("-").upper() for device in devices]
    with dsp.registry.database.writing() as connection:
        mine = DEVICE.c.device_id.in_(ids)
        connection.execute(sa.update(DEVICE).where(mine).values(firmware_version=GONE))
    pieces = []
    writing = Database.writing
    monkeypatch.setattr(Database, "writing", lambda self: pieces.append(1) or writing(self))
    dsp.time += 2 * DAY
    dsp.devices.sweep()
    assert len(pieces) >= 4
    assert set(unanswered(dsp)) == {PPMID, IHD}
    assert {dsp.device(device).state for device in (*ids, HCALCS)} == {"Suspended"}
    assert alerts(dsp) == ["device_status_change_event"] * 6


def test_11_2_ends_a_suspension(dsp):
    """MP105: the response to 11.3 was lost, and then what the inventory holds was withdrawn."""
    activate(dsp)
    withdraw(dsp)
    later(dsp, DAY + datetime.timedelta(minutes=11))
    assert dsp.device(HCALCS).state == "Suspended"
    # still the old version: nothing changes
    says_version(dsp, HCALCS, "hcalcs", GONE)
    assert dsp.device(HCALCS).state == "Suspended"
    activate(dsp)
    says_version(dsp, HCALCS, "hcalcs", NEW)
    held = dsp.device(HCALCS)
    assert (held.state, held.firmware_version) == ("Commissioned", NEW)
    assert alerts(dsp) == ["device_status_change_event"] * 2


def test_a_suspended_device_takes_firmware(dsp):
    withdraw(dsp)
    later(dsp, datetime.timedelta())
    asked = requests.update_firmware(dsp.request_id(BROKER), dsp.signed_image, [parse_eui(HCALCS)])
    assert dsp.ask(asked)["response_code"] == "I0"
    answers(dsp, activate(dsp), {"response_code": 0, "version": "02000000"})
    assert dsp.device(HCALCS).state == "Commissioned"


# --- what hubs report once a day


def test_versions_once_a_day_at_a_second_of_the_hubs_own(dsp):
    due = datetime.timedelta(seconds=reports.due_second(HUB))
    dsp.hub.running = {PPMID: OLD, HCALCS: 0x01500000, "00-DB-12-34-56-78-90-FF": 1}
    later(dsp, due - datetime.timedelta(seconds=1))
    assert dsp.device(PPMID).reported_version is None
    later(dsp, datetime.timedelta(seconds=1))
    assert dsp.device(PPMID).reported_version == OLD
    assert dsp.device(HCALCS).reported_version == 0x01500000
    assert alerts(dsp) == ["firmware_version_mismatch"]
    # the next day: no news, no alert
    later(dsp, DAY)
    assert alerts(dsp) == ["firmware_version_mismatch"]
    dsp.hub.running = {HCALCS: 0x01600000}
    later(dsp, datetime.timedelta(hours=1))
    assert alerts(dsp) == ["firmware_version_mismatch"]
    later(dsp, DAY)
    assert alerts(dsp) == ["firmware_version_mismatch"] * 2


def test_a_hub_speaks_for_its_own_devices(dsp):
    dsp.devices.take_versions("/another", {PPMID: 0x09000000})
    assert dsp.device(PPMID).reported_version is None
    assert alerts(dsp) == []


def test_a_hub_that_does_not_answer_is_asked_again(dsp):
    dsp.hub.running = {PPMID: OLD}
    dsp.hub.away = True
    later(dsp, datetime.timedelta(seconds=reports.due_second(HUB)))
    assert dsp.device(PPMID).reported_version is None
    dsp.hub.away = False
    later(dsp, datetime.timedelta(minutes=1))
    assert dsp.device(PPMID).reported_version == OLD
