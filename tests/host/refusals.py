"""Refusals of a device on a fake transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hanboot.testing.fake_transport import SentRequest


def refusal(group: int, rc: int) -> Callable[[SentRequest], dict[str, Any]]:
    return lambda request: {"err": {"group": group, "rc": rc}}
