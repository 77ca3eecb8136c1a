"""The data service provider: what devices and hubs say, and what it makes of that."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from dcc_steps import DCC_TIME, distribute
from dsp import (
    BROKER,
    COMMS_HUB,
    ESME,
    HCALCS,
    NEW,
    OLD,
    PPMID,
    SUPPLIER,
    ppmid_alert,
)

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
