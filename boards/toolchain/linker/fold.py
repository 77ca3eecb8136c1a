"""Puts constants in place of their names.

`NAME = const(...)` is a number wherever the name stands, in the program and in its clients, and
has no existence of its own: MicroPython's compiler does the same with `_NAME` within one module.
Text and octets that are used once are put in place as well.
"""

from __future__ import annotations

import ast
from collections import Counter

from .join import Joined
from .source import LinkError


def fold(joined: Joined, clients: dict[str, ast.Module]) -> dict[str, object]:
    """Folds in place; returns the constants by their joined names."""
    constants: dict[str, object] = {}
    body = []
    for statement in joined.tree.body:
        found = _constant(statement)
        if found is None:
            body.append(statement)
            continue
        name, expression = found
        value = _Fold(joined.package, constants).visit(expression)
        try:
            constants[name] = ast.literal_eval(value)
        except ValueError as error:
            raise LinkError(
                name,
                f"const({ast.unparse(value)})",
                "is not a number that can be put in place of the name",
                "write the number",
            ) from error
    joined.tree.body = body
    constants |= _used_once(joined, clients)
    joined.tree.body = [s for s in body if _assigned(s) not in constants]
    _Fold(joined.package, constants).visit(joined.tree)
    put_in_place(joined, constants, clients)
    return constants


def put_in_place(
    joined: Joined, constants: dict[str, object], clients: dict[str, ast.Module]
) -> None:
    """Folds the program's constants in modules beside it."""
    for client in clients.values():
        _Fold(joined.package, constants).visit(client)


def _assigned(statement: ast.stmt) -> str | None:
    """The one global that a statement gives a value, if that is all it does."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None


def _constant(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    name = _assigned(statement)
    if name is None or not isinstance(statement, ast.Assign):
        return None
    value = statement.value
    is_const = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
    if is_const and value.func.id == "const":  # type: ignore[attr-defined]
        return name, value.args[0]  # type: ignore[attr-defined]
    return None


def _used_once(joined: Joined, clients: dict[str, ast.Module]) -> dict[str, object]:
    loads: Counter[str] = Counter()
    stores: Counter[str] = Counter()
    for node in ast.walk(joined.tree):
        if isinstance(node, ast.Name):
            (loads if isinstance(node.ctx, ast.Load) else stores)[node.id] += 1
        elif isinstance(node, ast.Global):
            stores.update(node.names)
    for client in clients.values():
        for node in ast.walk(client):
            if isinstance(node, ast.Attribute):
                stores[node.attr] += 1
    found: dict[str, object] = {}
    for statement in joined.tree.body:
        name = _assigned(statement)
        if name and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            value = statement.value.value
            if isinstance(value, (str, bytes)) and loads[name] == stores[name] == 1:
                found[name] = value
    return found


class _Fold(ast.NodeTransformer):
    def __init__(self, package: str, constants: dict[str, object]) -> None:
        self._package = package
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._constants and isinstance(node.ctx, ast.Load):
            return ast.copy_location(literal(self._constants[node.id]), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        is_program = isinstance(node.value, ast.Name) and node.value.id == self._package
        if is_program and node.attr in self._constants and isinstance(node.ctx, ast.Load):
            return ast.copy_location(literal(self._constants[node.attr]), node)
        return node


def literal(value: object) -> ast.expr:
    """The expression that is `value`."""
    return ast.parse(repr(value), mode="eval").body
