"""Where a service listens: this machine alone, or with TLS, or behind a proxy that has it."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from hanboot.errors import BadFile, WrongUsage
from hanboot.http.address import is_local

_log = logging.getLogger(__name__)

_THREADS = 8
_TIMEOUT_S = 30
#: Of one request, from its first octet to the last of its answer. The time-out above is of each
#: octet: a client that sends one every few seconds would hold a thread for days.
_REQUEST_MAX_S = 120.0
_HEADER_MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class Listen:
    """Where to listen, and how it is protected.

    Attributes:
        host, port: port 0 takes a free one.
        certificate, key: PEM files for TLS.
        behind_proxy: whether a proxy before it has TLS.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def is_https(self) -> bool:
        """Whether what clients send is encrypted on its way."""
        return self.certificate is not None or self.behind_proxy

    def check(self) -> None:
        """Refuses to be read along.

        Raises:
            WrongUsage: others could read along.
        """
        if self.is_https or is_local(self.host):
            return
        raise WrongUsage(
            f"the service does not listen at {self.host} without TLS",
            "others on the network could read and change what is sent",
            "give --tls-certificate and --tls-key, or --behind-proxy where a proxy has TLS",
        )


def parse_listen(text: str) -> tuple[str, int]:
    """HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        WrongUsage: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not host:
        raise WrongUsage(
            f"{text} is no address to listen at", "it is not HOST:PORT", "e.g. 127.0.0.1:8079"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


class _HeaderReader(HeaderReader):
    """Refuses a first line that begins as one that continues another does."""

    def __call__(self, rfile: Any, hdict: Any = None) -> Any:
        try:
            return super().__call__(rfile, hdict)
        except UnboundLocalError:
            # cheroot's own, where there is no line before
            raise ValueError("a header line continues none") from None


class _Request(HTTPRequest):
    header_reader = _HeaderReader()


class _Connection(HTTPConnection):
    """A connection that is cut where a request takes too long."""

    RequestHandlerClass = _Request

    def communicate(self) -> Any:
        timer = threading.Timer(_REQUEST_MAX_S, self._cut)
        timer.daemon = True
        timer.start()
        try:
            return super().communicate()  # type: ignore[no-untyped-call]
        finally:
            timer.cancel()

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class _Server(Server):
    ConnectionClass = _Connection

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """One line for each error of a connection."""
        _log.log(level, "a connection failed: %s", " ".join(str(msg).split()))


def open_server(listen: Listen, application: Any, body_max_bytes: int) -> Server:
    """A server that listens; `serve()` answers until `stop()`.

    Args:
        listen: where.
        application: by WSGI (PEP 3333).
        body_max_bytes: a longer body gets 413 before it is read.

    Raises:
        WrongUsage: the address cannot be listened at.
        BadFile: certificate or key cannot be used.
    """
    listen.check()
    server = _Server(
        (listen.host, listen.port),
        application,
        numthreads=_THREADS,
        max=2 * _THREADS,
        timeout=_TIMEOUT_S,
        request_queue_size=64,
    )
    server.max_request_body_size = body_max_bytes
    server.max_request_header_size = _HEADER_MAX_BYTES
    if listen.certificate:
        try:
            server.ssl_adapter = BuiltinSSLAdapter(str(listen.certificate), str(listen.key))
        except (OSError, ValueError) as error:
            raise BadFile(
                f"{listen.certificate} cannot be used for TLS",
                str(error),
                "give a certificate and its private key, both PEM",
            ) from None
    try:
        server.prepare()
    except OSError as error:
        raise WrongUsage(
            f"cannot listen at {listen.host}:{listen.port}",
            str(error),
            "name another address, or stop what listens there",
        ) from None
    return server
