"""What the commands about registries have in common: options, and how work is shown."""

from __future__ import annotations

import contextlib
import gc
import getpass
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from hanboot.errors import WrongUsage
from hanboot.registry.entry import Model
from hanboot.registry.fields import BY_NAME, BadValue
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import Registry

_Command = TypeVar("_Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def attribution_options(command: _Command) -> _Command:
    """--author and --reason, which every change needs."""
    author = click.option(
        "--author",
        envvar="HANBOOT_AUTHOR",
        default=_login_name,
        help="Who makes the change. Default: your login name.",
    )
    reason = click.option("--reason", required=True, help="Why, for the history.")
    return author(reason(command))


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


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


@contextlib.contextmanager
def opened(url: str) -> Iterator[Registry]:
    """A registry that is there."""
    collect_rarely()
    with Registry(Database(url)) as registry:
        yield registry


@contextlib.contextmanager
def opened_or_made(url: str) -> Iterator[Registry]:
    """A registry; one that is made here is gone again if the body fails."""
    collect_rarely()
    database = Database(url, create=True)
    try:
        with Registry(database) as registry:
            yield registry
    except BaseException:
        database.discard()
        raise
    if database.found_at is None:
        click.echo(f"{database.name} was made", err=True)


def attribution_of(author: str, reason: str) -> Attribution:
    return Attribution(author, reason)


@contextlib.contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
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
