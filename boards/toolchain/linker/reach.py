"""Leaves out what the device never runs.

The package holds, for the host tools, the writing side of formats that a device only reads. A
global is needed if something needed, or a client, names it; a method if its class is needed and
something needed names it, whatever the object. So nothing that could be called is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from .join import Joined
from .scopes import Scope, bound

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Names(ast.NodeVisitor):
    """Globals, by their joined names, and attributes that code names."""

    def __init__(self) -> None:
        self.globals: set[str] = set()
        self.attributes: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        self.globals.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.attributes.add(node.attr)
        self.visit(node.value)


def drop_unreachable(
    joined: Joined, clients: Iterable[ast.Module], kept: Iterable[str]
) -> list[str]:
    """Drops in place; returns the joined names of what was dropped.

    Args:
        kept: attributes that are named elsewhere: the interface to applications.
    """
    names = _Names()
    names.attributes.update(kept)
    for client in clients:
        attributes = {node.attr for node in ast.walk(client) if isinstance(node, ast.Attribute)}
        names.attributes |= attributes
        names.globals |= {name for name in attributes if "." in name}
    waiting = list(joined.tree.body)
    needed: list[ast.stmt] = []
    methods: list[ast.stmt] = []  # of needed classes, not needed so far
    progress = True
    while progress:
        progress = False
        for statement in [*waiting, *methods]:
            if not _is_needed(statement, statement in methods, names):
                continue
            progress = True
            if statement in methods:
                methods.remove(statement)
            else:
                waiting.remove(statement)
                needed.append(statement)
            if isinstance(statement, ast.ClassDef):
                for part in (*statement.bases, *statement.body):
                    if isinstance(part, _DEFINITIONS):
                        methods.append(part)
                    else:
                        names.visit(part)
            else:
                names.visit(statement)
    dropped = [name for statement in waiting for name in sorted(_defined(statement)) if "." in name]
    for statement in needed:
        if isinstance(statement, ast.ClassDef):
            for method in [part for part in statement.body if part in methods]:
                statement.body.remove(method)
                dropped.append(f"{statement.name}.{method.name}")  # type: ignore[attr-defined]
            statement.body = statement.body or [ast.Pass()]
    joined.tree.body = [s for s in joined.tree.body if s in needed]
    return dropped


def _defined(statement: ast.stmt) -> set[str]:
    return bound([statement], Scope()).names


def _is_needed(statement: ast.stmt, is_method: bool, names: _Names) -> bool:
    if is_method:
        name = statement.name  # type: ignore[attr-defined]
        return name in names.attributes or (name.startswith("__") and name.endswith("__"))
    if isinstance(statement, ast.Pass):
        return False
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Assign, ast.ClassDef, ast.Try)):
        return bool(_defined(statement) & names.globals)
    if isinstance(statement, _DEFINITIONS):
        return statement.name in names.globals
    # anything else acts by itself
    return True
