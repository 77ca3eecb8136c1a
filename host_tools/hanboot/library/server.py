"""The library as an HTTP server: the application for any WSGI server, and gunicorn around it."""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot.errors import WrongUsage
from hanboot.library.library import Library
from hanboot.library.web import settings

#: Requests at once; argon2 takes 64 MiB of memory for each sign-in among them.
THREADS = 8
_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Where and how the server is reached.

    Attributes:
        host, port: the address that it binds.
        certificate, key: PEM files; without them it speaks plain HTTP.
        behind_proxy: a reverse proxy in front of it ends TLS and sets X-Forwarded-*.
        names: host names that browsers use; empty: the address itself and localhost.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    names: tuple[str, ...] = ()

    @property
    def is_https(self) -> bool:
        return self.certificate is not None or self.behind_proxy

    def check(self) -> None:
        """Refuses to send passwords in the clear over a network.

        Raises:
            WrongUsage: the address is not this machine's own, and there is no TLS.
        """
        if not is_loopback(self.host) and not self.is_https:
            raise WrongUsage(
                f"the library is not served on {self.host}",
                "other machines reach this address, and passwords would go in the clear",
                "give --certificate and --key, or --behind-proxy where a proxy ends TLS",
            )


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        WrongUsage: it is not that.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise WrongUsage(
            f"{text} is no address to listen on", "it must be HOST:PORT", "such as 127.0.0.1:8080"
        )
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def application(library: Library, listen: Listen) -> Callable[..., Any]:
    """The WSGI application; once in a process, since Django is configured once."""
    hosts = list(listen.names) or [listen.host, "localhost", "127.0.0.1", "[::1]"]
    settings.configure(
        library, hosts=hosts, is_https=listen.is_https, behind_proxy=listen.behind_proxy
    )
    import django
    from django.core.wsgi import get_wsgi_application

    django.setup(set_prefix=False)
    made: Callable[..., Any] = get_wsgi_application()
    return made


def serve(
    make_library: Callable[[], Library], listen: Listen, announce: Callable[[str], None]
) -> None:
    """Serves until it is stopped.

    Args:
        make_library: opens the library in the process that serves it.
        announce: called with the URL once the address is bound.
    """
    from gunicorn.app.base import BaseApplication

    listen.check()
    log_as_json()
    host = f"[{listen.host}]" if ":" in listen.host else listen.host

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            options = {
                "bind": f"{host}:{listen.port}",
                "worker_class": "gthread",
                "threads": THREADS,
                "timeout": _TIMEOUT_S,
                "certfile": str(listen.certificate) if listen.certificate else None,
                "keyfile": str(listen.key) if listen.key else None,
                "limit_request_line": 4094,
                "limit_request_fields": 64,
                "limit_request_field_size": 8190,
                "forwarded_allow_ips": "*" if listen.behind_proxy else "",
                "when_ready": lambda server: announce(_url(server, listen)),
                "loglevel": "warning",
                "accesslog": None,
                "control_socket_disable": True,
            }
            for name, value in options.items():
                if value is not None and name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            return application(make_library(), listen)

    Server().run()


def _url(server: Any, listen: Listen) -> str:
    # port 0 takes any that is free
    name = server.LISTENERS[0].sock.getsockname()
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{'https' if listen.certificate else 'http'}://{host}:{name[1]}/"


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
