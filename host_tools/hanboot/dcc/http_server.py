"""The service's paths as a WSGI application: POST, application/xml, bounded, one document each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hanboot.dcc.service import Service
from hanboot.duis.names import DOCUMENT_MAX_BYTES
from hanboot.errors import HanbootError
from hanboot.registry.storage.database_errors import DatabaseFailed
from hanboot.registry.storage.migration import OtherSchema
from hanboot.trust.signed_cbor import is_signed_cbor

_log = logging.getLogger(__name__)

#: Which command variants each path takes; as a public client of DCC Boxed uses them.
PATHS = {
    "/api/v1/serviceD": (8,),
    "/api/v1/serviceS": (1, 2, 3, 5, 6, 7),
    "/api/v1/serviceT": (4,),
}
#: 11.1 and 11.4 sent here ask for a permit to update locally. DUIS has no such service.
PERMIT_PATH = "/api/v1/permit"
PERMIT_VARIANTS = (8,)
XML = "application/xml"
COSE = "application/cose"
#: For the hash that SECMP0007 has submitted with an image; DUIS has no place for it.
HASH_HEADER = "Manufacturer-Image-Hash"

_LINE_MAX = 300

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Problem(Exception):
    """A request that HTTP alone refuses. status: e.g. "400 Bad Request"."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


class Application:
    """A WSGI application around a service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> list[bytes]:
        try:
            answer = self._answer(environ)
            kind = COSE if is_signed_cbor(answer) else XML
            return respond(start, "200 OK", answer, kind)
        except Problem as problem:
            return respond(start, problem.status, f"{problem}\n".encode())
        except (DatabaseFailed, OtherSchema) as failed:
            # no fault of the request's: it may be sent again as it is
            _log.warning("%s", failed)
            return respond(start, "503 Service Unavailable", b"the service cannot work now\n")
        except HanbootError as error:
            # no document that anyone could be answered to
            return respond(start, "400 Bad Request", one_line(error))
        except Exception:
            _log.exception("a request failed")
            return respond(start, "500 Internal Server Error", b"internal error\n")

    def _answer(self, environ: dict[str, Any]) -> bytes:
        path = environ.get("PATH_INFO", "")
        for_permit = path == PERMIT_PATH
        variants = PERMIT_VARIANTS if for_permit else PATHS.get(path)
        if variants is None:
            raise Problem("404 Not Found", f"the paths are {', '.join((*PATHS, PERMIT_PATH))}")
        octets = read_document(environ)
        stated = environ.get("HTTP_" + HASH_HEADER.upper().replace("-", "_"))
        announced = _hash(stated) if stated else None
        return self._service.answer(octets, announced, variants, for_permit)


def one_line(error: HanbootError) -> bytes:
    """What is wrong, for a client: short, whatever its request has in it."""
    text = " ".join(f"{error.what}: {error.why}".split())
    if len(text) > _LINE_MAX:
        text = f"{text[:_LINE_MAX]}..."
    return f"{text}\n".encode("utf-8", "backslashreplace")


def respond(
    start: StartResponse, status: str, body: bytes, kind: str = "text/plain; charset=utf-8"
) -> list[bytes]:
    """Answers with a body of a kind that no browser guesses at."""
    headers = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
    }
    start(status, list(headers.items()))
    return [body]


def read_document(environ: dict[str, Any]) -> bytes:
    """The document that is POSTed.

    Raises:
        Problem: it is not POSTed, not XML by its type, or too long.
    """
    if environ.get("REQUEST_METHOD") != "POST":
        raise Problem("405 Method Not Allowed", "documents are POSTed")
    kind = environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower()
    if kind != XML:
        raise Problem("415 Unsupported Media Type", f"the content type is {XML}")
    return _body(environ)


def _body(environ: dict[str, Any]) -> bytes:
    # also beside a Content-Length, where a proxy may have read the other of the two
    if environ.get("HTTP_TRANSFER_ENCODING"):
        raise Problem("411 Length Required", "state Content-Length, and send no chunks")
    try:
        length = int(environ.get("CONTENT_LENGTH") or "")
    except ValueError:
        raise Problem("411 Length Required", "state Content-Length") from None
    if not 0 <= length <= DOCUMENT_MAX_BYTES:
        raise Problem(
            "413 Content Too Large", f"a document has at most {DOCUMENT_MAX_BYTES} octets"
        )
    octets: bytes = environ["wsgi.input"].read(length)
    if len(octets) != length:
        raise Problem("400 Bad Request", "the document ends early")
    return octets


def _hash(text: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise Problem("400 Bad Request", f"{HASH_HEADER} is not 64 hexadecimal digits")
    return octets
