"""`hanboot demo`."""

from __future__ import annotations

import click

from hanboot.cli.arguments import interpreter_option


@click.command()
@click.argument("board", required=False, default="virtual")
@click.argument("act", required=False, default="")
@interpreter_option
def demo(board: str, act: str) -> None:
    """Watch a PPMID refuse the wrong upgrade, keep its credit, and be led the right way.

    BOARD is virtual (the default), esp32 or rp2040; ACT one act by its name, or all. Keys and
    devices are made for it and removed.
    """
    # imported late: it runs boards
    from hanboot.demo import main

    main(board, act)
