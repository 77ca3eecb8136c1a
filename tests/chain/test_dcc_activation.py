"""The data service provider: activation by signed commands."""

from __future__ import annotations

import datetime

import pytest
from dcc_steps import DCC_TIME, activation, euis, receipt
from dsp import (
    BROKER,
    HCALCS,
    NEW,
    OLD,
    SUPPLIER,
    hcalcs_response,
)

from hanboot.dcc import commands
from hanboot.dcc.refusals import RequestRefused
from hanboot.duis import codes, parsing, precommand, requests
from hanboot.duis.describe import command_of
from hanboot.duis.identifiers import RequestID
from hanboot.errors import BadFile


def test_activation(dsp):
    asked = requests.update_firmware(dsp.request_id(BROKER), dsp.signed_image, euis(HCALCS))
    dsp.ask(asked)
    _, second = activation(dsp)
    assert dsp.ask(second)["response_code"] == "I99"
    dsp.dispatcher.work()
    sent = dsp.takes("hcalcs", dsp.hub.commands[0][1])
    signer = dsp.certificate("supplier-ds")
    assert signer.key.is_signature(sent.signed_octets(), bytes(sent.signature))
    dsp.says("hcalcs", hcalcs_response(sent, {"response_code": 0, "version": "02000000"}))
    dsp.dispatcher.work()
    (_, reported) = dsp.after_delivery()[0]
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
    dsp.says("hcalcs", hcalcs_response(sent, {}))
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
