"""Options about certificates and the time at which they count."""

from __future__ import annotations

import datetime

import click

from hanboot.cli.arguments import FilePath

certificates_option = click.option(
    "--certificate",
    "certificates",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Certificate (PEM or DER), trusted as it is. Repeatable.",
)

at_option = click.option(
    "--at-time",
    metavar="DATE",
    help="Time at which certificates must be valid, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ. "
    "Default: now, and an expired one is a warning.",
)

_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S")


def date_argument(text: str | None) -> datetime.datetime | None:
    """The instant that --at-time names, UTC."""
    if text is None:
        return None
    for form in _FORMATS:
        try:
            return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.UTC)
        except ValueError:
            continue
    raise click.BadParameter(
        f"{text!r} is no time like 2025-06-01 or 2025-06-01T12:00:00Z", param_hint="'--at-time'"
    )
