"""`hanboot console`: type lines at a device, and see what it writes and displays."""

from __future__ import annotations

import queue
import sys
import threading

import click

from hanboot import terminal
from hanboot.cli.connection import connect
from hanboot.cli.settings import port_option

_LISTEN_S = 0.1
_PING_S = 1.0


@click.command()
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Seconds to listen on once standard input has ended.",
)
@port_option
def console(seconds: float, port: str) -> None:
    """Type lines at the device, and see what it writes and displays.

    Each line goes to the application; Ctrl-D, or Ctrl-C, leaves. Lines can come from a pipe:
    echo balance | hanboot console.
    """
    typed: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            typed.put(line.rstrip("\n"))
        typed.put(None)

    with connect(port, terminal.echo) as device:
        device.identity()
        if sys.stdin.isatty():
            terminal.echo(f"{port}: Ctrl-D leaves", err=True)
        threading.Thread(target=read, daemon=True).start()
        while True:
            device.listen(_LISTEN_S)
            try:
                line = typed.get_nowait()
            except queue.Empty:
                continue
            if line is None:
                device.listen(seconds)
                return
            device.type_line(line)
