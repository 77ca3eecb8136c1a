"""`hanboot` in this process, as a process of its own, and as the supervisor of a board."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from rig import wait_for

from hanboot import cli
from hanboot.device.client import Device
from hanboot.image.ota_file import Image
from hanboot.link.virtual import PREFIX


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> list[str]:
        """The last three lines of stderr: what, why, what to do."""
        return [line.strip() for line in self.err.splitlines()[-3:]]


def hanboot(*arguments: object) -> Ran:
    """Runs a command in this process, through click's entry."""
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    return _ran(result.exit_code, result.stdout, result.stderr)


def command(*arguments: object) -> list[str]:
    """A command as a process of its own, as from a terminal: Ctrl-C reaches it, even where tests
    run in the background of a shell that has them ignore it."""
    entry = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from hanboot.cli import main; main()"
    )
    return [sys.executable, "-c", entry, *(str(argument) for argument in arguments)]


def run(*arguments: object) -> Ran:
    """Runs a command as a process of its own."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    return _ran(done.returncode, done.stdout, done.stderr)


def _ran(code: int, out: str, err: str) -> Ran:
    assert "Traceback" not in err, err
    # an internal error
    assert code != cli.EXIT_FAULT, err
    return Ran(code, out, err)


def assert_error(ran: Ran, code: int, *holds: str) -> None:
    """One error in three lines, and nothing on stdout but, with --json, the same as a document."""
    assert ran.code == code, ran.err
    if ran.out:
        assert ran.document["error"].keys() == {"what", "why", "remedy", "exit_code"}
        assert ran.document["error"]["exit_code"] == code
    lines = [line for line in ran.err.splitlines() if line.strip()]
    assert len(lines) >= 3, ran.err
    for text in holds:
        assert text in ran.err


class RunningBoard:
    """`hanboot board run virtual` as a process, as a person starts it.

    Attributes:
        port: of its console.
        lines: what it printed after the port.
    """

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command("board", "run", "virtual", "--state", state, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = self.process.stdout.readline().strip()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def __enter__(self) -> RunningBoard:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def children(self) -> list[int]:
        """Process numbers of what it started."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for listed in threads for child in listed.read_text().split()]

    def await_line(self, holds: str) -> str:
        return wait_for(lambda: next((t for t in self.lines if holds in t), ""), f"{holds!r}")

    def await_received(self, percent: int) -> None:
        """Waits until the display tells that so much of an image has arrived."""

        def shown() -> bool:
            received = [line.split()[2] for line in self.lines if line.endswith("% received")]
            return bool(received) and int(received[-1]) >= percent

        wait_for(shown, f"{percent} % received")

    def _device(self) -> Device:
        # by its folder: what its port leads to is waited for by its process's time
        return Device(f"{PREFIX}{self.state}")

    def await_confirmed(self, image: Image) -> None:
        """Waits until the device runs `image`, confirmed by its own self-test."""
        with self._device() as device:
            running = device.wait_outcome(image.image_hash).running
        assert running is not None
        assert running.state == "confirmed"

    def last_reason(self) -> int:
        """Reason of the last verdict."""
        with self._device() as device:
            verdict = device.verdict()
        assert verdict is not None
        return verdict.reason
