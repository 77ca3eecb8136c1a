"""Puts the source's names back into what a product's console says: tracebacks above all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .source import LinkError

# as sys.print_exception() writes them: a frame, the exception's class, a quoted name in its text
_FRAME = re.compile(r'^(  File ")bootloader\.py(", line \d+), in (\w+)$')
_CLASS = re.compile(r"^(\w+)(?=:|$)")
_QUOTED = re.compile(r"'(\w+)'")


def load_names(path: Path) -> dict[str, list[str]]:
    """The names that a build left beside its UF2.

    Raises:
        LinkError: the file is none of them.
    """
    try:
        names = json.loads(path.read_text())
        return {str(word): [str(name) for name in found] for word, found in names.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise LinkError(
            str(path),
            "holds no names of a linked bootloader",
            str(error),
            "give the .names.json beside the UF2 that the board runs",
        ) from error


def readable(text: str, names: Mapping[str, Sequence[str]]) -> str:
    """`text` with the names of the source, wherever a linked one stands.

    A word may stand for a global and an attribute, or for methods of several classes: then all of
    them are shown; in a frame, those that are code.
    """
    return "\n".join(_line(line, names) for line in text.splitlines()) + "\n"


def _line(line: str, names: Mapping[str, Sequence[str]]) -> str:
    def spelled(word: str) -> str:
        return " or ".join(names.get(word, [word]))

    if frame := _FRAME.match(line):
        found = names.get(frame[3], [frame[3]])
        code = [name for name in found if name.endswith("()")] or found
        return f"{frame[1]}bootloader{frame[2]}, in {' or '.join(code)}"
    line = _CLASS.sub(lambda match: spelled(match[1]), line)
    return _QUOTED.sub(lambda match: f"'{spelled(match[1])}'", line)
