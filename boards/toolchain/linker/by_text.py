"""Tests look into the program: they also reach names by their text, and pass parameters by name.

In a test `getattr`, `setattr` and `hasattr` go through a helper module that knows the words, and so
do keywords of calls. The program is not touched for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from .join import Joined, Own
from .names import Naming
from .rename import Rename

#: The helper's name; helper.txt with three tables.
HELPER = "linked_names"

_BY_TEXT = ("getattr", "setattr", "hasattr")


def through_helper(joined: Joined, tree: ast.Module) -> ast.Module:
    """Lets the helper do what goes by text; a module there becomes its name."""
    local: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in joined.bindings:
                    local[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    used = False
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id in _BY_TEXT:
            used = True
            node.func = ast.Attribute(ast.Name(HELPER, ast.Load()), node.func.id, ast.Load())
            first = node.args[0]
            if isinstance(first, ast.Name) and first.id in local:
                node.args[0] = ast.Constant(local[first.id])
    if used or any(keyword.arg is None for call in _calls(tree) for keyword in call.keywords):
        tree.body.insert(0, ast.Import([ast.alias(HELPER)]))
    return ast.fix_missing_locations(tree)


def _calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def named(joined: Joined, tests: Iterable[ast.Module]) -> set[str]:
    """Names of the program that tests spell as text: they may be reached by it."""
    found = set()
    for tree in tests:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value.rpartition(".")[2])
    own = {t for b in joined.bindings.values() for t in b.values() if isinstance(t, Own)}
    return found | {target.name for target in own if target.name.rpartition(".")[2] in found}


class RenameTest(Rename):
    """Writes the words in a test."""

    def __init__(self, naming: Naming) -> None:
        super().__init__(naming, is_client=True)
        self._modules: set[str] = set()

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._modules = {
            alias.asname or alias.name
            for statement in node.body
            if isinstance(statement, ast.Import)
            for alias in statement.names
        }
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        # a name of another module beside the program
        is_of_module = isinstance(node.value, ast.Name) and node.value.id in self._modules
        if is_of_module and "." not in node.attr:
            return node
        return super().visit_Attribute(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        callee = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        parameters = self._naming.parameters.get(callee, {})
        for keyword in node.keywords:
            if keyword.arg is not None:
                keyword.arg = parameters.get(keyword.arg, keyword.arg)
            elif parameters:
                helper = ast.Attribute(ast.Name(HELPER, ast.Load()), "keywords", ast.Load())
                keyword.value = ast.Call(helper, [ast.Constant(callee), keyword.value], [])
        self.generic_visit(node)
        return ast.fix_missing_locations(node)


def helper(joined: Joined, naming: Naming, constants: dict[str, object]) -> str:
    """The source of the helper module."""
    modules: dict[str, dict[str, str]] = {}
    for module, bindings in joined.bindings.items():
        for name, target in bindings.items():
            if isinstance(target, Own) and target.name not in constants:
                modules.setdefault(module, {})[name] = naming.global_word(target.name)
    values = {
        module: {
            name: constants[target.name]
            for name, target in bindings.items()
            if isinstance(target, Own) and target.name in constants
        }
        for module, bindings in joined.bindings.items()
    }
    tables = {
        "ATTRIBUTES": naming.attributes,
        "MODULES": modules,
        "CONSTANTS": values,
        "PARAMETERS": naming.parameters,
    }
    text = Path(__file__).with_name("helper.txt").read_text()
    return text + "".join(f"\n{name} = {table!r}\n" for name, table in tables.items())
