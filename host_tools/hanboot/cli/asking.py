"""Asks before a board that no option named is written to for good."""

from __future__ import annotations

import sys

import click

from hanboot import terminal
from hanboot.errors import WrongUsage

yes_option = click.option(
    "--yes", is_flag=True, help="Without --port: write to the only board here without asking."
)


def confirm_found(board: str, act: str) -> None:
    """Names a board that was found, and asks whether it is the one.

    Args:
        board: what it is, in one line.
        act: what is to be done with it, as the question has it.

    Raises:
        WrongUsage: there is no terminal to ask at.
        Abort: the answer is no.
    """
    if not _is_attended():
        raise WrongUsage(
            "--port is missing, and no terminal is here to ask whether the board found is it",
            f"{board}; nothing was written",
            "name it with --port, or take the only board with --yes",
        )
    terminal.echo(f"found: {board}", err=True)
    if not click.confirm(f"{act}?", err=True):
        terminal.echo("nothing was written", err=True)
        raise click.Abort


def _is_attended() -> bool:
    return sys.stdin.isatty()
