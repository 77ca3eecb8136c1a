"""How images and commands came to their hubs, as the supplier gets to know it: N60, N61, E21."""

from __future__ import annotations

import datetime

import published
import pytest
from dcc_steps import activation, distribute, euis
from dsp import BROKER, COMMS_HUB, ESME, HCALCS, HUB, IHD, OTHER, PPMID, SUPPLIER

from hanboot.dcc import dispatch, journal, parties
from hanboot.duis import parsing, requests
from hanboot.duis.identifiers import RequestID
from hanboot.duis.schema import DuisSchema
from hanboot.inventory.devices import Inventory


def delivery_reports(dsp):
    """(code, status) of those that wait."""
    bodies = [one["body"] for _, one in dsp.outgoing() if one["kind"] == "DCCAlertMessage"]
    return [
        (body["dcc_alert_code"]["code"], body["dcc_alert"]["csp_firmware_delivery_status"])
        for body in bodies
        if "csp_firmware_delivery_status" in body["dcc_alert"]
    ]


def status(dsp, counter, device, success):
    return {
        "update_firmware_request_id": f"{SUPPLIER}:{BROKER}:{counter}",
        "comms_hub_device_id": COMMS_HUB,
        "target_device_id": device,
        "firmware_version": "02000000",
        "time_stamp": f"{dsp.time:%Y-%m-%dT%H:%M:%S.}{dsp.time.microsecond // 1000:03d}Z",
        "comms_hub_transfer_status": "Success" if success else "Failure",
    }


def pass_time(dsp, hours):
    """Rounds of the service, as often as a hub that is away is tried."""
    for _ in range(hours * 4):
        dsp.time += datetime.timedelta(minutes=15)
        dsp.dispatcher.work()


def test_a_delivery_to_a_hub_is_n60(dsp):
    """11.4 for two devices, 11.1 for a meter: each is reported once, to who had sent it."""
    assert distribute(dsp, PPMID, IHD)["response_code"] == "I0"
    asked = requests.update_firmware(dsp.request_id(BROKER), dsp.meter_image, euis(ESME))
    assert dsp.ask(asked)["response_code"] == "I0"
    for _ in range(2):
        dsp.dispatcher.work()
    expected = [
        ("N60", status(dsp, 1000, PPMID, True)),
        ("N60", status(dsp, 1000, IHD, True)),
        ("N60", status(dsp, 1001, ESME, True)),
    ]
    assert delivery_reports(dsp) == expected
    dsp.close()
    dsp.open()
    dsp.dispatcher.work()
    assert delivery_reports(dsp) == expected
    assert {party for party, _ in dsp.outgoing()} == {SUPPLIER}
    # each has a number of its own
    numbers = [one["response_id"]["counter"] for _, one in dsp.outgoing()]
    assert len(set(numbers)) == len(numbers) == 3


def test_it_goes_to_the_party_that_sent_the_request(dsp):
    distribute(dsp, PPMID)
    parties.assign(dsp.registry.database, parties.Assignment(PPMID, OTHER, HUB))
    dsp.dispatcher.work()
    assert [party for party, _ in dsp.outgoing()] == [SUPPLIER]


def test_a_kill_between_the_hub_and_the_record(dsp, monkeypatch):
    """The hub has it, and the service could not write that down: it is reported once, later."""
    distribute(dsp, PPMID)
    with monkeypatch.context() as patched:
        patched.setattr(journal, "add_outgoing", stopped)
        with pytest.raises(KeyboardInterrupt):
            dsp.dispatcher.work()
    assert len(dsp.hub.offers) == 1
    assert dsp.outgoing() == []
    dsp.close()
    dsp.open()
    for _ in range(2):
        dsp.dispatcher.work()
    assert len(delivery_reports(dsp)) == 1


def stopped(*_):
    raise KeyboardInterrupt


