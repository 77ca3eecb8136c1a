"""`hanboot board deploy`: hanboot onto a board with stock MicroPython, for prototypes."""

from __future__ import annotations

import click

from hanboot.boards import flashing, stock
from hanboot.boards.roles import ROLES
from hanboot.cli.asking import confirm_found, yes_option
from hanboot.cli.device import identity_json
from hanboot.cli.output import Out, json_option, progress
from hanboot.cli.settings import port_option, was_found


@click.command("deploy")
@click.option("--role", type=click.Choice(ROLES), help="What it is to play. Default: ppmid.")
@click.option("--replace", is_flag=True, help="Put it in the place of another program or role.")
@yes_option
@port_option
@json_option
@click.pass_context
def deploy_command(
    ctx: click.Context, role: str | None, replace: bool, yes: bool, port: str, as_json: bool
) -> None:
    """Copy hanboot to a board with stock MicroPython 1.25. Such a board isn't protected."""
    out = Out(as_json)
    is_asked = was_found(ctx) and not yes

    def agree(board: str) -> None:
        if is_asked:
            confirm_found(board, "Copy hanboot to it")

    with progress(out, "hanboot", 0) as advance:
        identity = stock.deploy(port, role, replace, advance, out.note, agree)
    out.document(identity_json(identity) | {"protected": False})
    out.line(f"deployed: {flashing.describe(identity)}")
    if not identity.provisioned:
        out.note(f"next: hanboot board provision --port {port}")
