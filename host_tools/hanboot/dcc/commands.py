"""GBCS commands: pre-commands for the supplier to sign, and what the broker adds to them."""

from __future__ import annotations

import datetime

from hanboot.dcc.refusals import RequestRefused
from hanboot.duis import codes
from hanboot.duis.identifiers import RequestID
from hanboot.gbcs.codec import Decoded
from hanboot.gbcs.host_use_cases import ECS52_COMMAND, GCS38_COMMAND
from hanboot.trust.keys import PrivateKey
from hanboot.trust.smki.certificate import Certificate
from hanboot.trust.smki.validation import validity_text
from hanbootloader.han.gbcs import clock, mac, message
from hanbootloader.han.gbcs.message import Message
from hanbootloader.han.gbcs.use_cases import CS06_COMMAND, CS08_COMMAND

#: GBCS version of the pre-commands that are made here.
GBCS_VERSION = "4.3"


def activate(request_id: RequestID, image_hash: bytes, execution_time: str | None) -> Message:
    """CS06 without a signature. execution_time: GeneralizedTime, or None for at once."""
    values = {
        "image_hash": image_hash,
        "counter": request_id.counter,
        "execution_time": execution_time,
    }
    return Message(
        message.COMMAND,
        CS06_COMMAND.code,
        request_id.counter,
        request_id.originator,
        request_id.target,
        CS06_COMMAND.encode(values),
        signature=b"",
    )


def read_version(
    request_id: RequestID, device_type: str, broker: bytes, broker_counter: int
) -> Message:
    """The question for a device's version, asked by the broker on the user's behalf.

    Raises:
        RequestRefused: no use case asks such a device.
    """
    party = (request_id.originator, request_id.counter)
    if device_type in ("PPMID", "HCALCS", "IHD"):
        code, payload = CS08_COMMAND.code, CS08_COMMAND.encode({})
    elif device_type == "ESME":
        code = ECS52_COMMAND.code
        payload = ECS52_COMMAND.encode({"invocation": broker_counter & 0xFFFFFF})
    elif device_type == "GSME":
        code, payload = GCS38_COMMAND.code, GCS38_COMMAND.encode({})
    else:
        raise RequestRefused(
            codes.NOT_SERVED,
            "such a device is not asked for its version here",
            f"it is a {device_type}",
        )
    return Message(
        message.COMMAND, code, broker_counter, broker, request_id.target, payload,
        party=party, signature=b"",
    )  # fmt: skip


def protect(sent: Message, broker_key: PrivateKey, device: Certificate | None) -> bytes:
    """The command with the broker's MAC.

    Args:
        sent: signed, where its use case demands that.
        broker_key: for key agreement.
        device: the device's certificate for key agreement.

    Raises:
        RequestRefused: there is none.
    """
    if device is None:
        raise RequestRefused(
            codes.NO_KEYS,
            "the command cannot be protected",
            "the device's certificate for key agreement is not here",
            "have it entered: hanboot dcc assign",
        )
    sent.mac = mac.make(broker_key.agree(device.key), sent)
    return sent.encode()


def check_signed(
    command: Decoded, given_out: bytes, signers: list[Certificate], at: datetime.datetime
) -> None:
    """Whether a signed pre-command is what was given out, signed by its originator.

    Args:
        command: the signed pre-command.
        given_out: as it was given out.
        signers: certificates of the originator.
        at: when the signer's must be valid, UTC.

    Raises:
        RequestRefused: it is not.
    """
    sent = command.message
    if sent.signed_octets() != message.parse(given_out).signed_octets():
        raise RequestRefused(
            codes.OTHER_COMMAND,
            "the signed pre-command is not the one that was given out",
            "it was changed between",
        )
    signature = bytes(sent.signature or b"")
    signed = sent.signed_octets()
    found = [one for one in signers if one.key.is_signature(signed, signature)]
    if not found:
        raise RequestRefused(
            codes.NOT_SIGNED,
            "the pre-command is not signed by its originator",
            "its signature verifies with no certificate of the party",
        )
    if not any(one.is_valid_at(at) for one in found):
        raise RequestRefused(
            codes.EXPIRED,
            "the pre-command's signer is not valid",
            f"its certificate {validity_text(found[0], at)}",
        )


def execution_time(iso: str | None, cancelled: bool) -> str | None:
    """GeneralizedTime of an execution, from ISO 8601 with seconds and Z."""
    if cancelled:
        return clock.CANCELLED
    return iso.replace("-", "").replace(":", "").replace("T", "") if iso else None
