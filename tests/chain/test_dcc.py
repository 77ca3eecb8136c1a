"""The data service provider: what it takes, what it refuses, what it forwards, and what a restart
leaves of it."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import logging

import pytest
import sqlalchemy as sa
from dsp import (
    BROKER,
    COMMS_HUB,
    ESME,
    HCALCS,
    IHD,
    NEW,
    OLD,
    OTHER,
    PPMID,
    SUPPLIER,
    Dsp,
    image_of,
    ppmid_alert,
)

from hanboot.dcc import commands, dispatch, journal, parties, schema
from hanboot.dcc.http_client import Undelivered
from hanboot.dcc.refusals import RequestRefused
from hanboot.duis import building, codes, parsing, precommand, requests, signature
from hanboot.duis.describe import command_of
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import SERVICES
from hanboot.errors import BadFile, NoDevice, WrongUsage
from hanboot.image import ota_file
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE
from hanboot.trust.smki.certificate import parse_eui
from hanbootloader.image import writer

DCC_TIME = "2026-03-01T10:00:00Z"


@pytest.fixture
def dsp(tmp_path, pki):
    made = Dsp(tmp_path, pki)
    yield made
    made.close()


def euis(*devices):
    return [parse_eui(device) for device in devices]


def distribute(dsp, *devices, image=None, **more):
    asked = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), image or dsp.ppmid_image, euis(*devices)
    )
    return dsp.ask(asked, **more)


# --- who asks, and what


def test_a_request_is_answered(dsp):
    answer = dsp.ask(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))
    assert answer["response_code"] == "I0"
    device = answer["body"]["dsp_inventory"]["device"]
    assert (device["device_id"], device["device_firmware_version"]) == (PPMID, "01000000")
    assert answer["request_id"]["target"] == BROKER


def test_the_same_document_gets_the_same_answer(dsp):
    octets = dsp.signed(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))
    first = dsp.service.answer(octets)
    dsp.time += datetime.timedelta(minutes=5)
    assert dsp.service.answer(octets) == first


def test_who_may_ask(dsp):
    def refused(root, name, code):
        assert dsp.ask(root, name)["response_code"] == code

    # the signature of another party never gets out of `sign`, so it is put in by hand
    root = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    octets = dsp.signed(root).replace(b"90-A4", b"90-A6")
    assert dsp.read(dsp.service.answer(octets))["response_code"] == codes.NOT_AUTHENTICATED
    unsigned = signature.to_octets(
        requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    )
    assert dsp.read(dsp.service.answer(unsigned))["response_code"] == codes.NOT_AUTHENTICATED
    # another supplier's device is as if there were none
    asked = requests.read_inventory(dsp.request_id(BROKER, OTHER), "DeviceID", PPMID)
    refused(asked, "other-supplier-xml", codes.NOT_ITS_DEVICE)
    asked = requests.read_inventory(dsp.request_id(OTHER), "DeviceID", PPMID)
    refused(asked, "supplier-xml", codes.WRONG_TARGET)
    # a party that is not entered
    asked = requests.read_inventory(dsp.request_id(BROKER, BROKER), "DeviceID", PPMID)
    refused(asked, "broker-ds", codes.NO_SUCH_PARTY)
    # a certificate whose time is over
    dsp.time += datetime.timedelta(days=366 * 11)
    asked = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    refused(asked, "supplier-xml", codes.EXPIRED)


def test_counters(dsp):
    asked = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    octets = dsp.signed(asked)
    assert dsp.read(dsp.service.answer(octets))["response_code"] == "I0"
    for counter in (1000, 999, 1):
        again = RequestID(parse_eui(SUPPLIER), parse_eui(BROKER), counter)
        answer = dsp.ask(requests.read_inventory(again, "DeviceID", HCALCS))
        assert answer["response_code"] == codes.COUNTER_USED
    # a refused request uses no counter up
    answer = dsp.ask(requests.read_inventory(dsp.request_id(OTHER), "DeviceID", PPMID))
    assert answer["response_code"] == codes.WRONG_TARGET


def test_variants_and_paths(dsp):
    asked = requests.read_firmware_version(dsp.request_id(PPMID), 1)
    assert dsp.ask(asked, variants=(8,))["response_code"] == codes.WRONG_VARIANT
    wrong = building.request(
        SERVICES["11.2"], dsp.request_id(PPMID), 8, ("ReadFirmwareVersion", [])
    )
    assert dsp.ask(wrong)["response_code"] == codes.WRONG_VARIANT
    wrong = building.request(
        SERVICES["11.2"], dsp.request_id(PPMID), 1, ("ReadInventory", [("DeviceID", PPMID)])
    )
    assert dsp.ask(wrong)["response_code"] == codes.WRONG_VARIANT


def test_no_requests(dsp):
    for octets in (b"", b"hello", b"<!DOCTYPE a><a/>"):
        with pytest.raises(BadFile):
            dsp.service.answer(octets)
    answer = dsp.service.answer(
        dsp.signed(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))
    )
    with pytest.raises(BadFile, match="it is a response"):
        dsp.service.answer(answer)


# --- distribution


def test_an_image_goes_to_the_hub_once(dsp):
    answer = distribute(dsp, PPMID, IHD)
    assert answer["response_code"] == "I0"
    assert dsp.hub.offers == []
    for _ in range(3):
        dsp.dispatcher.work()
    assert dsp.hub.offers == [
        (PPMID, dsp.ppmid_image.octets),
        (IHD, dsp.ppmid_image.octets),
    ]


def test_screening(dsp):
    def code_of(image, *devices, **more):
        return distribute(dsp, *devices, image=image, **more)["response_code"]

    assert code_of(image_of(b"unknown"), PPMID) == "E110401"
    # the header, which no signature covers, was changed
    changed = image_of(b"for a display" * 20)
    changed.header.file_version = 0x03000000
    octets = writer.encode_header(changed.header) + changed.manufacturer_image
    assert code_of(ota_file.load(octets, "unsigned"), PPMID) == "E110402"
    # a hash that was submitted with it
    right, wrong = dsp.ppmid_image.image_hash, bytes(32)
    assert code_of(dsp.ppmid_image, PPMID, stated_hash=wrong) == "E110402"
    assert code_of(dsp.ppmid_image, PPMID, stated_hash=right) == "I0"
    # nothing of a refused request is left
    dsp.dispatcher.work()
    assert len(dsp.hub.offers) == 1


def test_an_entry_that_is_not_active(dsp):
    image = image_of(b"withdrawn")
    with dsp.registry.changing(Attribution("a test", "to test")) as changing:
        changing.add([dsp.entry("E-9", "PPMID", image, status="Withdrawn")])
    assert distribute(dsp, PPMID, image=image)["response_code"] == "E110401"


def test_devices_that_are_left_out(dsp):
    unknown = "00-DB-12-34-56-78-90-FF"
    with dsp.registry.database.writing() as connection:
        connection.execute(
            sa.update(DEVICE).where(DEVICE.c.device_id == IHD).values(state="Decommissioned")
        )
    answer = distribute(dsp, PPMID, HCALCS, IHD, unknown)
    assert answer["response_code"] == "W110401"
    assert answer["body"]["dsp_update_ppmid_firmware_warning"] == {
        "invalid_device_id_list": [unknown],
        "not_commissioned_device_id_list": [IHD],
        "not_applicable_firmware_device_id_list": [HCALCS],
    }
    # the same device again, while it is under way
    answer = distribute(dsp, PPMID)
    assert answer["response_code"] == "E110403"
    warning = answer["body"]["dsp_update_ppmid_firmware_warning"]
    assert warning == {"other_request_in_progress_list": [PPMID]}
    dsp.dispatcher.work()
    assert [device for device, _ in dsp.hub.offers] == [PPMID]


def test_gbcs_versions(dsp):
    database = dsp.registry.database
    parties.assign(database, parties.Assignment(PPMID, SUPPLIER, "/hub", "4.1"))
    image = image_of(b"of another version")
    with dsp.registry.changing(Attribution("a test", "to test")) as changing:
        changing.add([dsp.entry("E-9", "PPMID", image, gbcs_version="4.3")])
    answer = distribute(dsp, PPMID, image=image)
    warning = answer["body"]["dsp_update_ppmid_firmware_warning"]
    assert warning == {"invalid_gbcs_version_list": [PPMID]}


def test_signed_images(dsp):
    def code_of(image, *devices):
        asked = requests.update_firmware(dsp.request_id(BROKER), image, euis(*devices))
        return dsp.ask(asked)["response_code"]

    assert code_of(dsp.signed_image, HCALCS) == "I0"
    # signed by another supplier: no device of this one takes it
    other = image_of(b"for a switch" * 20, dsp.key("other-supplier-ds"))
    assert code_of(other, HCALCS) == "E110105"
    # by the same supplier's key for XML, which no device has
    for_xml = image_of(b"for a switch" * 20, dsp.key("supplier-xml"))
    assert code_of(for_xml, HCALCS) == "E110105"
    # 11.1 with an image of 11.4, and a PPMID in 11.1
    body = (
        "UpdateFirmware",
        [
            ("FirmwareImage", base64.b64encode(dsp.ppmid_image.octets).decode()),
            ("FirmwareVersion", "02000000"),
            ("DeviceIDList", HCALCS),
        ],
    )
    asked = building.request(SERVICES["11.1"], dsp.request_id(BROKER), 8, body)
    assert dsp.ask(asked)["response_code"] == "E110105"


# --- what devices answer


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
    (first, hub), (second, ppmid) = dsp.outgoing()
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
    (_, reported) = dsp.outgoing()[0]
    alert = reported["body"]["dcc_alert"]["ppmid_alert"]["ppmid_firmware_upgrade_alert"]
    assert alert["activate_image_result_code"] == "ActivationFailure"
    assert dsp.device(PPMID).firmware_version == OLD


def test_a_message_counts_once(dsp):
    distribute(dsp, PPMID)
    octets = dsp.says("ppmid", ppmid_alert(0, "02000000"))
    for _ in range(3):
        dsp.dispatcher.work()
    assert len(dsp.outgoing()) == 1
    # also after a restart
    dsp.close()
    dsp.open()
    assert dsp.devices.take(octets)
    assert len(dsp.outgoing()) == 1


def test_messages_that_are_dropped(dsp, caplog):
    distribute(dsp, PPMID)
    dsp.dispatcher.work()
    octets = dsp.says("ppmid", ppmid_alert(0, "02000000"))
    forged = dsp.says("hcalcs", ppmid_alert(0, "02000000", 2))
    with caplog.at_level(logging.WARNING):
        for wrong in (forged, octets[:-1] + bytes([octets[-1] ^ 1]), octets[:50], b""):
            assert not dsp.devices.take(wrong)
    assert "the signature is not by" in caplog.text
    assert dsp.outgoing() == []
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


# --- activation


def activation(dsp, execution=None, cancel=False, variant=5):
    """Both steps of 11.3; the second request's answer, its document, and the first's."""
    asked = requests.activate_firmware(
        dsp.request_id(HCALCS), dsp.signed_image.image_hash, execution, cancel
    )
    octets = dsp.service.answer(dsp.signed(asked))
    root = parsing.parse(octets)
    command = precommand.compare(asked, root)
    second = precommand.sign(asked, command, variant, dsp.key("supplier-ds"))
    return asked, second


def response_to(dsp, sent, payload):
    return {
        "use_case": "CS06",
        "kind": "response",
        "originator": HCALCS,
        "recipient": SUPPLIER,
        "counter": sent.counter,
        "date_time": "07df0101ff000000008000ff",
        "payload": payload,
    }


def test_activation(dsp):
    asked = requests.update_firmware(dsp.request_id(BROKER), dsp.signed_image, euis(HCALCS))
    dsp.ask(asked)
    _, second = activation(dsp)
    assert dsp.ask(second)["response_code"] == "I99"
    dsp.dispatcher.work()
    sent = dsp.takes("hcalcs", dsp.hub.commands[0][1])
    signer = dsp.certificate("supplier-ds")
    assert signer.key.is_signature(sent.signed_octets(), bytes(sent.signature))
    dsp.says("hcalcs", response_to(dsp, sent, {"response_code": 0, "version": "02000000"}))
    dsp.dispatcher.work()
    (_, reported) = dsp.outgoing()[0]
    assert reported["response_code"] == "I0"
    assert reported["request_id"]["counter"] == sent.counter
    assert reported["body"]["gbcs_payload"]["payload"]["response"] == "success"
    assert dsp.device(HCALCS).firmware_version == NEW
    assert dsp.device(HCALCS).image_hash == dsp.signed_image.image_hash


def test_future_dated_activation(dsp):
    later = dsp.time + datetime.timedelta(days=1)
    _, second = activation(dsp, later.replace(microsecond=0))
    dsp.ask(second)
    dsp.dispatcher.work()
    sent = dsp.takes("hcalcs", dsp.hub.commands[0][1])
    dsp.says("hcalcs", response_to(dsp, sent, {}))
    dsp.says(
        "hcalcs",
        {
            "use_case": "CS06",
            "kind": "alert",
            "originator": HCALCS,
            "recipient": SUPPLIER,
            "counter": 77,
            "payload": {
                "alert_code": "8F67",
                "time": DCC_TIME,
                "counter": sent.counter,
                "outcome": {"response_code": 2, "version": "01000000"},
            },
        },
    )
    dsp.dispatcher.work()
    accepted, alert = (reported for _, reported in dsp.outgoing())
    assert accepted["body"]["gbcs_payload"]["payload"] == {}
    assert alert["request_id"]["counter"] == sent.counter
    message = alert["body"]["future_dated_device_alert_message"]
    assert message["future_dated_alert_code"] == "8F67"
    assert message["gbcs_payload"]["payload"]["outcome"]["response"] == "hashMismatch"
    assert dsp.device(HCALCS).firmware_version == OLD


def receipt(dsp, recipient):
    """An HCALCS's alert that an image is there, as a message's content."""
    return {
        "use_case": "FDRA",
        "kind": "alert",
        "originator": HCALCS,
        "recipient": recipient,
        "counter": 5,
        "payload": {
            "invocation": 5,
            "alert_code": "8F72",
            "date_time": "07df0101ff000000008000ff",
            "image_hash": dsp.signed_image.image_hash.hex(),
        },
    }


def test_a_receipt_alert(dsp):
    dsp.says("hcalcs", receipt(dsp, SUPPLIER))
    dsp.dispatcher.work()
    (_, reported) = dsp.outgoing()[0]
    assert (reported["kind"], reported["body"]["alert_code"]) == ("DeviceAlertMessage", "8F72")
    assert reported["response_id"]["originator"] == HCALCS


def test_an_activation_is_sent_once(dsp):
    _, second = activation(dsp)
    octets = dsp.signed(second)
    first = dsp.service.answer(octets)
    # the very same again is a repetition; the same once more signed is not
    assert dsp.service.answer(octets) == first
    command = command_of(second)
    other = requests.signed_pre_command(RequestID.of(second), 7, command)
    assert dsp.ask(other)["response_code"] == codes.COUNTER_USED
    dsp.dispatcher.work()
    assert len(dsp.hub.commands) == 1


def test_the_supplier_s_certificate_for_messages_must_be_valid(dsp):
    _, second = activation(dsp)
    octets = dsp.signed(second)
    held = dsp.certificate("supplier-ds")
    after = held.not_after + datetime.timedelta(days=1)
    signers = [held]
    command = command_of(parsing.parse(octets))
    given_out = command_of(second).message
    given_out.signature = b""
    commands.check_signed(command, given_out.encode(), signers, dsp.time)
    with pytest.raises(RequestRefused, match="expired on") as caught:
        commands.check_signed(command, given_out.encode(), signers, after)
    assert caught.value.code == codes.EXPIRED


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0999-06-30T00:00:00Z", "I0"),
        ("2026-03-01T10:00:00.5Z", "I0"),
        # a cancellation in GBCS, and in DUIS a time like any other
        ("9999-12-31T23:59:59Z", None),
        ("2026-02-30T10:00:00Z", None),
        ("\uff12\uff10\uff12\uff16-03-01T10:00:00Z", None),
        ("2026-03-01T10:00:00.+5Z", None),
        ("2026-03-01", None),
    ],
)
def test_execution_times(dsp, text, code):
    asked = requests.activate_firmware(dsp.request_id(HCALCS), bytes(32), dsp.time)
    asked.find(".//{*}ExecutionDateTime").text = text
    octets = dsp.signed(asked)
    if code is None:
        with pytest.raises(BadFile):
            dsp.service.answer(octets)
        return
    answer = dsp.service.answer(octets)
    assert dsp.read(answer)["response_code"] == code
    assert precommand.compare(asked, parsing.parse(answer))


def test_signed_pre_commands_that_are_refused(dsp):
    asked, second = activation(dsp)

    def again(change):
        command = command_of(second)
        change(command.message)
        return requests.signed_pre_command(RequestID.of(asked), 5, command)

    def unsigned(sent):
        sent.signature = bytes(64)

    def other_hash(sent):
        sent.payload = bytes(sent.payload).replace(b"\x04\x20", b"\x04\x20\x00", 1)[:-1]

    assert dsp.ask(again(unsigned))["response_code"] == codes.NOT_SIGNED
    assert dsp.ask(again(other_hash))["response_code"] == codes.OTHER_COMMAND
    # nothing was given out for it
    _, never = activation(dsp)
    fresh = dsp.request_id(HCALCS)
    never.find(".//{*}RequestID").text = str(fresh)
    answer = dsp.ask(never)
    assert answer["response_code"] == codes.NO_PRE_COMMAND
    dsp.dispatcher.work()
    assert dsp.hub.commands == []


# --- many


def test_a_distribution_is_spread(dsp):
    dsp.service._spread = datetime.timedelta(hours=2)
    distribute(dsp, PPMID, IHD)
    dsp.dispatcher.work()
    assert [device for device, _ in dsp.hub.offers] == [PPMID]
    dsp.time += datetime.timedelta(minutes=59)
    dsp.dispatcher.work()
    assert len(dsp.hub.offers) == 1
    dsp.time += datetime.timedelta(minutes=2)
    dsp.dispatcher.work()
    assert [device for device, _ in dsp.hub.offers] == [PPMID, IHD]


def test_status(dsp, run):
    distribute(dsp, PPMID, IHD)
    dsp.dispatcher.work()
    dsp.says("ppmid", ppmid_alert(0, "02000000"))
    dsp.dispatcher.work()
    ran = run("dcc", "status", "--registry", dsp.path, "--silent-after", "0", "--json")
    assert ran.document["tasks"] == {"done": 1, "passed": 1}
    assert ran.document["documents"] == {SUPPLIER: 1}
    # the hub has its image, and no report of what became of it
    assert [one["device"] for one in ran.document["silent"]] == [IHD]
    ran = run("dcc", "status", "--registry", dsp.path)
    assert "1 done, 1 passed" in ran.out
    assert "silent" not in ran.out


# --- what goes wrong


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


def transferred(target, originator=COMMS_HUB):
    return {
        "use_case": "CCS08",
        "kind": "alert",
        "originator": originator,
        "recipient": BROKER,
        "counter": 1,
        "payload": {
            "alert_code": "8F8A",
            "time": DCC_TIME,
            "target": target,
            "version": "02000000",
            "response_code": 3,
        },
    }


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

    dispatcher = dispatch.Dispatcher(
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


def test_every_refusal_has_words():
    found = set()
    for name, value in vars(codes).items():
        if name.isupper() and isinstance(value, dict):
            found |= {code for code in value.values() if isinstance(code, str)}
        elif isinstance(value, str) and value[:1] == "E" and value[1:].isdigit():
            found.add(value)
    assert len(found) > 15
    assert found <= set(codes.RESPONSES)
    assert not any(codes.RESPONSES[code].is_established for code in found)
    assert not codes.ALERTS[codes.ANY_ALERT].is_established
