"""The data service provider: who may ask it, what, and what it answers."""

from __future__ import annotations

import datetime

import pytest
from dsp import (
    BROKER,
    HCALCS,
    OTHER,
    PPMID,
    SUPPLIER,
)

from hanboot.duis import building, codes, requests, signature
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import SERVICES
from hanboot.errors import BadFile
from hanboot.trust.smki.certificate import parse_eui


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
