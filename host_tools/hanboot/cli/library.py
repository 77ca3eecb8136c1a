"""Commands of the Central Firmware Library."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hanboot.cli.settings import registry_option
from hanboot.errors import WrongUsage


@click.group()
def library() -> None:
    """Serve the Central Firmware Library: images, notes and plans in a browser."""


@library.command()
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT")
@registry_option
@click.option(
    "--images",
    metavar="FOLDER",
    help="Folder, or URL of an object store, for the images.  [default: beside the registry]",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="The library's key, made if it is not there.  [default: beside the registry]",
)
@click.option("--certificate", type=click.Path(path_type=Path), help="TLS certificate chain, PEM.")
@click.option("--key", type=click.Path(path_type=Path), help="TLS private key, PEM.")
@click.option("--behind-proxy", is_flag=True, help="A reverse proxy in front ends TLS.")
@click.option("--name", "names", multiple=True, help="Host name that browsers use; repeatable.")
@click.option("--demo", is_flag=True, help="Sample data in a new folder, on this machine alone.")
def serve(
    listen: str,
    url: str,
    images: str | None,
    key_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    behind_proxy: bool,
    names: tuple[str, ...],
    demo: bool,
) -> None:
    """Serve the library's pages and API.

    \b
    Try it:  hanboot library serve --demo
    """
    from hanboot.library import demo as sample
    from hanboot.library import server

    host, port = server.parse_listen(listen)
    where = server.Listen(
        host=host,
        port=port,
        certificate=certificate,
        key=key,
        behind_proxy=behind_proxy,
        names=names,
    )
    where.check()
    if demo and (behind_proxy or not server.is_loopback(host)):
        raise WrongUsage(
            "the demonstration is not served to other machines",
            "its passwords and tokens are printed",
            "leave --listen at 127.0.0.1, and --behind-proxy away",
        )
    if demo:
        folder = sample.folder()
        url, images, key_file = str(folder / "registry.db"), str(folder / "images"), folder / "key"
    base = Path(url).parent if "://" not in url else Path()
    settings = (url, images or str(base / "images"), key_file or base / "library.key")
    if demo:
        opened = _open(*settings)
        users = [{**vars(user)} for user in sample.fill(opened)]
        opened.registry.database.close()
        click.echo(json.dumps({"folder": str(folder), "users": users}, indent=2))
    server.serve(
        lambda: _open(*settings),
        where,
        lambda address: click.echo(f"serving {address}", err=True),
    )


def _open(url: str, images: str, key_file: Path):  # type: ignore[no-untyped-def]
    from hanboot.library.accounts.secrets import ServerKey
    from hanboot.library.catalogue.images import ImageStore
    from hanboot.library.library import Library
    from hanboot.library.schema import prepare
    from hanboot.registry.storage.database import Database
    from hanboot.registry.storage.store import Registry

    database = Database(url, create=True)
    prepare(database)
    return Library(
        registry=Registry(database),
        key=ServerKey(key_file),
        images=ImageStore(images),
    )
