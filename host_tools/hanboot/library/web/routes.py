"""Which addresses there are, and who may use each: the one list of views.

A view is registered by `route` with the action that it needs. The table is what urls are made from,
what the middleware checks before a view runs, and what a test walks over, so that no route can be
without an answer to the question who may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from hanboot.library.permissions import Action

View = Callable[..., HttpResponseBase]
_View = TypeVar("_View", bound=View)

#: Nobody needs to be signed in.
PUBLIC = "public"
#: Whoever is signed in.
SIGNED_IN = "signed in"

Access = Action | str


@dataclass(frozen=True, kw_only=True)
class Route:
    """One address. methods: which it takes."""

    path: str
    name: str
    access: Access
    methods: tuple[str, ...]
    view: View


_routes: dict[str, Route] = {}


def route(
    address: str, access: Access, *, methods: tuple[str, ...] = ("GET",)
) -> Callable[[_View], _View]:
    """Registers a view.

    Args:
        address: as Django's `path` takes it.
        access: an action of the permission table, PUBLIC or SIGNED_IN. What depends on the object
            (own or not) the view asks itself.
        methods: all that it takes; GET includes HEAD.
    """

    def register(view: _View) -> _View:
        name = view.__name__
        if name in _routes:
            raise ValueError(f"two views are called {name}")
        _routes[name] = Route(path=address, name=name, access=access, methods=methods, view=view)
        return view

    return register


def routes() -> Iterator[Route]:
    """Every route, in the order of registration."""
    yield from _routes.values()


def patterns() -> list[URLPattern]:
    return [path(each.path, each.view, name=each.name) for each in routes()]


def route_of(request: HttpRequest) -> Route | None:
    """The route of a request that was resolved."""
    match = request.resolver_match
    # operations of the API have a name space, and a table of their own
    return _routes.get(match.url_name or "") if match and not match.namespaces else None
