"""Whether an answer is to what was asked: value by value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hanboot.errors import CheckFailed


def require_same(
    pairs: Iterable[tuple[str, Any, Any]], what: str, where: str, what_to_do: str
) -> None:
    """Compares what was asked for with what came.

    Args:
        pairs: a name, the value asked for, and the value that came.
        what: what it means if two differ.
        where: where the second one stands.
        what_to_do: then.

    Raises:
        CheckFailed: two differ; it names the first.
    """
    for name, wanted, found in pairs:
        if wanted != found:
            raise CheckFailed(
                what, f"{name}: asked for {wanted}, and in the {where} stands {found}", what_to_do
            )
