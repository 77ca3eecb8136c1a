"""What the service takes, and what it refuses: who asks, what, and for which devices."""

from __future__ import annotations

import base64
import datetime

import pytest
import sqlalchemy as sa
from dsp import (
    BROKER,
    HCALCS,
    IHD,
    OTHER,
    PPMID,
    SUPPLIER,
    image_of,
)
from exchanges import distribute, euis

from hanboot.dcc import parties
from hanboot.duis import building, codes, requests, signature
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import SERVICES
from hanboot.errors import BadFile
from hanboot.image import ota_file
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE
from hanboot.trust.smki.certificate import parse_eui
from hanbootloader.image import writer


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
