"""A whole message with the values of its payload, from octets and back."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot import files
from hanboot.errors import BadFile
from hanboot.explain.reasons import explain
from hanboot.gbcs import host_use_cases
from hanbootloader import reasons
from hanbootloader.han.gbcs import message, use_cases
from hanbootloader.han.gbcs.message import Message
from hanbootloader.han.gbcs.use_cases import UseCase

_HEX = re.compile(rb"[0-9A-Fa-f\s]+")


@dataclass(frozen=True)
class Decoded:
    """A message that can be read; nothing is said of its signature and its MAC.

    Attributes:
        message: what surrounds the payload.
        use_case: what it is.
        values: of the payload.
    """

    message: Message
    use_case: UseCase
    values: dict[str, Any]

    @property
    def is_signed(self) -> bool:
        return bool(self.message.signature)

    @property
    def has_mac(self) -> bool:
        return self.message.mac is not None

    @property
    def form(self) -> str:
        """In words, how far the message has come: "final", or what it still lacks."""
        try:
            use_cases.check_protection(self.use_case, self.message)
        except reasons.Refused:
            needs_signature = self.use_case.protection & use_cases.SIGNED
            if self.message.kind != message.COMMAND or self.has_mac:
                return "not the form of its use case"
            if needs_signature and self.is_signed:
                return "signed pre-command: its MAC is yet to be added"
            if self.is_signed:
                return "not the form of its use case"
            return "pre-command: it is yet to be protected"
        return "final"


def decode(octets: bytes, name: str = "the message") -> Decoded:
    """Reads a message of a firmware use case, in any form that it has on its way.

    Raises:
        BadFile: it is no such message; `reason` and `offset` are what a device would find.
    """
    try:
        parsed = message.parse(octets)
        use_case = use_cases.find(parsed, host_use_cases.ALL)
        return Decoded(parsed, use_case, use_case.decode(parsed))
    except reasons.Refused as refused:
        raise _bad(octets, refused, name) from None


def load(path: Path) -> Decoded:
    """Reads a message from a file: octets, or hexadecimal text.

    Raises:
        BadFile: it cannot be read, or is no message of a firmware use case.
    """
    return decode(read(path), path.name)


def read(path: Path) -> bytes:
    """The octets of a file that may be written in hexadecimal."""
    octets = files.read(path, files.TEXT_MAX_BYTES)
    if _HEX.fullmatch(octets):
        digits = b"".join(octets.split())
        try:
            return binascii.unhexlify(digits)
        except binascii.Error:
            raise BadFile(
                f"{path.name} is not hexadecimal",
                f"it has {len(digits)} digits, which is no whole number of octets",
                "check that the file is complete",
            ) from None
    return octets


def _bad(octets: bytes, refused: reasons.Refused, name: str) -> BadFile:
    words = explain(refused.reason)
    if refused.reason == reasons.MESSAGE_USE_CASE:
        parsed = message.parse(octets)
        why = f"message code 0x{parsed.code:04X} as a {KINDS[parsed.kind]} is of no such use case"
        return BadFile(
            f"{name} is not a GBCS message of a firmware use case",
            why,
            "give a message of CS06, CS08, CS09, CCS08, ECS52, GCS38, or a receipt alert",
            reason=refused.reason,
        )
    where = f"at octet {refused.offset}" if refused.offset < len(octets) else "at its end"
    return BadFile(
        f"{name} is not a GBCS message of a firmware use case",
        f"{where} of {len(octets)}: {words.meaning}",
        words.remedy,
        reason=refused.reason,
        offset=refused.offset,
    )


KINDS = {message.COMMAND: "command", message.RESPONSE: "response", message.ALERT: "alert"}
