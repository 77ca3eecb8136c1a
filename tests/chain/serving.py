"""The service and the supplier's inbox as processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import tempfile
from urllib.parse import urlsplit

from command_line import command
from rig import wait_for


class Process:
    """A command that prints the address it listens at, and goes on."""

    def __init__(self, *arguments: object) -> None:
        # a pipe that is not read would stop the process once it is full
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            command(*arguments), stdout=subprocess.PIPE, stderr=self._err, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), self.stop()

    def kill(self) -> None:
        self.process.kill()
        self.stop()

    def stop(self) -> str:
        """Ends it as Ctrl-C does; returns what stood on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        # once: what was killed within `serving` is stopped again at its end
        if not self._err.closed:
            self.process.communicate()
            self._err.seek(0)
            self._text = self._err.read()
            self._err.close()
        return self._text


@contextlib.contextmanager
def serving(dsp, *more):
    process = Process(
        *("dcc", "serve", "--registry", dsp.url, "--keys", dsp.pki, "--listen", "127.0.0.1:0"),
        *more,
    )
    try:
        yield process
    finally:
        err = process.stop()
        # a fault of the service's own is one line, too
        assert "Traceback" not in err, err
        assert "error: " not in err, err


def until(check, what):
    wait_for(check, what, 60.0, look_s=0.05)


def post(url, path, octets, kind="application/xml"):
    """Sends a document to a running service; status and body of the answer."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname, parts.port)
    try:
        line.request("POST", path, octets, {"Content-Type": kind})
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()
