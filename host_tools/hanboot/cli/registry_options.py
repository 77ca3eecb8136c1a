"""What the commands about registries have in common: options, and how work is shown."""

from __future__ import annotations

import contextlib
import functools
import gc
import getpass
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from hanboot import terminal
from hanboot.errors import WrongUsage
from hanboot.registry.entry import Model
from hanboot.registry.exchange.views import ROLES
from hanboot.registry.fields import BY_NAME, BadValue
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import Registry

_Command = TypeVar("_Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def attribution_options(command: _Command) -> _Command:
    """--author, --reason, --party and --channel, which every change takes; as `attribution`."""

    @functools.wraps(command)
    def attributed(
        *given: Any, author: str, reason: str, party: str, channel: str, **more: Any
    ) -> Any:
        attribution = Attribution(author, reason, "", party, channel)
        return command(*given, attribution=attribution, **more)

    for option in reversed(_ATTRIBUTION):
        attributed = option(attributed)
    return attributed  # type: ignore[return-value]


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


author_option = click.option(
    "--author",
    envvar="HANBOOT_AUTHOR",
    default=_login_name,
    help="Who makes the change. Default: your login name.",
)

_ATTRIBUTION = (
    author_option,
    click.option("--reason", required=True, help="Why, for the history."),
    click.option(
        "--party",
        envvar="HANBOOT_PARTY",
        default="",
        help="The organisation that is responsible for it: the one that submitted it.",
    ),
    click.option("--channel", default="", help="The way it came: 'CPL Tool', 'email', ..."),
)


def parse_model(text: str) -> Model:
    """A device model such as "FFF0 00050100"; a slash or a hyphen may stand for the space.

    Raises:
        BadParameter: it is none.
    """
    pieces = text.replace("/", " ").replace("-", " ").split()
    try:
        if len(pieces) != 2:
            raise BadValue("it has two parts, manufacturer code and device model")
        return Model(*(_code(n, piece) for n, piece in zip(Model._fields, pieces, strict=True)))
    except BadValue as bad:
        raise click.BadParameter(f"{text!r} is no model such as 'FFF0 00050100': {bad}") from None


def _code(field: str, text: str) -> int:
    value: int = BY_NAME[field].parse(text)
    return value


def _parse_manufacturer(text: str) -> int:
    try:
        return _code("manufacturer_code", text)
    except BadValue as bad:
        raise click.BadParameter(str(bad)) from None


def _parsed(parse: Callable[[str], Any]) -> Callable[..., Any]:
    def callback(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        return None if value is None else parse(value)

    return callback


model_option = click.option(
    "--model",
    callback=_parsed(parse_model),
    metavar="'CODE MODEL'",
    help="Only this model: 'FFF0 00050100'.",
)
manufacturer_option = click.option(
    "--manufacturer",
    callback=_parsed(_parse_manufacturer),
    metavar="CODE",
    help="Only this manufacturer: 4 hex digits.",
)


def collect_rarely() -> None:
    """Many small objects and no cycles: looking for some costs a third of the time."""
    gc.set_threshold(50_000, 20, 100)


role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    default="supplier",
    show_default=True,
    help="Who will see it: the FIR is for SEC parties, ZigBee chipset and stack for the SSC.",
)
ssc_option = click.option(
    "--ssc-registry",
    "ssc_url",
    envvar="HANBOOT_SSC_REGISTRY",
    metavar="URL",
    help="Database of what is for the SSC alone, where it lies apart.",
)


@contextlib.contextmanager
def opened(url: str, ssc_url: str | None = None) -> Iterator[Registry]:
    """A registry that is there."""
    collect_rarely()
    with Registry(Database(url), Database(ssc_url) if ssc_url else None) as registry:
        yield registry


@contextlib.contextmanager
def opened_or_made(url: str, ssc_url: str | None = None) -> Iterator[Registry]:
    """A registry; one that is made here is gone again if the body fails."""
    collect_rarely()
    database = Database(url, create=True)
    try:
        with Registry(database, Database(ssc_url) if ssc_url else None) as registry:
            yield registry
    except BaseException:
        database.discard()
        raise
    if database.found_at is None:
        terminal.echo(f"{database.name} was made", err=True)


@contextlib.contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        Remaining(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(terminal.clean(name), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def pairs(values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE arguments as a table."""
    texts = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not sign:
            raise WrongUsage(
                f"{value!r} cannot be used", "it has no =", "give FIELD=VALUE, e.g. status=Active"
            )
        texts[key] = text
    return texts
