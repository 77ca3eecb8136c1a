"""The control socket of a running hub: one JSON request, one JSON answer, a connection each.

It is a Unix socket with mode 0600: what may write to it may offer firmware to the devices.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hanboot.errors import CheckFailed, HanbootError, LinkError, NoDevice

#: An image of 10 MB in base64, and what stands around it.
_REQUEST_MAX_BYTES = 16 * 1024 * 1024
_TIMEOUT_S = 30.0
_ACCEPT_S = 0.2

Request = dict[str, Any]
Handler = Callable[[Request], Any]


def default_path() -> Path:
    """Where a hub of this user listens, unless another place is named."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "hanboot-hub.sock" if runtime else Path.home() / ".hanboot" / "hub.sock"


class ControlServer:
    """Listens at `path` and answers with what `handler` returns.

    Raises:
        CheckFailed: another hub listens there, or the socket cannot be made.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_stale()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # no moment at which others could connect
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        except OSError as error:
            raise CheckFailed(
                f"cannot listen at {path}", str(error), "name another place: --socket"
            ) from None
        finally:
            os.umask(before)
        self._socket.listen(8)
        self._socket.settimeout(_ACCEPT_S)

    def _remove_stale(self) -> None:
        if not self._path.exists():
            return
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
            try:
                probe.connect(str(self._path))
            except OSError:
                # no answer: what a hub left that was killed
                if self._path.is_socket():
                    self._path.unlink()
                return
        raise CheckFailed(
            f"a hub runs already at {self._path}",
            "two hubs would take each other's commands",
            "stop it, or name another place: --socket",
        )

    def run(self, stop: threading.Event) -> None:
        """Answers until `stop`."""
        while not stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                connection.settimeout(_TIMEOUT_S)
                with contextlib.suppress(OSError):
                    connection.sendall(self._answer(connection))

    def _answer(self, connection: socket.socket) -> bytes:
        try:
            request = json.loads(_read_all(connection))
            if not isinstance(request, dict):
                raise ValueError("not a JSON object")
            answer: dict[str, Any] = {"result": self._handler(request)}
        except HanbootError as error:
            answer = {"error": {"lines": error.lines, "exit_code": error.exit_code}}
        except (ValueError, LookupError, TypeError) as error:
            lines = ("the hub cannot read the request", repr(error), "use hanboot of its version")
            answer = {"error": {"lines": lines, "exit_code": LinkError.exit_code}}
        return json.dumps(answer).encode()

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


def call(path: Path, request: Request) -> Any:
    """Asks the hub that listens at `path`.

    Raises:
        NoDevice: none does.
        HanbootError: its error, as it reported it.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            octets = _read_all(connection)
    except (OSError, ValueError) as error:
        raise NoDevice(
            f"no hub answers at {path}",
            str(error) or type(error).__name__,
            "start one: hanboot hub run --port PORT",
        ) from None
    with understood(path):
        answer = json.loads(octets)
        reported = _error_in(answer)
        if reported is None:
            return answer["result"]
    raise reported


@contextlib.contextmanager
def understood(path: Path) -> Iterator[None]:
    """Reads what the hub at `path` answered.

    Raises:
        NoDevice: it is not what a hub answers.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise NoDevice(
            f"what answers at {path} is no hub",
            f"its answer cannot be read: {type(error).__name__}",
            "start one of this version there: hanboot hub run --port PORT",
        ) from None


def _error_in(answer: Any) -> HanbootError | None:
    if "error" not in answer:
        return None
    what, why, what_to_do = map(str, answer["error"]["lines"])
    reported = HanbootError(what, why, what_to_do)
    reported.exit_code = int(answer["error"]["exit_code"])
    return reported


def _read_all(connection: socket.socket) -> bytes:
    octets = bytearray()
    while piece := connection.recv(65536):
        octets += piece
        if len(octets) > _REQUEST_MAX_BYTES:
            raise ValueError(f"more than {_REQUEST_MAX_BYTES} octets")
    return bytes(octets)