def test_a_hub_that_stays_away_is_n61(dsp):
    """It was met before, so its EUI-64 is known; the next distribution may come."""
    distribute(dsp, PPMID)
    dsp.dispatcher.work()
    dsp.hub.away = True
    distribute(dsp, IHD)
    dsp.dispatcher.work()
    pass_time(dsp, 47)
    assert len(delivery_reports(dsp)) == 1
    pass_time(dsp, 5)
    code, found = delivery_reports(dsp)[1]
    assert code == "N61"
    assert found == status(dsp, 1001, IHD, False) | {"time_stamp": found["time_stamp"]}
    pass_time(dsp, 5)
    assert len(delivery_reports(dsp)) == 2
    assert dsp.hub.offers == [(PPMID, dsp.ppmid_image.octets)]
    (last, *_) = Inventory(dsp.registry.database).distributions(IHD)
    assert (last.outcome, last.detail) == ("failed", "the hub does not answer")
    assert distribute(dsp, IHD)["response_code"] == "I0"


@pytest.mark.parametrize("is_entered", [False, True])
def test_a_hub_that_was_never_met(dsp, is_entered):
    """Its EUI-64 is what was entered; the schema wants one in N61, so without it another alert
    names the device."""
    assignment = parties.Assignment(IHD, SUPPLIER, "/never")
    parties.assign(dsp.registry.database, assignment, hub_eui=COMMS_HUB if is_entered else None)
    dsp.hub.away = True
    distribute(dsp, IHD)
    pass_time(dsp, 52)
    ((_, reported),) = dsp.outgoing()
    body = reported["body"]
    if is_entered:
        assert body["dcc_alert_code"]["code"] == "N61"
        assert body["dcc_alert"]["csp_firmware_delivery_status"]["comms_hub_device_id"] == COMMS_HUB
        return
    assert body["dcc_alert_code"]["code"] == "N999"
    assert body["dcc_alert"]["firmware_distribution_failure"] == {
        "update_firmware_request_id": f"{SUPPLIER}:{BROKER}:1000",
        "meter_ids": [IHD],
    }


def test_a_command_that_its_hub_could_not_be_given(dsp):
    """11.2 and 11.3 were acknowledged: an error follows, and the activation has failed."""
    dsp.hub.away = True
    assert (
        dsp.ask(requests.read_firmware_version(dsp.request_id(PPMID), 1))["response_code"] == "I99"
    )
    first, second = activation(dsp)
    assert dsp.ask(second)["response_code"] == "I99"
    pass_time(dsp, 52)
    codes_sent = {
        one["request_id"]["text"]: (one["response_code"], one["body"]["service_reference"])
        for _, one in dsp.outgoing()
    }
    assert codes_sent == {
        f"{SUPPLIER}:{PPMID}:1000": ("E21", "11.2"),
        str(RequestID.of(first)): ("E21", "11.3"),
    }
    (sent,) = Inventory(dsp.registry.database).distributions(HCALCS)
    assert (sent.outcome, sent.detail) == ("failed", "the hub does not answer")


@published.needed
def test_the_reports_are_valid(dsp):
    documents = DuisSchema(published.SCHEMAS)
    distribute(dsp, PPMID)
    dsp.dispatcher.work()
    dsp.hub.away = True
    parties.assign(dsp.registry.database, parties.Assignment(IHD, SUPPLIER, "/never"))
    distribute(dsp, IHD)
    dsp.ask(requests.update_firmware(dsp.request_id(BROKER), dsp.signed_image, euis(HCALCS)))
    dsp.ask(activation(dsp)[1])
    pass_time(dsp, 52)
    found = set()
    with dsp.registry.database.reading() as connection:
        waiting = journal.due_outgoing(connection, dsp.time + datetime.timedelta(days=30), 1000)
    for one in waiting:
        root = parsing.parse(one.octets)
        documents.check(root, "a report")
        found.add(root.findtext(".//{*}DCCAlertCode") or root.findtext(".//{*}ResponseCode"))
    assert found == {"N60", "N61", "N999", "E21"}


def test_how_long_a_hub_is_tried(dsp):
    """`dcc serve --give-up-after`."""
    dsp.dispatcher = dispatch.TaskDispatcher(
        dsp.registry.database, dsp.devices, lambda path: dsp.hub, lambda: dsp.time,
        give_up_after=datetime.timedelta(seconds=10),
    )  # fmt: skip
    dsp.hub.away = True
    distribute(dsp, PPMID)
    began = dsp.time
    while not dsp.outgoing():
        dsp.time += datetime.timedelta(seconds=1)
        dsp.dispatcher.work()
    assert 10 <= (dsp.time - began).total_seconds() <= 16
