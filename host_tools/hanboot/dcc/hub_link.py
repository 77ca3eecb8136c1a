"""A running hub, reached by its control socket."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from hanboot.hub import control
from hanboot.image.ota_file import Layout
from hanboot.trust.smki.certificate import eui_text, parse_eui


class SocketHub:
    """The hub of `hanboot hub run` whose control socket is at `path`."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def offer(self, device_id: str, image: bytes, layout: Layout, once: str) -> str:
        found = control.call(
            self._path,
            {
                "command": "offer",
                "to": [device_id],
                "octets": base64.b64encode(image).decode(),
                "layout": layout,
                # a hub lets a PPMID activate at once, and others wait for CS06
                "activate_in_s": None if layout == "signed" else 0,
                "jitter": None,
                "once": once,
            },
        )
        with control.understood(self._path):
            return eui_text(parse_eui(found["hub"]))

    def send(self, device_id: str, command: bytes, once: str) -> None:
        control.call(
            self._path,
            {"command": "send", "to": [device_id], "message": command.hex(), "once": once},
        )

    def messages(self) -> list[bytes]:
        heard = control.call(self._path, {"command": "messages"})
        with control.understood(self._path):
            return [bytes.fromhex(one["message"]) for one in heard]

    def versions(self) -> dict[str, int]:
        found = control.call(self._path, {"command": "status"})
        with control.understood(self._path):
            return {
                eui_text(parse_eui(one["device"])): _version(one["file_version"])
                for one in found["devices"]
                if one["file_version"] is not None
            }


def _version(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError
    return value
