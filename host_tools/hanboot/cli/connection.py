"""From the options of a command to the device that it talks to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hanboot.device.client import Device
from hanboot.link.serial import BAUD
from hanboot.link.smp import REPLY_S, TRIES, Retries

_META = "hanboot.link"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    assert parameter.name is not None
    ctx.meta.setdefault(_META, {})[parameter.name] = value
    return value


def line_options(command: _Command) -> _Command:
    """--baud, --timeout and --retries, for `connect`."""
    for option in (
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=TRIES - 1,
            show_default=True,
            expose_value=False,
            callback=_keep,
            help="How often a request is sent again.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(0.05, 600),
            default=REPLY_S,
            show_default=True,
            expose_value=False,
            callback=_keep,
            help="Seconds to wait for each reply.",
        ),
        click.option(
            "--baud",
            type=click.IntRange(300, 12_000_000),
            default=BAUD,
            show_default=True,
            expose_value=False,
            callback=_keep,
            help="Speed of a serial line; USB has none.",
        ),
    ):
        command = option(command)
    return command


def connect(port: str, on_text: Callable[[str], None] = lambda line: None) -> Device:
    """The device at `port`, with what the command's options say of the line.

    Raises:
        NoDevice: the port cannot be opened.
        WrongUsage: it is a URL of a scheme that is not allowed.
    """
    said = click.get_current_context().meta.get(_META, {})
    retries = Retries(
        tries=said.get("retries", TRIES - 1) + 1, reply_s=said.get("timeout", REPLY_S)
    )
    return Device(port, on_text, retries=retries, baud=said.get("baud", BAUD))
