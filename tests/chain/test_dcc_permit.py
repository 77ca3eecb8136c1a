"""Who may update locally: a party asks with the request of a distribution, and gets a permit."""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from command_line import assert_error, hanboot
from dsp import BROKER, HCALCS, IHD, PPMID, SUPPLIER, image_of
from serving import serving

from hanboot.dcc.schema import TASK
from hanboot.duis import requests
from hanboot.inventory import gate
from hanboot.inventory.gate import permit
from hanboot.trust.signed_cbor import is_signed_cbor
from hanboot.trust.smki.certificate import parse_eui


def asking(dsp, *devices, image=None, originator=SUPPLIER):
    return requests.update_ppmid_firmware(
        dsp.request_id(BROKER, originator),
        image or dsp.ppmid_image,
        [parse_eui(device) for device in devices],
    )


def answer(dsp, root, name="supplier-xml", **more):
    return dsp.service.answer(dsp.signed(root, name), for_permit=True, **more)


def tasks(dsp):
    with dsp.registry.database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(TASK)).scalar()


def test_a_permit_names_what_was_screened(dsp):
    octets = answer(dsp, asking(dsp, PPMID, HCALCS, IHD, "00-DB-12-34-56-78-90-FF"))
    got = permit.decode(octets, "it")
    # a device of another type, and one that is not there, are left out
    assert got.devices == (PPMID, IHD)
    assert (got.party, got.image_hash) == (SUPPLIER, dsp.ppmid_image.image_hash)
    now = dsp.time.timestamp()
    key = dsp.certificate("dsp-xml").key
    for device in (PPMID, IHD):
        gate.check_permit(got, key, device, dsp.ppmid_image.image_hash, now)
    assert got.valid_until - got.issued == 24 * 3600
    # nothing is distributed
    assert tasks(dsp) == 0
    dsp.dispatcher.work()
    assert dsp.hub.offers == []


def test_it_is_screened_like_a_distribution(dsp):
    def code(root, name="supplier-xml", **more):
        octets = answer(dsp, root, name, **more)
        assert not is_signed_cbor(octets)
        return dsp.read(octets)["response_code"]

    changed = dsp.signed(asking(dsp, PPMID)).replace(PPMID.encode(), IHD.encode())
    refused = dsp.read(dsp.service.answer(changed, for_permit=True))
    assert refused["response_code"] == "E100"
    assert code(asking(dsp, PPMID, image=image_of(b"not on the CPL"))) == "E110401"
    assert code(asking(dsp, PPMID), stated_hash=bytes(32)) == "E110402"
    other = asking(dsp, PPMID, originator="90-B3-D5-1F-30-02-00-00")
    assert code(other, name="other-supplier-xml") == "E110403"
    # what brings no image
    read = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    assert code(read) == "E12"
    first = requests.activate_firmware(dsp.request_id(HCALCS), bytes(32))
    assert code(first, variants=(8,)) == "E12"


def test_one_request_is_one_permit_or_one_distribution(dsp):
    octets = dsp.signed(asking(dsp, PPMID))
    first = dsp.service.answer(octets, for_permit=True)
    dsp.time += datetime.timedelta(hours=1)
    assert dsp.service.answer(octets, for_permit=True) == first
    # taken off the line and sent to the other path
    assert dsp.read(dsp.service.answer(octets))["response_code"] == "E17"
    distributed = dsp.signed(asking(dsp, PPMID))
    assert dsp.read(dsp.service.answer(distributed))["response_code"] == "I0"
    octets = dsp.service.answer(distributed, for_permit=True)
    assert dsp.read(octets)["response_code"] == "E17"


def test_a_signed_image(dsp):
    asked = requests.update_firmware(dsp.request_id(BROKER), dsp.signed_image, [parse_eui(HCALCS)])
    assert permit.decode(answer(dsp, asked), "it").devices == (HCALCS,)


def test_by_hand(dsp, tmp_path, pki):
    dsp.close()
    request, file = tmp_path / "request.xml", tmp_path / "a.permit"
    trusted = ("--certificate", pki / "dsp-xml.pem")
    with serving(dsp, "--permit-hours", "2") as service:
        submit = ("dcc", "submit", request, "--to", service.url, *trusted, "--permit", file)
        request.write_bytes(dsp.signed(asking(dsp, PPMID, HCALCS)))
        # signed by another than the DSP: not kept
        stranger = ("dcc", "submit", request, "--to", service.url, "--permit", file)
        ran = hanboot(*stranger, "--certificate", pki / "supplier-xml.pem")
        assert_error(ran, 1, "is not signed by the DSP")
        assert not file.exists()
        ran = hanboot(*submit, "--json")
        assert ran.code == 0, ran.err
        assert ran.document["devices"] == [PPMID]
        assert "it leaves out 1 device: 00-DB-12-34-56-78-90-A6" in hanboot(*submit).err
        # refused
        request.write_bytes(dsp.signed(asking(dsp, HCALCS)))
        ran = hanboot(*submit)
        assert ran.code == 1
        assert "the request was refused: E110403" in ran.err
    shown = hanboot("dcc", "permit", file, *trusted, "--json").document
    assert shown["hash"] == dsp.ppmid_image.image_hash.hex()
    ran = hanboot("dcc", "permit", file, "--certificate", pki / "supplier-xml.pem")
    assert_error(ran, 1, "is not signed by the DSP")
    assert_error(hanboot("dcc", "permit", request, *trusted), 5, "is no permit")
