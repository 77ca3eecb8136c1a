"""docs/reference/cli.md: every command, option, variable and exit code has its row."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import click
from docs_pages import blocks, section, tables, text_of

from hanboot import cli, errors
from hanboot.cli import completion, settings


def every_command(command: click.Command, ctx: click.Context) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from every_command(found, ctx)


def test_every_variable_and_key_has_its_row():
    rows = tables(section(text_of("cli.md"), "Where options come from"))[0][1:]
    listed = {tuple(cell.strip("`") for cell in row) for row in rows}
    known = {
        (str(p.envvar), p.opts[-1])
        for command in every_command(cli.main, click.Context(cli.main))
        for p in command.params
        if p.envvar
    }
    assert {row[1:] for row in listed} == known
    assert {row[0] for row in listed} - {"none"} == set(settings.NAMES)
    shown = tomllib.loads(blocks(text_of("cli.md"), "toml")[0])
    assert set(shown) <= set(settings.NAMES)


def test_every_exit_code_has_its_row():
    rows = tables(section(text_of("cli.md"), "Exit codes"))[0][1:]
    codes = {kind.exit_code for kind in errors.HanbootError.__subclasses__()}
    assert {int(row[0]) for row in rows} == codes | {0, cli.EXIT_FAULT, cli.EXIT_INTERRUPTED}


def test_options_of_every_command_have_their_row():
    for heading, command, extra in (
        ("Options before the command", cli.main, {"--help", "-h"}),
        ("The device", cli.main.get_command(click.Context(cli.main), "reset"), {"--json"}),
    ):
        rows = tables(section(text_of("cli.md"), heading))[0][1:]
        listed = {name for row in rows for name in re.findall(r"`(--?[a-z-]+)", row[0])}
        assert command is not None
        assert listed == {name for p in command.params for name in p.opts} - extra


def test_completion_is_installed_as_the_command_says():
    rows = tables(section(text_of("cli.md"), "Completion"))[0][1:]
    assert {row[0] for row in rows} == set(completion.SHELLS)
    reported = " ".join((completion.completion.help or "").split())
    for shell, command in rows:
        assert f"{shell}: {command.split('`')[1]}" in reported
