"""Options that can be set once: flag before environment (HANBOOT_...) before hanboot.toml.

hanboot.toml lies in the current folder; paths in it count from there:

    port = "/dev/ttyACM0"
    manufacturer_public_key = "keys/manufacturer.pub.pem"
    supplier_public_key = "keys/supplier.pub.pem"
    passphrase_file = "keys/passphrase"
    registry = "registry.db"
    library = "https://library.example"
    token_file = "keys/library.token"
    library_ca = "keys/library-ca.pem"
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from hanboot import files, toml_file
from hanboot.errors import BadFile
from hanboot.registry import DEFAULT_URL

if TYPE_CHECKING:
    from hanboot.trust.keys import AskPassphrase

FILE_NAME = "hanboot.toml"
#: In a context's meta: the port was not named.
FOUND = "hanboot.port-found"
NAMES = (
    "port",
    "manufacturer_key",
    "manufacturer_public_key",
    "supplier_key",
    "supplier_public_key",
    "passphrase_file",
    "registry",
    "library",
    "token_file",
    "library_ca",
)

#: What the folder's file may name besides a path. An option can make a driver open any file.
_REGISTRY_URL = re.compile(r"(sqlite:///|postgresql(\+psycopg)?://)[^?]*")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def configured(name: str) -> str | None:
    """What hanboot.toml says about `name`, if it says anything.

    Raises:
        BadFile: it cannot be read, or holds something unknown.
    """
    file = Path(FILE_NAME)
    if not os.path.exists(file):
        return None
    if not file.is_file():
        # a pipe without a writer would be waited for
        raise BadFile(f"{file} cannot be used", "it is not a regular file", "remove it")
    table = toml_file.load(file)
    values = {known: table.text(known, None) for known in NAMES}
    table.end()
    if "://" in (values["registry"] or "") and not _REGISTRY_URL.fullmatch(
        values["registry"] or ""
    ):
        raise BadFile(
            f"{file} cannot be used",
            "registry must be a path, or a sqlite or postgresql URL without options",
            "name any other with --registry or HANBOOT_REGISTRY",
        )
    return values[name]


def option(
    name: str, required: bool = False, short: str | None = None, **attributes: Any
) -> Callable[[_Command], _Command]:
    """A click option that can also be set in the environment and in hanboot.toml."""
    flag, variable = f"--{name.replace('_', '-')}", f"HANBOOT_{name.upper()}"

    def check(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is None and required and not ctx.resilient_parsing:
            hint = f"'{flag}' (or {variable}, or {name} in {FILE_NAME})"
            raise click.MissingParameter(ctx=ctx, param_hint=hint, param_type="option")
        return value

    flags = (short, flag) if short else (flag,)
    return click.option(
        *flags, envvar=variable, default=lambda: configured(name), callback=check, **attributes
    )


def is_flag_given(ctx: click.Context, parameter: str) -> bool:
    """Whether a parameter is on the command line itself."""
    return ctx.get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def port_option(command: _Command) -> _Command:
    """--port, and what is to be said of its line; where none is named, the only board's."""
    from hanboot.cli.connection import line_options

    return click.option(
        "-p",
        "--port",
        envvar="HANBOOT_PORT",
        default=lambda: configured("port"),
        callback=_port_or_only,
        metavar="PORT",
        help="A path, usb:VID:PID[:SERIAL], virtual:DIR, socket://HOST:PORT or "
        "rfc2217://HOST:PORT. Default: that of the only hanboot board here.",
    )(line_options(command))


def _port_or_only(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None or ctx.resilient_parsing:
        return value
    # imported late: most commands name their port
    from hanboot.cli.discovery import only_board

    found = only_board()
    ctx.meta[FOUND] = True
    return found


def was_found(ctx: click.Context) -> bool:
    """Whether no port was named, and the only board's was taken."""
    return bool(ctx.meta.get(FOUND))


_REGISTRY_HELP = "An SQLAlchemy URL, or the path of an SQLite file."


def registry_option(command: _Command) -> _Command:
    """--registry of commands that need one, as `url`."""
    return click.option(
        "--registry",
        "url",
        envvar="HANBOOT_REGISTRY",
        default=lambda: configured("registry") or DEFAULT_URL,
        show_default=DEFAULT_URL,
        metavar="URL",
        help=_REGISTRY_HELP,
    )(command)


def any_registry_option(command: _Command) -> _Command:
    """--registry of commands that can do without, as `registry`: None if none is named."""
    return option("registry", metavar="URL", help=_REGISTRY_HELP)(command)


passphrase_option = option(
    "passphrase_file",
    type=click.Path(path_type=Path),
    help="File with the passphrase of an encrypted key; else you are asked for it.",
)


def passphrase_asker(file: Path | None) -> AskPassphrase:
    """Finds the passphrase in a file, or asks for it where a person is; never in the arguments."""

    def ask(key: Path) -> bytes:
        if file:
            lines = files.read(file, files.TEXT_MAX_BYTES).splitlines()
            if not lines or not lines[0]:
                raise BadFile(
                    f"no passphrase for {key}",
                    f"the first line of {file} is empty",
                    "write the passphrase there",
                )
            return lines[0]
        if not sys.stdin.isatty():
            # imported late: cryptography takes as long as everything else together
            from hanboot.trust.keys import no_passphrase

            return no_passphrase(key)
        text: str = click.prompt(f"Passphrase of {key}", hide_input=True, err=True)
        return text.encode()

    return ask
