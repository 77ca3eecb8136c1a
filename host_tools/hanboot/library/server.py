"""The library as an HTTP server."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from hanboot.http.listen import Listen, open_server
from hanboot.library.library import Library
from hanboot.library.web import settings


def application(library: Library, listen: Listen, names: tuple[str, ...]) -> Callable[..., Any]:
    """The WSGI application; once in a process, since Django is configured once.

    Args:
        names: host names that browsers use; empty: the address itself and localhost.
    """
    hosts = list(names) or [listen.host, "localhost", "127.0.0.1", "[::1]"]
    settings.configure(
        library, hosts=hosts, is_https=listen.is_https, behind_proxy=listen.behind_proxy
    )
    import django
    from django.core.wsgi import get_wsgi_application

    django.setup(set_prefix=False)
    made: Callable[..., Any] = get_wsgi_application()
    return made


def serve(
    library: Library, listen: Listen, names: tuple[str, ...], announce: Callable[[str], None]
) -> None:
    """Serves until it is stopped.

    Args:
        announce: called with the URL once the address is bound.
    """
    log_as_json()
    server = open_server(listen, application(library, listen, names), settings.BODY_MAX_BYTES)
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    # port 0 took one that was free
    port = server.bind_addr[1]
    announce(f"{'https' if listen.certificate else 'http'}://{host}:{port}/")
    try:
        server.serve()
    finally:
        server.stop()


class _Json(logging.Formatter):
    """One JSON object a line; no address of a page, since one may hold a token."""

    _OWN = ("method", "route", "status", "ms")

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "log": record.name,
            "text": record.getMessage(),
            **{name: getattr(record, name) for name in self._OWN if hasattr(record, name)},
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def log_as_json() -> None:
    """Logs of library and framework on stderr, as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json())
    for name, level in (("hanboot.library", logging.INFO), ("django", logging.ERROR)):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.propagate = False
        log.setLevel(level)
