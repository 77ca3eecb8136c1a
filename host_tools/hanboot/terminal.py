"""Standard output and standard error: every text is cleaned once, here, and a stream that takes
nothing more never changes what a command ends with.

Texts come from devices, images, file names and databases: nothing in them may move a cursor, hide
what is beside it, or begin a line of its own.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any, TextIO

import click

# C0 but tab, DEL, C1; marks, embeddings, overrides and isolates of text direction; line and
# paragraph separators; the byte order mark; lone surrogates, which no encoding takes
_HOSTILE = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: For encodings of few characters.
_PLAIN = str.maketrans(
    {"…": "...", _REPLACEMENT: "?", "✓": "+", "✗": "x", "│": "|", "─": "-"}
    | dict.fromkeys("╭╮╰╯", "+")
)


def clean(text: str) -> str:
    """One line of text that can be shown."""
    return _HOSTILE.sub(_REPLACEMENT, text)


def clean_lines(text: str) -> str:
    """The same for text of several lines."""
    if text.isascii() and text.replace("\n", "").isprintable():
        # most of what is written, and there can be a million lines of it
        return text
    return "\n".join(clean(line) for line in text.split("\n"))


def clean_document(value: Any) -> Any:
    """The same for what becomes JSON: every text in it, keys included."""
    if isinstance(value, str):
        # a line break in free text is text: JSON escapes it
        return clean_lines(value)
    if isinstance(value, dict):
        return {clean_document(key): clean_document(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [clean_document(entry) for entry in value]
    return value


def echo(text: str, err: bool = False, end: bool = True, **style: Any) -> None:
    """Writes lines of text; what cannot be written is passed over.

    Args:
        text: one line or several.
        err: on standard error.
        end: whether a line end follows.
        style: as `click.style` takes it; not shown where NO_COLOR is set or no terminal is.
    """
    write(click.style(clean_lines(text), **style) if style else clean_lines(text), err, end)


def write(text: str, err: bool = False, end: bool = True) -> None:
    """Writes text that is clean already, and may be styled."""
    stream = sys.stderr if err else sys.stdout
    try:
        click.echo(_encodable(text, stream), err=err, nl=end, color=_colour())
    except (OSError, ValueError) as error:
        _give_up(stream, error)


def is_unicode(stream: TextIO | None = None) -> bool:
    """Whether the stream takes any character."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


def settle() -> None:
    """Writes out what is buffered, so that the interpreter has nothing left to fail with."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            _give_up(stream, error)


def _encodable(text: str, stream: TextIO) -> str:
    if is_unicode(stream):
        return text
    plain = text.translate(_PLAIN)
    return plain.encode(stream.encoding, "replace").decode(stream.encoding)


def _colour() -> bool | None:
    """Never where NO_COLOR is set (no-color.org); else as the terminal is."""
    return False if os.environ.get("NO_COLOR") else None


def _give_up(stream: TextIO, error: Exception) -> None:
    """Lets the rest of a stream go nowhere, so that it fails once and not at every line.

    The result of the command stays what it is. That a disk is full is said on standard error; a
    reader that closed its pipe has read enough.
    """
    if (
        stream is sys.stdout
        and isinstance(error, OSError)
        and not isinstance(error, BrokenPipeError)
    ):
        write(f"standard output was cut short: {error.strerror or error}", err=True)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
    except (OSError, ValueError):
        return
