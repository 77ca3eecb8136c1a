"""`hanboot demo`."""

from __future__ import annotations

import sys

import click

from hanboot import terminal
from hanboot.cli.arguments import interpreter_option


@click.command()
@click.argument("board", required=False, default="virtual")
@click.argument("act", required=False, default="")
@click.option("--step", is_flag=True, help="Wait for a key before each act; q ends.")
@interpreter_option
def demo(board: str, act: str, step: bool) -> None:
    """Watch a PPMID refuse the wrong upgrade, keep its credit, and be led the right way.

    BOARD is virtual (the default), esp32 or rp2040; ACT one act by its name, or all. Keys and
    devices are made for it and removed.
    """
    if step and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--step waits for keys, and this is not a terminal")
    # imported late: it runs boards
    from hanboot.demo import main

    if step:
        main(board, act, _wait_for_key)
    else:
        main(board, act)


def _wait_for_key(act: str) -> None:
    terminal.echo(f"\n[{act}: any key goes on, q ends] ", dim=True, end=False, err=True)
    key = click.getchar()
    terminal.echo("", err=True)
    if key in ("q", "Q"):
        raise click.Abort
