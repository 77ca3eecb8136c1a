"""HTTP to a library: TLS verified, no redirect followed, no proxy asked, all bounded.

A token goes to the address that was given and to no other.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import ssl
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from hanboot.errors import BadFile, CheckFailed, LinkError, WrongUsage
from hanboot.http.address import is_local
from hanboot.link.deadline import Deadline

#: Of each wait for the other side.
TIMEOUT_S = 30.0
#: Of a whole answer that is a document.
_ANSWER_S = 120.0
_ANSWER_MAX_BYTES = 8 * 1024 * 1024
_TOKEN_MAX_BYTES = 256
# RFC 6750 2.1
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PIECE_BYTES = 64 * 1024

_REDIRECTS = range(300, 400)


def read_token(path: Path) -> str:
    """The token in a file that others cannot read.

    Raises:
        BadFile: it cannot be read, others can read it, or it holds no token.
    """
    try:
        # opened once: what is checked is what is read
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(_TOKEN_MAX_BYTES + 1)
    except OSError as error:
        raise BadFile(
            f"cannot read the token in {path}",
            (error.strerror or str(error)).lower(),
            "save the token of your account's page there: --token-file names the file",
        ) from None
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        raise BadFile(
            f"the token in {path} is not safe",
            f"others than its owner may read or change the file (mode {stat.S_IMODE(mode):04o})",
            f"chmod 600 {path}; revoke the token if others may have read it",
        )
    token = octets.decode("ascii", "replace").strip()
    if len(octets) > _TOKEN_MAX_BYTES or not _TOKEN.fullmatch(token):
        raise BadFile(
            f"{path} holds no token",
            "a token is one line of letters, digits and ._~+/-",
            "save the token of your account's page there, and nothing else",
        )
    return token


class Unreachable(LinkError):
    """The connection failed; the same may work later."""


class Answered(CheckFailed):
    """The library refused. status: of HTTP."""

    def __init__(self, status: int, lines: tuple[str, str, str]) -> None:
        self.status = status
        super().__init__(*lines)


class Connection:
    """Sends requests to one library.

    Args:
        url: https; http only to this machine.
        token: of the API.
        authority: PEM file of certificates to trust in place of the system's.

    Raises:
        WrongUsage: the URL cannot be used.
        BadFile: the certificates cannot be read.
    """

    def __init__(self, url: str, token: str, authority: Path | None = None) -> None:
        parts = urlsplit(url)
        try:
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            raise _unusable(url, "its port is no number") from None
        if parts.username or parts.password or parts.query or parts.fragment or not self._host:
            raise _unusable(url, "it must be https://HOST[:PORT][/PATH] and nothing else")
        if parts.scheme == "http" and not is_local(self._host):
            raise _unusable(url, "without TLS others could read the token and change what comes")
        if parts.scheme not in ("http", "https"):
            raise _unusable(url, f"{parts.scheme or 'no scheme'} is not https")
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._base = parts.path.rstrip("/")
        self._token = token
        self._context = _tls(authority) if parts.scheme == "https" else None

    # --- requests

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """The document that a GET is answered with."""
        return self._document("GET", _target(path, query), None, {})

    def post(self, path: str, body: object) -> Any:
        """The document that a POST of JSON is answered with."""
        octets = json.dumps(body).encode()
        return self._document("POST", _target(path), octets, {"Content-Type": "application/json"})

    def post_octets(self, path: str, octets: bytes, media_type: str) -> Any:
        """The same with a body of another type."""
        return self._document("POST", _target(path), octets, {"Content-Type": media_type})

    def _document(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> Any:
        with self._answer(method, target, body, headers) as answer:
            self._check(answer)
            octets = self._read(answer)
        try:
            return json.loads(octets)
        except ValueError:
            self.malformed("it is not JSON")

    @contextlib.contextmanager
    def download(
        self, path: str, first: int
    ) -> Iterator[tuple[http.client.HTTPResponse, Iterator[bytes]]]:
        """An answer that is a file, from an offset on if the other side can, and its pieces.

        Raises:
            Answered: it is refused.
            Unreachable: the connection fails, also while pieces are read.
        """
        headers = {"Range": f"bytes={first}-"} if first else {}
        with self._answer("GET", _target(path), None, headers) as answer:
            self._check(answer)
            yield answer, self._pieces(answer)

    def _pieces(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        with self._explained():
            while piece := answer.read1(_PIECE_BYTES):
                yield piece

    @contextlib.contextmanager
    def _answer(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._open()
        try:
            with self._explained():
                connection.request(
                    method,
                    self._base + target,
                    body,
                    {
                        "Accept": "*/*",
                        "Accept-Encoding": "identity",
                        "Authorization": f"Bearer {self._token}",
                        **headers,
                    },
                )
                answer = connection.getresponse()
            yield answer
        finally:
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=TIMEOUT_S, context=self._context
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"{self.name} cannot be trusted",
                f"its certificate does not verify: {error.verify_message}",
                "check the address; --library-ca names certificates to trust",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(
                f"{self.name} does not answer as a library does",
                cause.splitlines()[0][:200],
                "check the address and the network, then try again",
            ) from None

    # --- answers

    def _check(self, answer: http.client.HTTPResponse) -> None:
        if answer.status in _REDIRECTS:
            raise Answered(
                answer.status,
                (
                    f"{self.name} sends elsewhere, and was not followed",
                    f"it answers {answer.status} to {answer.headers.get('Location', '')[:100]!r}",
                    "give the library's own address",
                ),
            )
        if 200 <= answer.status < 300:
            return
        octets = self._read(answer)
        raise Answered(answer.status, _lines(self.name, answer.status, octets))

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        """A whole answer, bounded in bytes and in time."""
        octets, deadline = bytearray(), Deadline(_ANSWER_S)
        for piece in self._pieces(answer):
            octets += piece
            if len(octets) > _ANSWER_MAX_BYTES:
                self.malformed(f"it is longer than {_ANSWER_MAX_BYTES} bytes")
            if deadline.passed:
                self.malformed(f"it takes longer than {_ANSWER_S:.0f} seconds")
        return bytes(octets)

    def malformed(self, why: str) -> NoReturn:
        """Refuses an answer that is not a library's."""
        raise LinkError(
            f"{self.name} does not answer as a library does",
            why,
            "check the address; both sides should be of the same version",
        )


def _unusable(url: str, why: str) -> WrongUsage:
    # what stands before an @ may be a password
    return WrongUsage(
        f"the library's address {url.rsplit('@', 1)[-1]} cannot be used",
        why,
        "e.g. https://library.example; http is for 127.0.0.1 alone",
    )


def _tls(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ValueError) as error:
        raise BadFile(
            f"{authority} cannot be used to check certificates",
            str(error)[:200],
            "give a PEM file with the certificate of who issued the library's",
        ) from None


def _target(path: str, query: Mapping[str, object] | None = None) -> str:
    return f"/api/v1/{quote(path)}" + (f"?{urlencode(query)}" if query else "")


def _lines(name: str, status: int, octets: bytes) -> tuple[str, str, str]:
    """The library's own words, if it has any."""
    try:
        document = json.loads(octets)
        problem = document["error"]
        faults = [f"{each['field']}: {each['cause']}" for each in document.get("faults", [])]
        what, why, remedy = (str(problem[part])[:500] for part in ("what", "why", "remedy"))
    except (ValueError, LookupError, TypeError):
        return (
            f"{name} refused",
            f"it answers {status}",
            "check the address and the token; the library's log has more",
        )
    return f"the library refused: {what}", "; ".join(faults[:20]) or why, remedy
