"""Documents sent by HTTP: to a party's recorded address, or by `dcc submit` to the service.

No redirects are followed, no proxy of the environment is asked, and nothing waits for ever.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

CONTENT_TYPE = "application/xml"
#: Of one step: connecting, or waiting for the next octets.
TIMEOUT_S = 10.0
#: Of all steps, once connected: a side that sends an octet now and then is in time with each.
EXCHANGE_S = 30.0
_ANSWER_MAX_BYTES = 2_000_000


class Undelivered(Exception):
    """A document did not arrive. The text is the cause."""


def post(url: str, octets: bytes, headers: dict[str, str] | None = None) -> bytes:
    """Sends a document; returns the body of the answer.

    Args:
        url: http or https.
        octets: the document.
        headers: that go with it.

    Raises:
        Undelivered: the other side does not answer, or not with success.
    """
    try:
        parts = urlsplit(url)
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with contextlib.closing(connection):
            connection.connect()
            with _cut_after(connection.sock, EXCHANGE_S):
                kind = {"Content-Type": CONTENT_TYPE}
                connection.request("POST", path, octets, kind | (headers or {}))
                answer = connection.getresponse()
                body = answer.read(_ANSWER_MAX_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # ValueError: what is no URL, or a name that no host can have
        raise Undelivered(f"{url}: {error or type(error).__name__}") from None
    if not 200 <= answer.status < 300:
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        raise Undelivered(f"{url} answers {answer.status} {answer.reason}: {text}")
    if len(body) > _ANSWER_MAX_BYTES:
        raise Undelivered(f"{url} answers with more than {_ANSWER_MAX_BYTES} octets")
    return body


@contextlib.contextmanager
def _cut_after(line: socket.socket, seconds: float) -> Iterator[None]:
    """Ends an exchange that takes longer, whatever it is at.

    Raises:
        TimeoutError: it did.
    """
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError):
        if not is_late.is_set():
            raise
    finally:
        timer.cancel()
    if is_late.is_set():
        raise TimeoutError(f"it took longer than {seconds:g} s")


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    raise ValueError(f"{scheme or 'no scheme'} is neither http nor https")
