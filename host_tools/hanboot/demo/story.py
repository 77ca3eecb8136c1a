"""Tells the demo's steps, and counts those that went as expected."""

from __future__ import annotations

import contextlib
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import click

from hanboot import terminal
from hanboot.errors import HanbootError

#: Longest line, also on a terminal that is wider.
_WIDTH_MOST = 92
#: Shortest: below, a terminal breaks words as it likes.
_WIDTH_LEAST = 30
_INDENT = 4
_FRAME = 4  # its two sides, each with a space


@contextlib.contextmanager
def _under_way(title: str) -> Iterator[None]:
    """Shows on a terminal what is being played; on an emulated chip it takes a while."""
    if not sys.stdout.isatty():
        yield
        return
    # one line: what has wrapped is not cleared
    terminal.echo(
        f"  … {textwrap.shorten(title, _columns() - 4, placeholder='…')}", dim=True, end=False
    )
    try:
        yield
    finally:
        # back to where the line began, and clear it
        terminal.write("\r\x1b[K", end=False)


def _columns() -> int:
    """Characters that a line may take; the last column stays empty: some terminals wrap there."""
    columns = shutil.get_terminal_size((_WIDTH_MOST + 1, 24)).columns
    return max(min(columns - 1, _WIDTH_MOST), _WIDTH_LEAST)


def _wrapped(text: str, first: str, rest: str = " " * _INDENT) -> str:
    # identifiers and file names have hyphens, and are not to be torn apart
    return textwrap.fill(
        text, _columns(), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


class Story:
    """Tells the steps and counts those that went as expected.

    Args:
        wait: called before each act, with its name.
    """

    def __init__(self, wait: Callable[[str], None] = lambda act: None) -> None:
        self._wait = wait
        self.steps = 0
        self.as_expected = 0

    def act(self, name: str) -> None:
        """An act begins, once the viewer wants it."""
        self._wait(name)

    def chapter(self, title: str) -> None:
        terminal.echo("")
        terminal.echo(_wrapped(title, "", ""), bold=True)

    def tell(self, text: str) -> None:
        terminal.echo(_wrapped(text, " " * _INDENT))

    def show(self, lines: list[str]) -> None:
        """Shows a picture in a frame: of a display, or of pathways.

        Without the frame where a terminal is too narrow for it, and cut where it must be: a picture
        whose lines wrap is none.
        """
        width = max(map(len, lines), default=0)
        room = _columns() - _INDENT
        if width + _FRAME > room:
            for line in lines:
                shown = line if len(line) <= room else f"{line[: room - 1]}…"
                terminal.echo(f"{' ' * _INDENT}{shown}", fg="cyan")
            return
        terminal.echo(f"    ╭{'─' * (width + 2)}╮", fg="cyan")
        for line in lines:
            terminal.echo(f"    │ {line:<{width}} │", fg="cyan")
        terminal.echo(f"    ╰{'─' * (width + 2)}╯", fg="cyan")

    def step(self, title: str, play: Callable[[], tuple[bool, str]]) -> None:
        """Plays a step: `play` tells whether it went as expected, and what was seen."""
        self.steps += 1
        started = time.monotonic()
        with _under_way(title):
            try:
                good, seen = play()
            except HanbootError as error:
                good, seen = False, " / ".join(error.lines)
        self.as_expected += good
        mark = click.style("✓", fg="green") if good else click.style("✗", fg="red", bold=True)
        took = f"  {time.monotonic() - started:.1f} s"
        lines = textwrap.wrap(title, _columns() - _INDENT - len(took))
        terminal.write(f"  {mark} {terminal.clean(lines[0])}", end=False)
        for line in lines[1:]:
            terminal.echo(f"\n{' ' * _INDENT}{line}", end=False)
        terminal.echo(took, dim=True)
        for line in seen.splitlines():
            self.tell(line)
