"""Messages of devices and hubs: what becomes of them, and which are dropped."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from dsp import (
    BROKER,
    COMMS_HUB,
    ESME,
    HCALCS,
    IHD,
    NEW,
    OLD,
    PPMID,
    SUPPLIER,
    ppmid_alert,
)
from exchanges import DCC_TIME, distribute, receipt, transferred

from hanboot.dcc import parties, schema
from hanboot.duis import requests
from hanboot.registry.storage.schema import DEVICE
from hanboot.trust.smki.certificate import parse_eui


def test_a_ppmid_activates(dsp):
    distribute(dsp, PPMID)
    dsp.dispatcher.work()
    dsp.says(
        "hub",
        {
            "use_case": "CCS08",
            "kind": "alert",
            "originator": COMMS_HUB,
            "recipient": BROKER,
            "counter": 1,
            "payload": {
                "alert_code": "8F8A",
                "time": DCC_TIME,
                "target": PPMID,
                "version": "02000000",
                "response_code": 0,
            },
        },
    )
    dsp.says("ppmid", ppmid_alert(0, "02000000"))
    dsp.dispatcher.work()
    (first, hub), (second, ppmid) = dsp.after_delivery()
    assert first == second == SUPPLIER
    transfer = hub["body"]["dcc_alert"]["comms_hub_alert"]["firmware_transfer_alert"]
    assert transfer["transfer_response_code"] == "FileTransferSuccess"
    alert = ppmid["body"]["dcc_alert"]["ppmid_alert"]
    assert alert["ppmid_firmware_upgrade_alert"] == {
        "firmware_version": "02000000",
        "activate_image_result_code": "ActivationSuccess",
    }
    device = dsp.device(PPMID)
    assert device.firmware_version == NEW
    assert device.image_hash == dsp.ppmid_image.image_hash
    # the next one may come
    assert distribute(dsp, PPMID)["response_code"] == "I0"


def test_a_ppmid_that_does_not(dsp):
    distribute(dsp, PPMID)
    dsp.says("ppmid", ppmid_alert(1, "01000000"))
    dsp.dispatcher.work()
    (_, reported) = dsp.after_delivery()[0]
    alert = reported["body"]["dcc_alert"]["ppmid_alert"]["ppmid_firmware_upgrade_alert"]
    assert alert["activate_image_result_code"] == "ActivationFailure"
    assert dsp.device(PPMID).firmware_version == OLD


def test_a_receipt_alert(dsp):
    dsp.says("hcalcs", receipt(dsp, SUPPLIER))
    dsp.dispatcher.work()
    (_, reported) = dsp.outgoing()[0]
    assert (reported["kind"], reported["body"]["alert_code"]) == ("DeviceAlertMessage", "8F72")
    assert reported["response_id"]["originator"] == HCALCS


def test_a_message_counts_once(dsp):
    distribute(dsp, PPMID)
    octets = dsp.says("ppmid", ppmid_alert(0, "02000000"))
    for _ in range(3):
        dsp.dispatcher.work()
    assert len(dsp.after_delivery()) == 1
    # also after a restart
    dsp.close()
    dsp.open()
    assert dsp.devices.take(octets)
    assert len(dsp.after_delivery()) == 1


def test_a_device_is_asked_for_its_version(dsp):
    answer = dsp.ask(requests.read_firmware_version(dsp.request_id(HCALCS), 1))
    assert answer["response_code"] == "I99"
    dsp.dispatcher.work()
    device, command = dsp.hub.commands[0]
    sent = dsp.takes("hcalcs", command)
    assert (device, sent.code, sent.party) == (HCALCS, 0x0129, (parse_eui(SUPPLIER), 1000))
    # it runs something else than the inventory has
    dsp.says(
        "hcalcs",
        {
            "use_case": "CS08",
            "kind": "response",
            "originator": HCALCS,
            "recipient": BROKER,
            "counter": sent.counter,
            "remote_party": SUPPLIER,
            "remote_counter": 1000,
            "payload": {"version": "01500000", "response_code": 0},
        },
    )
    dsp.dispatcher.work()
    (_, reported), (_, mismatch) = dsp.outgoing()
    assert reported["request_id"]["counter"] == 1000
    assert reported["body"]["gbcs_payload"]["payload"]["version"] == "01500000"
    found = mismatch["body"]["dcc_alert"]["firmware_version_mismatch"]
    assert found["firmware_version_smi"] == "01000000"
    assert found["firmware_version_device"] == "01500000"
    device = dsp.device(HCALCS)
    assert (device.firmware_version, device.reported_version) == (OLD, 0x01500000)


def test_a_gas_meter_is_asked_for_its_version(dsp):
    with dsp.registry.database.writing() as connection:
        mine = DEVICE.c.device_id == ESME
        connection.execute(sa.update(DEVICE).where(mine).values(device_type="GSME"))
    assert (
        dsp.ask(requests.read_firmware_version(dsp.request_id(ESME), 1))["response_code"] == "I99"
    )
    dsp.dispatcher.work()
    sent = dsp.takes("esme", dsp.hub.commands[0][1])
    assert sent.code == 0x0084
    reply = {
        "use_case": "GCS38",
        "kind": "response",
        "originator": ESME,
        "recipient": BROKER,
        "counter": sent.counter,
        "remote_party": SUPPLIER,
        "remote_counter": 1000,
        "payload": {"version": "01500000"},
    }
    dsp.says("esme", reply)
    dsp.dispatcher.work()
    (_, reported), (_, mismatch) = dsp.outgoing()
    assert reported["body"]["gbcs_payload"]["use_case"] == "GCS38"
    assert mismatch["body"]["dcc_alert"]["firmware_version_mismatch"]
    assert dsp.device(ESME).reported_version == 0x01500000


def test_for_local_delivery(dsp):
    answer = dsp.ask(requests.read_firmware_version(dsp.request_id(ESME), 2))
    assert answer["response_code"] == "I0"
    command = answer["body"]["local_command"]["gbcs_payload"]
    assert (command["use_case"], command["form"]) == ("ECS52", "final")
    dsp.dispatcher.work()
    assert dsp.hub.commands == []
    answer = dsp.ask(requests.read_firmware_version(dsp.request_id(ESME), 3))
    assert answer["body"]["local_command"]
    dsp.dispatcher.work()
    assert len(dsp.hub.commands) == 1


# --- dropped


def test_messages_that_are_dropped(dsp, caplog):
    distribute(dsp, PPMID)
    dsp.dispatcher.work()
    octets = dsp.says("ppmid", ppmid_alert(0, "02000000"))
    forged = dsp.says("hcalcs", ppmid_alert(0, "02000000", 2))
    with caplog.at_level(logging.WARNING):
        for wrong in (forged, octets[:-1] + bytes([octets[-1] ^ 1]), octets[:50], b""):
            assert not dsp.devices.take(wrong)
    assert "the signature is not by" in caplog.text
    assert dsp.after_delivery() == []
    assert dsp.device(PPMID).firmware_version == OLD


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
