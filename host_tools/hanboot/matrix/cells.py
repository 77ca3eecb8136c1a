"""What a matrix is made of: releases, situations, cells."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hanboot.device.upgrade import UpgradeOutcome
from hanboot.explain.versions import version_text
from hanboot.image.ota_file import Image

NOTHING = "no application"

_STARTED = (UpgradeOutcome.CONFIRMED, UpgradeOutcome.REVERTED)


@dataclass(frozen=True)
class NamedImage:
    """An image of the matrix. name: what to call it, different for each."""

    name: str
    image: Image

    def as_json(self) -> dict[str, Any]:
        version = self.image.header.file_version
        return {
            "name": self.name,
            "file_version": version,
            "file_version_hex": f"{version:08X}",
            "hash": self.image.image_hash.hex(),
        }


@dataclass(frozen=True)
class Situation:
    """What runs, and what went before.

    Attributes:
        running: the confirmed release; None on a device without one.
        after: "" for a clean start; "failed trial" where `tried` failed by itself; "revert" where
            power was cut in each start of its trial.
        tried: the release that the device came back from.
    """

    running: NamedImage | None
    after: str = ""
    tried: NamedImage | None = None

    @property
    def name(self) -> str:
        runs = self.running.name if self.running else NOTHING
        return f"{runs} after a {self.after} of {self.tried.name}" if self.tried else runs


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """One offer, and what came of it.

    Attributes:
        device, decision, oracle: the reason that each gives, by name.
        outcome: of an accepted one; None where it was refused.
        trial_reason: why it was reverted, "" otherwise.
        faults: what is not as it must be, a line each.
        seconds: how long it took.
    """

    situation: Situation
    offered: NamedImage
    device: str
    decision: str
    oracle: str
    outcome: UpgradeOutcome | None = None
    trial_reason: str = ""
    faults: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The cell in a few words."""
        if self.outcome is UpgradeOutcome.REVERTED:
            return f"reverted: {self.trial_reason}"
        return self.outcome or self.device

    def as_json(self) -> dict[str, Any]:
        after = self.situation
        return {
            "running": after.running.name if after.running else None,
            "after": after.after or None,
            "tried": after.tried.name if after.tried else None,
            "offered": self.offered.name,
            "device": self.device,
            "decision": self.decision,
            "oracle": self.oracle,
            "outcome": self.outcome,
            "trial_reason": self.trial_reason or None,
            "agrees": not self.faults,
            "faults": list(self.faults),
        }


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a report must say, to be worth something later.

    Attributes:
        date: when it was played, UTC, ISO 8601.
        version: of the host tools.
        command: the command line.
        board: what was played on: name, serial and tier, as the device reports them.
        keys: role and SHA-256 over x || y of each trust anchor.
    """

    date: str
    version: str
    command: str
    board: str
    keys: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Names and values, for people."""
        named = [("date", self.date), ("hanboot", self.version), ("board", self.board)]
        keys = [(f"{role} key, SHA-256", digest) for role, digest in self.keys.items()]
        return [*named, *keys, ("command", self.command)]


@dataclass
class Matrix:
    """All cells.

    Attributes:
        remarks: what could not be played, and why.
        evidence: of the run; None in tests of a part of it.
    """

    releases: Sequence[NamedImage]
    cells: list[MatrixCell] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    evidence: Evidence | None = None

    @property
    def unreached(self) -> list[NamedImage]:
        """The releases that were never started: nothing is shown of what they do."""
        started = {cell.offered for cell in self.cells if cell.outcome in _STARTED}
        started |= {cell.situation.running for cell in self.cells if cell.situation.running}
        return [release for release in self.releases if release not in started]

    @property
    def faulty(self) -> list[MatrixCell]:
        return [cell for cell in self.cells if cell.faults]

    @property
    def rows(self) -> dict[Situation, dict[NamedImage, MatrixCell]]:
        rows: dict[Situation, dict[NamedImage, MatrixCell]] = {}
        for cell in self.cells:
            rows.setdefault(cell.situation, {})[cell.offered] = cell
        return rows

    def as_json(self) -> dict[str, Any]:
        return {
            "agrees": not self.faulty,
            "never_ran": [release.name for release in self.unreached],
            "evidence": self.evidence.as_json() if self.evidence else None,
            "releases": [release.as_json() for release in self.releases],
            "remarks": self.remarks,
            "cells": [cell.as_json() for cell in self.cells],
        }


def name_releases(images: Sequence[Image]) -> list[NamedImage]:
    """The images by their labels, else by their files; the same file only once."""
    distinct = list({image.octets: image for image in images}.values())
    names = [_printable(_label(image)) for image in distinct]
    return [
        NamedImage(name if names.count(name) == 1 else f"{name} {_digest(image)}", image)
        for name, image in zip(names, distinct, strict=True)
    ]


def _digest(image: Image) -> str:
    return hashlib.sha256(image.octets).hexdigest()[:8]


def _label(image: Image) -> str:
    if image.manifest and image.manifest.label:
        return image.manifest.label
    return image.name or version_text(image.header.file_version)


def _printable(text: str) -> str:
    """Texts in a file may be anybody's, and go to terminals and XML."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
