"""Commands of the Central Firmware Library."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import click

from hanboot import terminal
from hanboot.cli.arguments import FilePath
from hanboot.cli.library_get import get, search
from hanboot.cli.library_operation import (
    check,
    images_option,
    invite,
    key_option,
    migrate,
    open_library,
)
from hanboot.cli.library_put import put
from hanboot.cli.settings import registry_option
from hanboot.errors import WrongUsage


@click.group()
def library() -> None:
    """The Central Firmware Library: serve it, search it, get and put firmware."""


library.add_command(search)
library.add_command(get)
library.add_command(put)
library.add_command(check)
library.add_command(invite)
library.add_command(migrate)


@library.command()
@click.option(
    "--listen", "address", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT"
)
@registry_option
@images_option
@key_option
@click.option("--tls-certificate", type=FilePath(), help="PEM; needed beyond this machine ...")
@click.option("--tls-key", type=FilePath(), help="... with its private key.")
@click.option("--behind-proxy", is_flag=True, help="A proxy before it has TLS.")
@click.option("--name", "names", multiple=True, help="Host name that browsers use; repeatable.")
@click.option("--demo", is_flag=True, help="Sample data in a new folder, for this machine alone.")
def serve(
    address: str,
    url: str,
    images: str | None,
    key_file: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    behind_proxy: bool,
    names: tuple[str, ...],
    demo: bool,
) -> None:
    """Serve the library's pages until stopped.

    With --demo, users with their passwords, second-factor secrets and tokens are printed as JSON.
    """
    from hanboot.http import listen as http
    from hanboot.http.address import is_local
    from hanboot.library import demo as sample
    from hanboot.library import demo_firmware, server

    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate requires --tls-key, and the other way round")
    host, port = http.parse_listen(address)
    listen = http.Listen(host, port, tls_certificate, tls_key, behind_proxy)
    listen.check()
    if demo and (behind_proxy or not is_local(host)):
        raise WrongUsage(
            "the sample library is not served to other machines",
            "its passwords and tokens are printed",
            "leave --listen at 127.0.0.1, and --behind-proxy away",
        )
    if demo:
        folder = Path(tempfile.mkdtemp(prefix="hanboot-library-"))
        url, images, key_file = str(folder / "registry.db"), None, None
    opened = open_library(url, images, key_file)
    if demo:
        users = [user.as_json() for user in sample.fill(opened)]
        to_submit = demo_firmware.fill(opened, folder)
        shown = {"folder": str(folder), "to_submit": str(to_submit), "users": users}
        terminal.echo(json.dumps(shown, indent=2))
    with contextlib.suppress(KeyboardInterrupt):
        server.serve(opened, listen, names, lambda text: terminal.echo(f"serving {text}", err=True))
