"""How a command that failed says so: three lines on stderr, one document with --json, one code."""

from __future__ import annotations

import difflib
import traceback

import click

from hanboot import terminal
from hanboot.cli.output import Out, print_document
from hanboot.errors import HanbootError, WrongUsage

#: Stopped by Ctrl-C, as shells count it.
EXIT_INTERRUPTED = 130
#: An internal error, EX_SOFTWARE of sysexits.h.
EXIT_FAULT = 70

# click 8.1 shows the help by itself
_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())


def report(error: BaseException, as_json: bool) -> int:
    """Says what went wrong; the exit code.

    Args:
        error: what a command ended with.
        as_json: whether a program reads standard output.
    """
    if isinstance(error, _NO_ARGUMENTS):
        terminal.echo(error.format_message(), err=True)
        return WrongUsage.exit_code
    lines, code = _lines_of(error)
    what, *rest = lines
    terminal.echo(what, err=True, fg="red", bold=True)
    for line in rest:
        terminal.echo(f"  {line}", err=True)
    if as_json and not Out.has_document:
        print_document({"error": _as_json(lines, code)})
    return code


def _as_json(lines: tuple[str, ...], code: int) -> dict[str, object]:
    what, why, remedy = (*lines, "", "")[:3]
    return {"what": what, "why": why or None, "remedy": remedy or None, "exit_code": code}


def _lines_of(error: BaseException) -> tuple[tuple[str, ...], int]:
    if isinstance(error, HanbootError):
        return error.lines, error.exit_code
    if isinstance(error, click.UsageError):
        return _usage_lines(error), WrongUsage.exit_code
    if isinstance(error, click.ClickException):
        return (error.format_message(),), error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return ("stopped",), EXIT_INTERRUPTED
    if isinstance(error, ModuleNotFoundError):
        return _missing(error), WrongUsage.exit_code
    text = " ".join(str(error).split())
    return (
        "internal error",
        f"{type(error).__name__}{f': {text}' if text else ''}",
        "run hanboot --debug with the same arguments, and report what it prints",
    ), EXIT_FAULT


def _usage_lines(error: click.UsageError) -> tuple[str, ...]:
    command = error.ctx.command_path if error.ctx else "hanboot"
    usage = error.ctx.get_usage().replace("Usage: ", "usage: ", 1) if error.ctx else ""
    message = " ".join(error.format_message().partition(" Did you mean")[0].split()).rstrip(".")
    near = _near(error)
    return (
        f"{command}: {message[:1].lower()}{message[1:]}",
        " ".join(usage.split()),
        f"did you mean {' or '.join(near)}?" if near else f"{command} --help tells more",
    )


def _near(error: click.UsageError) -> list[str]:
    """Commands like the one that is not there."""
    ctx = error.ctx
    if (
        ctx is None
        or not isinstance(ctx.command, click.Group)
        or "No such command" not in str(error)
    ):
        return []
    typed = error.format_message().partition("'")[2].partition("'")[0]
    near = difflib.get_close_matches(typed, ctx.command.list_commands(ctx), 2)
    return [f"{ctx.command_path} {name}" for name in near]


# packages of the extras in pyproject.toml
_EXTRAS = {
    **dict.fromkeys(("alembic", "networkx", "openpyxl", "sqlalchemy"), "registry"),
    **dict.fromkeys(("cheroot", "lxml"), "chain"),
    **dict.fromkeys(("argon2", "django", "fsspec", "pyotp", "segno"), "library"),
    "rp2040py": "emulator",
}

# what these packages of hanboot import takes an extra that has the registry's as well
_EXTRAS_OF = {
    "hanboot.library": "library",
    "hanboot.cli.library": "library",
    "hanboot.dcc": "chain",
    "hanboot.cli.dcc": "chain",
}

# of Python itself, where a board can run as a process
_POSIX = ("fcntl", "pty", "termios", "tty")


def _missing(error: ModuleNotFoundError) -> tuple[str, ...]:
    package = (error.name or "").partition(".")[0]
    if package in _POSIX:
        return (
            "this system runs no virtual board",
            f"its Python has no {package}; Linux and macOS have it",
            "use a real board at a serial port, or the Windows Subsystem for Linux",
        )
    if package not in _EXTRAS:
        return (
            "hanboot is not installed whole",
            f"the module {error.name} is missing",
            "pip install --force-reinstall hanboot",
        )
    extra = _extra_of(error) or _EXTRAS[package]
    return (
        f"this command needs hanboot[{extra}]",
        f"the package {package} is not installed",
        f"pip install 'hanboot[{extra}]'",
    )


def _extra_of(error: ModuleNotFoundError) -> str | None:
    """The extra of the command that an import failed for, where that has one of its own."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        for name, extra in _EXTRAS_OF.items():
            if module == name or module.startswith((f"{name}.", f"{name}_")):
                return extra
    return None
