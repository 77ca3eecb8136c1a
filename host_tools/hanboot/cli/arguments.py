"""Arguments that commands share."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot import terminal
from hanboot.installation import INTERPRETER_VARIABLE

if TYPE_CHECKING:
    from hanboot.image.ota_file import Image


class FilePath(click.Path):
    """A file; whether it can be read is for the library to say, with exit code 5."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


class EuiType(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """An EUI-64, with or without separators, as 8 bytes."""

    name = "eui"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        # imported late: it takes the library for certificates
        from hanboot.trust.smki.certificate import parse_eui

        try:
            return parse_eui(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


file_argument = click.argument("file", type=FilePath())

layout_option = click.option(
    "--layout",
    type=click.Choice(["signed", "unsigned"]),
    help="How an image that is not ours ends, where the guess is wrong.",
)


def note_assumption(image: Image) -> None:
    """Says on stderr what was assumed of an image that is not ours."""
    if image.assumption:
        terminal.echo(f"note: {image.assumption}", err=True)


def _set_interpreter(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    # for this process: whatever runs a board looks there first
    if value is not None:
        os.environ[INTERPRETER_VARIABLE] = str(value)


interpreter_option = click.option(
    "--interpreter",
    type=FilePath(),
    expose_value=False,
    callback=_set_interpreter,
    help="MicroPython 1.25 unix binary to run it with. Default: MICROPYTHON, or what is found.",
)

on_option = click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day on which a status counts. Default: today.",
)


def date_of(day: datetime.datetime | None) -> datetime.date | None:
    return day.date() if day else None
