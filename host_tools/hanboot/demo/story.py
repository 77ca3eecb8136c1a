"""Tells the demo's steps, and counts those that went as expected."""

from __future__ import annotations

import contextlib
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import click

from hanboot.errors import HanbootError


@contextlib.contextmanager
def _under_way(title: str) -> Iterator[None]:
    """Shows on a terminal what is being played; on an emulated chip it takes a while."""
    if not sys.stdout.isatty():
        yield
        return
    click.secho(f"  … {title}", dim=True, nl=False)
    try:
        yield
    finally:
        # back to where the line began, and clear it
        click.echo("\r\x1b[K", nl=False)


class Story:
    """Tells the steps and counts those that went as expected."""

    def __init__(self) -> None:
        self.steps = 0
        self.as_expected = 0

    def chapter(self, title: str) -> None:
        click.echo()
        click.secho(title, bold=True)

    def tell(self, text: str) -> None:
        click.echo(textwrap.indent(textwrap.fill(text, 92), "    "))

    def show(self, lines: list[str]) -> None:
        """Shows a picture in a frame: of a display, or of pathways."""
        width = max(map(len, lines), default=0)
        click.secho(f"    ╭{'─' * (width + 2)}╮", fg="cyan")
        for line in lines:
            click.secho(f"    │ {line:<{width}} │", fg="cyan")
        click.secho(f"    ╰{'─' * (width + 2)}╯", fg="cyan")

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
        took = click.style(f"  {time.monotonic() - started:.1f} s", dim=True)
        click.echo(f"  {mark} {title}{took}")
        for line in seen.splitlines():
            self.tell(line)
