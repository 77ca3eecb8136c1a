"""A folder of keys and certificates for a lab: everybody who takes part in an upgrade.

`NAME.pem` is a certificate, `NAME.key.pem` the private key of its holder, for its owner alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hanboot import files
from hanboot.trust.keys import DEVELOPMENT
from hanboot.trust.smki.authority import CertificateAuthority, Issued
from hanboot.trust.smki.certificate import BROKER, DSP_XML, SUPPLIER, USER_XML

ROOT, ISSUING = 0x00, 0x07


@dataclass(frozen=True)
class LabParty:
    """Who gets certificates: name of the files, role (None for a device), EUI-64."""

    name: str
    role: int | None
    eui: bytes


def _eui(number: int) -> bytes:
    return number.to_bytes(8, "big")


#: Identifiers like those of published test certificates, so that both sorts look alike.
PARTIES = (
    LabParty("supplier", SUPPLIER, _eui(0x90B3D51F30010000)),
    LabParty("other-supplier", SUPPLIER, _eui(0x90B3D51F30020000)),
    LabParty("broker", BROKER, _eui(0x90B3D51F30000002)),
    LabParty("ppmid", None, _eui(0x00DB1234567890A4)),
    LabParty("ihd", None, _eui(0x00DB1234567890A5)),
    LabParty("hcalcs", None, _eui(0x00DB1234567890A6)),
    LabParty("esme", None, _eui(0x00DB1234567890A0)),
    LabParty("hub", None, _eui(0x00DB1234567890A1)),
)
XML_SIGNERS = (
    LabParty("supplier-xml", USER_XML, PARTIES[0].eui),
    LabParty("other-supplier-xml", USER_XML, PARTIES[1].eui),
    LabParty("dsp-xml", DSP_XML, PARTIES[2].eui),
)
_USAGES: tuple[tuple[str, Literal["signature", "agreement"]], ...] = (
    ("ds", "signature"),
    ("ka", "agreement"),
)


def new(folder: Path, start: datetime.datetime | None = None) -> list[Path]:
    """Makes the folder, whole or not at all.

    Args:
        folder: must not be there, or be empty.
        start: first instant of every validity, UTC; None: now.

    Returns:
        the certificates; the key of each lies beside it.

    Raises:
        BadFile: the folder holds something, or cannot be made.
    """
    begin = (start or datetime.datetime.now(datetime.UTC)).replace(microsecond=0)
    with files.new_folder(folder, 0o700) as partial:
        names = [_write(partial, name, issued) for name, issued in _issue(begin)]
    return [folder / name for name in names]


def _issue(start: datetime.datetime) -> Iterator[tuple[str, Issued]]:
    root = CertificateAuthority("ZA", ROOT, None, start)
    issuing = CertificateAuthority("Z1", ISSUING, root, start)
    # devices have an issuing authority of their own
    of_devices = CertificateAuthority("Z2", ISSUING, root, start)
    yield "root", root.issued
    yield "issuing", issuing.issued
    yield "issuing-devices", of_devices.issued
    for party in PARTIES:
        for suffix, usage in _USAGES:
            name = f"{party.name}-{suffix}"
            if party.role is None:
                yield name, of_devices.device(party.eui, usage)
            else:
                yield name, issuing.organisation(party.name, party.role, party.eui, usage)
    for party in XML_SIGNERS:
        assert party.role is not None
        yield party.name, issuing.organisation(party.name, party.role, party.eui, "signature")


def _write(folder: Path, name: str, issued: Issued) -> str:
    files.create(folder / f"{name}.key.pem", DEVELOPMENT + issued.private_key, 0o600)
    files.create(folder / f"{name}.pem", DEVELOPMENT + issued.certificate, 0o644)
    return f"{name}.pem"
