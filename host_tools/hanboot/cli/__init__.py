"""The command `hanboot`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from hanboot import terminal
from hanboot.cli.commands import COMMANDS, GROUPS, LINES
from hanboot.cli.failures import EXIT_FAULT, EXIT_INTERRUPTED, report
from hanboot.cli.output import Out

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "EXIT_FAULT", "EXIT_INTERRUPTED", "main"]


class Commands(click.Group):
    """Finds commands in `COMMANDS`; says what failed and ends with its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from the table: no command is imported for it."""
        # imported late: only a shell that completes asks
        from click.shell_completion import CompletionItem

        found = [CompletionItem(n, help=LINES[n]) for n in COMMANDS if n.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In groups, from the table: no command is imported for it."""
        for title, names, example in GROUPS:
            with formatter.section(title):
                formatter.write_dl([(name, LINES[name]) for name in names])
                formatter.write_paragraph()
                formatter.write_text(f"Example: {example}")

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        extra["standalone_mode"] = False
        given = sys.argv[1:] if args is None else list(args)
        Out.has_document = False
        try:
            code = super().main(args, prog_name or "hanboot", **extra)
            # what a command returns is no exit code; ctx.exit() is
            code = code if isinstance(code, int) else 0
        except (Exception, KeyboardInterrupt) as error:
            if "--debug" in given and not isinstance(error, click.ClickException | click.Abort):
                raise
            code = report(error, "--json" in given)
        terminal.settle()
        sys.exit(code)


def _log_to(verbose: bool, debug: bool, log_file: str | None) -> None:
    # imported late: half of the commands log nothing
    from hanboot.cli import logs

    logs.configure(verbose or debug, log_file)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is sent and received.")
@click.option("--log-file", metavar="FILE", help="Add to FILE what -v says, with the time.")
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="hanboot", prog_name="hanboot")
def main(verbose: bool, log_file: str | None, debug: bool) -> None:
    """Build, sign and check GBCS firmware images, and bring them to a device.

    Options can be set in the environment (HANBOOT_PORT for --port) and in hanboot.toml; what is
    said on the command line goes first.

    Exit codes: 0 done; 1 refused, or a verification failed; 2 usage; 3 no device;
    4 the link broke; 5 bad file.
    """
    _log_to(verbose, debug, log_file)
