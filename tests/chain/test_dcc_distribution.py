"""The data service provider: which images it forwards, to which devices."""

from __future__ import annotations

import base64
import datetime

import sqlalchemy as sa
from dcc_steps import distribute, euis
from dsp import (
    BROKER,
    HCALCS,
    IHD,
    PPMID,
    SUPPLIER,
    image_of,
    ppmid_alert,
)

from hanboot.dcc import parties
from hanboot.duis import building, requests
from hanboot.duis.names import SERVICES
from hanboot.image import ota_file
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE
from hanbootloader.image import writer


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
    assert ran.document["documents"] == {SUPPLIER: 3}
    # the hub has its image, and no report of what became of it
    assert [one["device"] for one in ran.document["silent"]] == [IHD]
    ran = run("dcc", "status", "--registry", dsp.path)
    assert "1 done, 1 passed" in ran.out
    assert "silent" not in ran.out
