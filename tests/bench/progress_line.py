"""What is being measured, in a line on standard error."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
