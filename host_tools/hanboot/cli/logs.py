"""Log records: warnings on stderr, and with -v all that goes over the line."""

from __future__ import annotations

import logging

import click

from hanboot import terminal
from hanboot.errors import BadFile


class _ToStderr(logging.Handler):
    """Records as one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        level = click.style(f"{record.levelname.lower()}: ", fg="yellow")
        terminal.write(level + terminal.clean(record.getMessage()), err=True)


class _Clean(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return terminal.clean_lines(super().format(record))


def configure(verbose: bool, log_file: str | None) -> None:
    """Sets up the log of this run.

    Args:
        verbose: whether stderr gets more than warnings.
        log_file: added to, with all records and their time.

    Raises:
        BadFile: the file cannot be written.
    """
    log = logging.getLogger("hanboot")
    for handler in log.handlers:
        handler.close()
    stderr = _ToStderr(logging.DEBUG if verbose else logging.INFO)
    log.handlers = [stderr]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose or log_file else logging.INFO)
    if log_file:
        try:
            handler = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise BadFile(
                f"cannot write {log_file}",
                (error.strerror or str(error)).lower(),
                "give a file in a folder that is yours to write to",
            ) from None
        handler.setFormatter(_Clean("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
