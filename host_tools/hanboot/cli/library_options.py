"""What the commands that use a library have in common: where it is, the token, the notes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hanboot.cli.arguments import FilePath
from hanboot.cli.output import Out
from hanboot.cli.settings import option
from hanboot.errors import WrongUsage

if TYPE_CHECKING:
    from hanboot.library.client.remote import Remote, RemoteEntry
    from hanboot.trust.keys import PublicKey

_Command = TypeVar("_Command", bound=Callable[..., Any])

_HEADINGS = {
    "release_notes": "release notes",
    "known_defects": "known defects",
    "procedure": "procedure",
    "vulnerabilities": "vulnerabilities",
}


def library_options(required: bool) -> Callable[[_Command], _Command]:
    """--library, --token-file and --library-ca.

    The command gets the library as `remote`; one that can do without gets `open_remote`, which
    makes it, or None where no library is named.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def connected(
            *given: Any,
            library: str | None,
            token_file: Path | None,
            library_ca: Path | None,
            **more: Any,
        ) -> Any:
            if required:
                assert library is not None
                return command(*given, remote=_remote(library, token_file, library_ca), **more)
            opener = library and functools.partial(_remote, library, token_file, library_ca)
            return command(*given, open_remote=opener or None, **more)

        for each in reversed(
            (
                option(
                    "library",
                    required=required,
                    metavar="URL",
                    help="Central Firmware Library: https, or http on this machine.",
                ),
                option(
                    "token_file",
                    type=FilePath(),
                    help="File with the library's token, readable by its owner alone.",
                ),
                option(
                    "library_ca",
                    type=FilePath(),
                    help="Certificates (PEM) to trust in place of the system's.",
                ),
            )
        ):
            connected = each(connected)
        return connected  # type: ignore[return-value]

    return decorate


def _remote(url: str, token_file: Path | None, authority: Path | None) -> Remote:
    from hanboot.library.client.connection import Connection, read_token
    from hanboot.library.client.remote import Remote

    if token_file is None:
        raise click.MissingParameter(
            param_hint="'--token-file' (or HANBOOT_TOKEN_FILE, or token_file in hanboot.toml)",
            param_type="option",
        )
    return Remote(Connection(url, read_token(token_file), authority))


signature_options = (
    option(
        "manufacturer_public_key",
        type=FilePath(),
        help="Public key (PEM) or certificate that images must be signed by.",
    ),
    click.option(
        "--hash-only",
        is_flag=True,
        help="Leave the manufacturer's signature to the device; the hash is checked all the same.",
    ),
)


def signer(path: Path | None, hash_only: bool) -> PublicKey | None:
    """The key that images must be signed by; None if that is left to the device.

    Raises:
        WrongUsage: neither was said.
    """
    if hash_only:
        return None
    if path is None:
        raise WrongUsage(
            "the manufacturer's signature cannot be checked",
            "no public key was given",
            "give --manufacturer-public-key, or --hash-only to leave it to the device",
        )
    from hanboot.trust import keys

    return keys.load_public(path)


class Notes:
    """Shows what belongs to an entry, and asks whether it was read.

    Args:
        acknowledged: whether the answer was given beforehand; it is shown all the same.
    """

    def __init__(self, out: Out, acknowledged: bool, option_name: str = "--acknowledge") -> None:
        self._out = out
        self._acknowledged = acknowledged
        self._option = option_name

    def __call__(self, entry: RemoteEntry) -> None:
        """Raises Abort if the answer is no, or there is none."""
        note = self._out.note
        note(f"{entry.title}, {entry.device_type} {entry.model} {entry.firmware_version}")
        for name, heading in _HEADINGS.items():
            if text := entry.notes.get(name):
                note(f"  {heading}:")
                for line in text.splitlines():
                    note(f"    {line}")
        if self._acknowledged:
            return
        try:
            is_read = click.confirm("Did you read this, and take it into account?", err=True)
        except click.Abort:
            note(f"\nno answer: {self._option} says beforehand that it was read")
            raise
        if not is_read:
            note("not downloaded")
            raise click.Abort
