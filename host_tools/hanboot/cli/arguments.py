"""Arguments that the commands about image files share."""

from __future__ import annotations

from pathlib import Path

import click

from hanboot.image import Image


class FilePath(click.Path):
    """A file; whether it can be read is for the library to say, with exit code 5."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


file_argument = click.argument("file", type=FilePath())

layout_option = click.option(
    "--layout",
    type=click.Choice(["signed", "unsigned"]),
    help="How an image that is not ours ends, where the guess is wrong.",
)


def note_assumption(image: Image) -> None:
    """Says on stderr what was assumed of an image that is not ours."""
    if image.assumption:
        click.echo(f"note: {image.assumption}", err=True)
