"""How commands speak: results on stdout, everything else on stderr.

With --json stdout holds one JSON document and nothing else, also for an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from hanboot import terminal

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, logs on stderr."
)

#: Called with bytes done and bytes in all.
Advance = Callable[[int, int], None]

_PLAIN_STEPS = 10  # lines that a transfer writes where there is no bar


def counted(count: int, noun: str) -> str:
    """A number of things: "1 device", "2 devices"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Out:
    """Speaks to a person, or with --json to a program.

    Args:
        as_json: whether documents count, or lines.
    """

    #: Whether this run of a command has printed its document.
    has_document = False

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, document: Any) -> None:
        """The result, with --json."""
        if self.as_json:
            print_document(document)

    def line(self, text: str, **style: Any) -> None:
        """A line of the result, without --json."""
        if not self.as_json:
            terminal.echo(text, **style)

    def pairs(self, pairs: Sequence[tuple[str, str]], title: str = "") -> None:
        """Names and values as two columns, without --json."""
        if self.as_json:
            return
        if title:
            terminal.echo(title, bold=True)
        width = max((len(name) for name, _ in pairs), default=0)
        indent = "  " if title else ""
        for name, value in pairs:
            shown = click.style(terminal.clean(name).ljust(width), fg="cyan")
            terminal.write(f"{indent}{shown}  {terminal.clean(value)}".rstrip())

    def note(self, text: str) -> None:
        """A remark, on stderr."""
        terminal.echo(text, err=True)


def print_document(document: Any) -> None:
    """Prints the one document of a command."""
    Out.has_document = True
    cleaned = terminal.clean_document(document)
    terminal.write(json.dumps(cleaned, indent=2, ensure_ascii=not terminal.is_unicode()))


@contextlib.contextmanager
def progress(out: Out, name: str, total: int) -> Iterator[Advance]:
    """Shows a transfer on stderr: a bar on a terminal, plain lines elsewhere.

    Args:
        out: of the command.
        name: what is transferred.
        total: bytes.
    """
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        with _bar(name, total) as advance:
            yield advance
    else:
        yield _plain_progress(out, name)


@contextlib.contextmanager
def _bar(name: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(terminal.clean(name), total=total)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _plain_progress(out: Out, name: str) -> Advance:
    reported = -1

    def advance(done: int, whole: int) -> None:
        nonlocal reported
        step = done * _PLAIN_STEPS // whole if whole else _PLAIN_STEPS
        if step > reported:
            reported = step
            out.note(f"{name}: {done} of {whole} octets")

    return advance
