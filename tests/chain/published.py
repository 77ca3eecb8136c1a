"""Published messages, documents and certificates of the field, where they are at hand."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: No part of this project (../shared/data/dcc/README.md says what each file is).
FOLDER = ROOT.parent / "shared" / "data" / "dcc"
GBCS = FOLDER / "gbcs"
CERTIFICATES = FOLDER / "certs"
DUIS = FOLDER / "duis"
SYNTHETIC = FOLDER / "synthetic"
SCHEMAS = FOLDER / "xsd"

needed = pytest.mark.skipif(not FOLDER.exists(), reason="the published test data is not here")

#: When every published certificate was valid.
THEN = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def documents() -> list[Path]:
    """Every DUIS document, of public tools and made of what they publish."""
    found = [*DUIS.iterdir(), *SYNTHETIC.iterdir()]
    return sorted(file for file in found if file.suffix.lower() == ".xml")


def certificate(name: str) -> Path:
    return CERTIFICATES / f"{name}.pem"
