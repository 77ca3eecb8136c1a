"""`hanboot board run`: boards that run on this machine, and their supply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot.boards.roles import ROLES
from hanboot.cli.arguments import EuiType, interpreter_option
from hanboot.cli.output import Out, json_option
from hanboot.image import ota_file

if TYPE_CHECKING:
    from hanboot.boards.process import BoardProcess

# Boards are imported where one is run: they need locks and pseudo terminals, which Windows lacks.

Command = Callable[..., Any]

role_option = click.option(
    "--role", type=click.Choice(ROLES), help="What it plays. Default: ppmid."
)
trial_option = click.option(
    "--trial-ms",
    type=click.IntRange(min=100),
    default=30_000,
    show_default=True,
    help="How long an application may take to confirm itself.",
)
quiet_option = click.option(
    "--quiet", is_flag=True, help="Do not show what the device writes and displays."
)


def _state_option(board: str) -> Callable[[Command], Command]:
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("build/boards") / board,
        show_default=True,
        help="Folder with its flash; made if it is not there.",
    )


@click.group()
def run() -> None:
    """Start a board on this machine and print its port; Ctrl-C stops it."""


@run.command("virtual")
@role_option
@_state_option("virtual")
@trial_option
@interpreter_option
@quiet_option
@click.option("--serial", type=EuiType(), metavar="EUI", help="EUI-64 of a new device.")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="IMAGE",
    help="A new device that IMAGE is for: its manufacturer code, image type and hardware version.",
)
@click.option(
    "--usb",
    "is_usb",
    is_flag=True,
    help="Let the port go at every reset and come back, perhaps under another name, as on USB.",
)
@json_option
def run_virtual(
    role: str | None,
    state: Path,
    trial_ms: int,
    quiet: bool,
    serial: bytes | None,
    like: Path | None,
    is_usb: bool,
    as_json: bool,
) -> None:
    """The bootloader in a MicroPython process, its flash in a file."""
    from hanboot.boards import virtual

    out = Out(as_json)
    show = _ignore if quiet or as_json else out.line
    model = ota_file.load(like) if like else None
    machine = virtual.VirtualBoard(state, role, trial_ms, show, serial, model)
    machine.is_usb = is_usb
    _run(machine, out)


@run.command("rp2040")
@role_option
@_state_option("rp2040")
@click.option(
    "--firmware",
    type=click.Path(path_type=Path),
    help="UF2 to flash. Default: what make firmware built for the role.",
)
@quiet_option
@json_option
def run_rp2040(
    role: str | None, state: Path, firmware: Path | None, quiet: bool, as_json: bool
) -> None:
    """The firmware of a Pico on an emulated chip, some 15 times slower than a real one."""
    from hanboot.boards import rp2040

    out = Out(as_json)
    show = _ignore if quiet or as_json else out.line
    _run(rp2040.Rp2040Board(state, role, show, firmware), out)


@run.command("esp32")
@role_option
@_state_option("esp32")
@trial_option
@interpreter_option
@click.option("--product", is_flag=True, help="Its own firmware, not stock MicroPython.")
@quiet_option
@json_option
def run_esp32(
    role: str | None, state: Path, trial_ms: int, product: bool, quiet: bool, as_json: bool
) -> None:
    """What hanboot is on an ESP32 with partitions of its own, on a model of the chip."""
    from hanboot.boards.esp32 import model as esp32

    out = Out(as_json)
    show = _ignore if quiet or as_json else out.line
    kind = esp32.Esp32Product if product else esp32.Esp32Board
    _run(kind(state, role, trial_ms, show), out)


def _ignore(line: str) -> None:
    pass


def _run(machine: BoardProcess, out: Out) -> None:
    def announce(port: str) -> None:
        out.document({"port": port, "role": machine.role, "state": str(machine.state)})
        out.line(port)
        out.note(
            f"{machine.name} {machine.role.upper()}; also --port virtual:{machine.state}; "
            "Ctrl-C stops it"
        )

    from hanboot.boards.process import run_until_stopped

    run_until_stopped(machine, announce)


@click.command("power-cycle")
@click.option(
    "--state",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of a board that runs on this machine.",
)
@json_option
def power_cycle(state: Path, as_json: bool) -> None:
    """Cut the supply of a board that `board run` runs, at this very instant, and give it back."""
    from hanboot.boards.process import cut_power

    out = Out(as_json)
    cut_power(state)
    out.document({"state": str(state)})
    out.line("power was cut, and is back")
