"""For who runs the library: whether it works, and figures."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from hanboot.library.permissions import Action, markdown
from hanboot.library.refusals import NotFound
from hanboot.library.schema import LibraryEntryRow, SessionRow, StoredImageRow, UserRow
from hanboot.library.web import pages
from hanboot.library.web.requests import REQUESTS
from hanboot.library.web.routes import PUBLIC, SIGNED_IN, route

_STATIC = {"style.css": "text/css; charset=utf-8"}


@route("health", PUBLIC)
def health(request: HttpRequest) -> HttpResponseBase:
    # the middleware has asked the database, for its version
    return HttpResponse("ok\n", content_type="text/plain")


@route("static/<str:name>", PUBLIC)
def static(request: HttpRequest, name: str) -> HttpResponseBase:
    if name not in _STATIC:
        raise NotFound("there is no such file", "the address leads nowhere", "go back")
    octets = (resources.files("hanboot.library.web") / "static" / name).read_bytes()
    response = HttpResponse(octets, content_type=_STATIC[name])
    response.headers["Cache-Control"] = "max-age=3600"
    return response


@route("metrics", Action.READ_METRICS)
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Figures in Prometheus' text format 0.0.4."""
    tables = {
        "hanboot_library_entries": LibraryEntryRow,
        "hanboot_library_images": StoredImageRow,
        "hanboot_library_users": UserRow,
        "hanboot_library_sessions": SessionRow,
    }
    lines = []
    with pages.library().registry.database.reading() as connection:
        for name, table in tables.items():
            count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            lines += [f"# TYPE {name} gauge", f"{name} {count}"]
    lines += REQUESTS.lines()
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")


@route("guidelines", SIGNED_IN)
def guidelines(request: HttpRequest) -> HttpResponseBase:
    return pages.render(request, "guidelines.html", {"permissions": _permission_rows()})


def _permission_rows() -> list[list[str]]:
    lines = markdown().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line
    ]
