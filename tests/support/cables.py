"""Cables from a board's console to a client, that can be pulled, slow or bad."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hanboot.boards.process import PORT_FILE


class Cable:
    """A cable from a board's console to somewhere, that can be pulled.

    Args:
        state: the board's state folder, which names its console. A console that goes away, as USB's
            does at a reset, is opened again once it is back.
        cut_after: octets to the board after which somebody pulls it.
        spoil: what becomes of octets on their way to the board (True) and from it (False).
        pace_s: how long every piece takes.
    """

    def __init__(
        self,
        state: Path,
        cut_after: int | None = None,
        spoil: Callable[[bytes, bool], bytes] = lambda octets, to_board: octets,
        pace_s: float = 0.0,
    ) -> None:
        self._state = state
        self._board = self._open_board()
        self._left = cut_after
        self._spoil = spoil
        self._pace_s = pace_s
        self._near = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _open_board(self) -> int:
        port = (self._state / PORT_FILE).read_text().strip()
        board = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(board)
        return board

    def _follow_board(self) -> None:
        """Waits until the console is back; nothing is lost at the near end meanwhile."""
        os.close(self._board)
        self._board = -1
        while not self._stop.is_set():
            # termios.error: it is gone again already
            with contextlib.suppress(OSError, termios.error):
                self._board = self._open_board()
                return
            self._stop.wait(0.01)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stop.is_set() and self._accept():
                self._carry()

    def _carry(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._near, self._board], [], [], 0.05)
            for descriptor in ready:
                to_board = descriptor == self._near
                octets = self._read(descriptor)
                self._stop.wait(self._pace_s)
                if not octets and not to_board:
                    self._follow_board()
                    break
                if not self._passes(octets, to_board):
                    self._stop.set()
                if self._stop.is_set() or not octets:
                    self._pull()
                    return
                octets = self._spoil(octets, to_board)
                if octets and not to_board:
                    os.write(self._near, octets)
                elif octets:
                    # what is sent to a board that is away gets lost
                    with contextlib.suppress(OSError):
                        os.write(self._board, octets)

    def _read(self, descriptor: int) -> bytes:
        """What has come; nothing from an end that is gone."""
        with contextlib.suppress(OSError):
            return os.read(descriptor, 4096)
        return b""

    def _passes(self, octets: bytes, to_board: bool) -> bool:
        if self._left is None or not to_board:
            return True
        self._left -= len(octets)
        return self._left > 0

    def _accept(self) -> bool:
        """Waits for somebody at the near end; False if nobody can come."""
        return self._near >= 0

    def _pull(self) -> None:
        """The near end is gone."""
        os.close(self._near)
        self._near = -1

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._board >= 0:
            os.close(self._board)
        if self._near >= 0:
            self._pull()


class SerialCable(Cable):
    """To another pseudo terminal. Pulled, it is gone, as a USB port is."""

    def __init__(self, state: Path, **options: Any) -> None:
        super().__init__(state, **options)
        self._near, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread.start()

    def close(self) -> None:
        super().close()
        os.close(self._slave)


class TcpCable(Cable):
    """To a TCP port, for one connection after the other."""

    def __init__(self, state: Path, **options: Any) -> None:
        super().__init__(state, **options)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread.start()

    def _accept(self) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.setblocking(True)
                self._near = connection.detach()
                return True
        return False

    def close(self) -> None:
        super().close()
        self._listener.close()


@contextlib.contextmanager
def cable(kind: type[Cable], state: Path, **options: Any) -> Iterator[Any]:
    made = kind(state, **options)
    try:
        yield made
    finally:
        made.close()
