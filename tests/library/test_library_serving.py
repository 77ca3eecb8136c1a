"""Where the library listens, and what it gives a browser to keep."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from command_line import hanboot
from served_library import ServedLibrary

from hanboot.library.library import Library


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--listen", "0.0.0.0:0"), "others on the network"),
        (("--listen", "[::]:0"), "others on the network"),
        (("--demo", "--listen", "0.0.0.0:0"), "others on the network"),
        (("--demo", "--behind-proxy"), "its passwords and tokens are printed"),
        (("--tls-key", __file__), "--tls-certificate"),
    ],
)
def test_where_it_listens(options: tuple[str, ...], why: str, tmp_path: Path) -> None:
    ran = hanboot("library", "serve", "--registry", tmp_path / "registry.db", *options)
    assert ran.code == 2
    assert why in ran.err
    # refused before anything was made
    assert list(tmp_path.iterdir()) == []


def test_the_cookie(library: Library) -> None:
    """By its attributes, and by the settings that TLS makes of them."""
    served = ServedLibrary()
    try:
        connection = http.client.HTTPConnection(served.url.split("/")[2])
        connection.request("GET", "/sign-in")
        cookie = connection.getresponse().headers["Set-Cookie"]
        connection.close()
    finally:
        served.close()
    assert cookie.startswith("session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    # __Host- makes a browser demand Secure, and keep it from other hosts
    from hanboot.library.web import settings

    values = settings.values(library, hosts=["x"], is_https=True, behind_proxy=True)
    assert values["SESSION_COOKIE_NAME"] == "__Host-session"
    assert values["SESSION_COOKIE_SECURE"] is True
    assert values["SECURE_HSTS_SECONDS"] > 0
