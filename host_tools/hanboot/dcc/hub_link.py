"""A running hub, reached by its control socket."""

from __future__ import annotations

import base64
import importlib
from pathlib import Path
from typing import Any

from hanboot.errors import NoDevice


class SocketHub:
    """The hub of `hanboot hub run` whose control socket is at `path`."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def offer(self, device_id: str, image: bytes) -> None:
        self._call(
            {
                "command": "offer",
                "to": [device_id],
                "octets": base64.b64encode(image).decode(),
                "layout": None,
                "activate_in_s": 0,
                "jitter": None,
            },
        )

    def send(self, device_id: str, command: bytes) -> None:
        self._call({"command": "send", "to": [device_id], "message": command.hex()})

    def messages(self) -> list[bytes]:
        heard = self._call({"command": "messages"})
        return [bytes.fromhex(one["message"]) for one in heard]

    def _call(self, request: dict[str, Any]) -> Any:
        # imported late: the service can run where there are no hubs
        try:
            control = importlib.import_module("hanboot.hub.control")
        except ImportError:
            raise NoDevice(
                f"no hub answers at {self._path}",
                "this hanboot has no hub",
                "install one that has",
            ) from None
        return control.call(self._path, request)
