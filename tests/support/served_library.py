"""`hanboot library serve --demo` as a process of its own, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
from command_line import command
from rig import wait_for


@dataclass(frozen=True)
class DemoAccount:
    """A user as `--demo` prints it."""

    email: str
    password: str
    totp_secret: str
    token: str
    party: str

    def code(self) -> str:
        """The second factor of now; each counts once."""
        return pyotp.TOTP(self.totp_secret).now()


class ServedLibrary:
    """A running server with the sample data.

    Attributes:
        url: with the slash at its end.
        folder: database, key and images.
        to_submit: images that a manufacturer could submit.
        accounts: by name.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="hanboot-test-")
        self._log = (Path(self._temporary.name) / "log").open("w+")
        self._process = subprocess.Popen(
            command("library", "serve", "--demo", "--listen", "127.0.0.1:0"),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "TMPDIR": self._temporary.name},
        )
        try:
            shown = self._printed()
            self.url = self._announced()
        except BaseException:
            self.close()
            raise
        self.folder = Path(shown["folder"])
        self.to_submit = Path(shown["to_submit"])
        self.accounts = {
            user["name"]: DemoAccount(
                user["email"], user["password"], user["totp_secret"], user["token"], user["party"]
            )
            for user in shown["users"]
        }

    def _printed(self) -> dict[str, Any]:
        """The JSON document on stdout, which the server leaves open."""
        assert self._process.stdout
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            if line == "}\n":
                document: dict[str, Any] = json.loads("".join(lines))
                return document
        raise AssertionError(f"the server ended: {self.log()}")

    def _announced(self) -> str:
        """The line on stderr that follows it."""

        def lines() -> list[str]:
            assert self._process.poll() is None, f"the server ended: {self.log()}"
            return [line for line in self.log().splitlines() if line.startswith("serving ")]

        return wait_for(lines, "the address", 60.0)[0].removeprefix("serving ")

    def log(self) -> str:
        """What it wrote to stderr until now."""
        return Path(self._log.name).read_text()

    def kill(self) -> None:
        """Ends it without any chance to save anything."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._log.close()
        self._temporary.cleanup()
