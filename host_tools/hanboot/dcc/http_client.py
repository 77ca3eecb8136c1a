"""Documents sent by HTTP: to a party's recorded address, or by `dcc submit` to the service.

No redirects are followed, no proxy of the environment is asked, and nothing waits for ever.
"""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

CONTENT_TYPE = "application/xml"
#: Of the whole exchange there are three: connecting, sending, reading.
TIMEOUT_S = 10.0
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
    parts = urlsplit(url)
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    except (ValueError, OSError) as error:
        raise Undelivered(f"{url}: {error}") from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, octets, {"Content-Type": CONTENT_TYPE, **(headers or {})})
        answer = connection.getresponse()
        body = answer.read(_ANSWER_MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Undelivered(f"{url}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        raise Undelivered(f"{url} answers {answer.status} {answer.reason}: {text}")
    if len(body) > _ANSWER_MAX_BYTES:
        raise Undelivered(f"{url} answers with more than {_ANSWER_MAX_BYTES} octets")
    return body


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    raise ValueError(f"{scheme or 'no scheme'} is neither http nor https")
