"""The command `hanboot`."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from hanboot.errors import HanbootError, WrongUsage

#: Where each command is; imported when it is called, so that none waits for another's imports.
COMMANDS = {
    "keys": "hanboot.cli.keys:keys",
    "image": "hanboot.cli.image:image",
    "board": "hanboot.cli.board:board",
    "status": "hanboot.cli.device:status",
    "upload": "hanboot.cli.device:upload",
    "activate": "hanboot.cli.device:activate",
    "confirm": "hanboot.cli.device:confirm",
    "verdict": "hanboot.cli.device:verdict",
    "history": "hanboot.cli.device:history",
    "reset": "hanboot.cli.device:reset",
    "upgrade": "hanboot.cli.upgrade:upgrade",
    "matrix": "hanboot.cli.matrix:matrix",
    "registry": "hanboot.cli.registry:registry",
    "distribute": "hanboot.cli.distribute:distribute",
    "inventory": "hanboot.cli.inventory:inventory",
    "deliver": "hanboot.cli.deliver:deliver",
    "gbcs": "hanboot.cli.gbcs:gbcs",
    "duis": "hanboot.cli.duis:duis",
    "smki": "hanboot.cli.smki:smki",
}

#: Stopped by Ctrl-C, as shells count it.
EXIT_INTERRUPTED = 130
#: A fault of hanboot itself, EX_SOFTWARE of sysexits.h.
EXIT_FAULT = 70


class Commands(click.Group):
    """Finds commands in `COMMANDS`; tells errors in three lines and gives their exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        extra["standalone_mode"] = False
        debug = "--debug" in (sys.argv[1:] if args is None else args)
        try:
            code = super().main(args, prog_name, **extra)
        except HanbootError as error:
            if debug:
                raise
            sys.exit(_tell(*error.lines, error.exit_code))
        except click.UsageError as error:
            sys.exit(_tell_usage(error))
        except click.ClickException as error:
            sys.exit(_tell(error.format_message(), error.exit_code))
        except (click.Abort, KeyboardInterrupt):
            sys.exit(_tell("stopped", EXIT_INTERRUPTED))
        except Exception as error:
            if debug:
                raise
            sys.exit(_tell_fault(error))
        # what a command returns is no exit code; ctx.exit() is
        sys.exit(code if isinstance(code, int) else 0)


def _tell(what: str, *rest: Any) -> int:
    *lines, code = rest
    click.secho(what, fg="red", bold=True, err=True)
    for line in lines:
        click.echo(f"  {line}", err=True)
    assert isinstance(code, int)
    return code


# click 8.1 shows the help by itself
_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())


def _tell_usage(error: click.UsageError) -> int:
    if isinstance(error, _NO_ARGUMENTS):
        click.echo(error.format_message(), err=True)
        return WrongUsage.exit_code
    command = error.ctx.command_path if error.ctx else "hanboot"
    usage = error.ctx.get_usage().replace("Usage: ", "usage: ", 1) if error.ctx else ""
    message = error.format_message().rstrip(".")
    return _tell(
        f"{command}: {message[:1].lower()}{message[1:]}",
        " ".join(usage.split()),
        f"{command} --help tells more",
        WrongUsage.exit_code,
    )


def _tell_fault(error: Exception) -> int:
    text = " ".join(str(error).split())
    return _tell(
        "hanboot itself failed",
        f"{type(error).__name__}{f': {text}' if text else ''}",
        "run hanboot --debug with the same arguments, and report what it prints",
        EXIT_FAULT,
    )


class _ToStderr(logging.Handler):
    """Log records as one line each, beside whatever is on stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        click.echo(click.style(f"{level}: ", fg="yellow") + record.getMessage(), err=True)


def _log_to_stderr(debug: bool) -> None:
    log = logging.getLogger("hanboot")
    log.handlers = [_ToStderr()]
    log.propagate = False
    log.setLevel(logging.DEBUG if debug else logging.INFO)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="hanboot", prog_name="hanboot")
def main(debug: bool) -> None:
    """Build, sign and check GBCS firmware images, and bring them to a device.

    Options can be set in the environment (HANBOOT_PORT for --port) and in hanboot.toml; what is
    said on the command line goes first.

    \b
    Exit codes: 0 done; 1 refused, or a verification failed; 2 usage; 3 no device;
    4 the link broke; 5 bad file.
    """
    _log_to_stderr(debug)
