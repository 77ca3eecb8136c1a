"""What several tests of the data service provider ask of it, and messages of devices."""

from __future__ import annotations

from dsp import (
    BROKER,
    COMMS_HUB,
    HCALCS,
)

from hanboot.duis import parsing, precommand, requests
from hanboot.trust.smki.certificate import parse_eui

DCC_TIME = "2026-03-01T10:00:00Z"


def euis(*devices):
    return [parse_eui(device) for device in devices]


def distribute(dsp, *devices, image=None, **more):
    asked = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), image or dsp.ppmid_image, euis(*devices)
    )
    return dsp.ask(asked, **more)


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


def transferred(target, originator=COMMS_HUB, code=3, version="02000000"):
    """A hub's report (CCS08) of how a transfer ended, as a message's content."""
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
            "version": version,
            "response_code": code,
        },
    }
