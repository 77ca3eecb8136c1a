"""How a device's refusal is shown: with --json as a document, and with the way that is left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hanboot.cli.output import Out
from hanboot.device.client import Device
from hanboot.device.records import Verdict
from hanboot.device.refusal import DeviceRefused
from hanboot.errors import HanbootError
from hanboot.registry import DEFAULT_URL

if TYPE_CHECKING:
    from hanboot.registry.pathways.remedy import Remedy


@contextlib.contextmanager
def refusals(out: Out, device: Device | None = None, registry: str | None = None) -> Iterator[None]:
    """With --json a refusal is a document on stdout; the three lines go to stderr as ever.

    Args:
        device: asked what it runs, to find the way that is left from there.
        registry: of `any_registry_option`; None takes the one in the current folder, if any.
    """
    try:
        yield
    except DeviceRefused as refused:
        way = find_way(out, device, refused.verdict, registry) if device else None
        out.document(verdict_json(refused.verdict, way))
        if way is None:
            raise
        raise DeviceRefused(refused.verdict, way.text) from None


def find_way(out: Out, device: Device, verdict: Verdict, url: str | None) -> Remedy | None:
    """The way to what was refused, if a registry is at hand that knows it."""
    if url is None and not os.path.exists(DEFAULT_URL):
        return None
    # imported late: most refusals need no database
    from hanboot.cli.registry_options import opened
    from hanboot.registry.pathways.remedy import way_to_refused

    try:
        with opened(url or DEFAULT_URL) as registry:
            return way_to_refused(registry, device.identity(), verdict)
    except HanbootError as error:
        # the refusal counts, not that nothing can be added to it
        out.note(f"note: no way was looked for: {error.what}, {error.why}")
        return None


def verdict_json(verdict: Verdict, way: Remedy | None) -> dict[str, object]:
    return verdict.as_json() | ({"way": way.as_json()} if way else {})
