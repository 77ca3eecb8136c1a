"""How commands speak: results on stdout, everything else on stderr.

With --json stdout holds one JSON document and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, logs on stderr."
)

#: Called with octets done and octets in all.
Advance = Callable[[int, int], None]

_PLAIN_STEPS = 10  # lines that a transfer writes where nobody watches a bar


def counted(count: int, noun: str) -> str:
    """A number of things: "1 device", "2 devices"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Out:
    """Speaks to a person, or with --json to a program.

    Args:
        as_json: whether documents count, or lines.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, document: Any) -> None:
        """The result, with --json."""
        if self.as_json:
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))

    def line(self, text: str) -> None:
        """A line of the result, without --json."""
        if not self.as_json:
            click.echo(text)

    def pairs(self, pairs: Sequence[tuple[str, str]], title: str = "") -> None:
        """Names and values as two columns, without --json."""
        if title:
            self.line(click.style(title, bold=True))
        width = max((len(name) for name, _ in pairs), default=0)
        indent = "  " if title else ""
        for name, value in pairs:
            self.line(f"{indent}{click.style(name.ljust(width), fg='cyan')}  {value}".rstrip())

    def note(self, text: str) -> None:
        """A remark, on stderr."""
        click.echo(text, err=True)


@contextlib.contextmanager
def progress(out: Out, name: str, total: int) -> Iterator[Advance]:
    """Shows a transfer on stderr: a bar on a terminal, plain lines elsewhere.

    Args:
        out: of the command.
        name: what is transferred.
        total: octets.
    """
    if sys.stderr.isatty():
        with _bar(name, total) as advance:
            yield advance
    else:
        yield _plain_progress(out, name)


@contextlib.contextmanager
def _bar(name: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _plain_progress(out: Out, name: str) -> Advance:
    told = -1

    def advance(done: int, whole: int) -> None:
        nonlocal told
        step = done * _PLAIN_STEPS // whole if whole else _PLAIN_STEPS
        if step > told:
            told = step
            out.note(f"{name}: {done} of {whole} octets")

    return advance
