"""From a request 11.3 over the DSP's pre-command to the signed pre-command.

The supplier signs what the DSP made, so it is compared with what was asked for first: a pre-command
with any other content is never signed.
"""

from __future__ import annotations

import datetime
import re

from hanboot.duis import requests
from hanboot.duis.agreement import require_same
from hanboot.duis.describe import body_of, child, command_of
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import SERVICES, sr
from hanboot.duis.parsing import Element, text_of
from hanboot.errors import BadFile, CheckFailed
from hanboot.gbcs import document, protection
from hanboot.gbcs.codec import Decoded
from hanboot.trust.keys import PrivateKey
from hanboot.trust.smki.certificate import eui_text
from hanbootloader.han.gbcs import clock
from hanbootloader.han.gbcs.use_cases import CS06_COMMAND

_DATE_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?Z?")


def compare(request: Element, response: Element) -> Decoded:
    """The pre-command in the answer to a request, once it is what was asked for.

    Args:
        request: Service Request 11.3, as it was sent.
        response: the DSP's, whose signature is verified already.

    Raises:
        BadFile: one of them is no such document.
        CheckFailed: the pre-command is another one than was asked for.
    """
    asked = body_of(request)
    if asked.tag != sr(SERVICES["11.3"].element):
        raise _no("the request", "it is no request for an activation (11.3, command variant 4)")
    message = body_of(response)
    command = command_of(response)
    if message.tag != sr("ResponseMessage") or message.find(sr("PreCommand")) is None:
        raise _no("the response", "it holds no pre-command")
    if (
        command is None
        or command.use_case is not CS06_COMMAND
        or not command.form.startswith("pre-")
    ):
        raise _no("the response", "what it holds is no unsigned CS06 command")
    _check_same(RequestID.of(request), asked, RequestID.of(response), command)
    return command


def _check_same(
    asked_id: RequestID, asked: Element, answered_id: RequestID, command: Decoded
) -> None:
    sent, values = command.message, command.values
    pairs = (
        ("RequestID", str(asked_id), str(answered_id)),
        ("originator", eui_text(asked_id.originator), eui_text(sent.originator)),
        ("recipient", eui_text(asked_id.target), eui_text(sent.recipient)),
        ("originator counter", asked_id.counter, sent.counter),
        ("counter of the payload", asked_id.counter, values["counter"]),
        ("hash", text_of(child(asked, "FirmwareHash")).lower(), values["image_hash"].hex()),
        ("execution time", execution_of(asked), _command_execution(values.get("execution_time"))),
        ("remote party", None, sent.party),
    )
    require_same(
        pairs,
        "the pre-command is not what was asked for",
        "pre-command",
        "do not sign it; send the request again, and tell the DSP",
    )


def execution_of(asked: Element) -> str | None:
    """When an activation is asked for, ISO 8601 in whole seconds; "cancelled", or None: at once.

    Raises:
        BadFile: it is no time, or one that a device takes for a cancellation.
    """
    found = asked.find(sr("ExecutionDateTime"))
    if found is None:
        return None
    instant = parse_date_time(text_of(found))
    if instant == parse_date_time(requests.CANCELLED):
        return "cancelled"
    # strftime does not pad a year to four digits
    whole = f"{instant.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    if whole == document.CANCELLED:
        raise BadFile(
            "the execution time is none",
            f"{whole} is what calls an activation off in GBCS; in DUIS it is {requests.CANCELLED}",
            "ask its sender what is meant",
        )
    return whole


def _command_execution(time: str | None) -> str | None:
    if time is None:
        return None
    return "cancelled" if time == clock.CANCELLED else document.iso_of(time)


def parse_date_time(text: str) -> datetime.datetime:
    """The instant of an xs:dateTime; without a zone it is UTC.

    Raises:
        BadFile: it is none.
    """
    # Python 3.10 takes neither Z nor a fraction of two digits
    found = _DATE_TIME.fullmatch(text)
    try:
        if not found:
            raise ValueError(text)
        instant = datetime.datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S")
        micro = int((found[2] or "").ljust(6, "0")[:6])
    except ValueError:
        raise BadFile(
            f"{text[:40]!r} is no time in UTC",
            "it must be written like 2026-03-01T10:00:00Z",
            "ask its sender for it again",
        ) from None
    return instant.replace(microsecond=micro, tzinfo=datetime.UTC)


def sign(request: Element, command: Decoded, variant: int, key: PrivateKey) -> Element:
    """The Service Request with the signed pre-command, itself not signed yet.

    Args:
        request: as it was sent; the new one has its RequestID.
        command: of `compare`.
        variant: 5 to have it sent, 6 for local delivery, 7 for both.
        key: for digital signatures, of the supplier.
    """
    signed = protection.sign(command, key)
    return requests.signed_pre_command(RequestID.of(request), variant, signed)


def check_signed(request: Element) -> None:
    """Whether the message in a request with a signed pre-command is of the request.

    Raises:
        BadFile: it is no message.
        CheckFailed: it is another party's, for another device, or with another counter.
    """
    if body_of(request).tag != sr("SignedPreCommand"):
        return
    command = command_of(request)
    asked = RequestID.of(request)
    sent = command.message if command else None
    if sent is None or (sent.originator, sent.recipient, sent.counter) != (
        asked.originator,
        asked.target,
        asked.counter,
    ):
        in_it = (
            f"{eui_text(sent.originator)}:{eui_text(sent.recipient)}:{sent.counter}"
            if sent
            else "nothing"
        )
        raise CheckFailed(
            "the signed pre-command is not of this request",
            f"the RequestID is {asked}, and in the command stands {in_it}",
            "put the command into a request with its own RequestID",
        )


def _no(what: str, why: str) -> BadFile:
    return BadFile(f"{what} is not the one that is needed", why, "check which file is which")
