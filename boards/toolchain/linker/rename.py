"""Writes the chosen names into the program and into the modules beside it."""

from __future__ import annotations

import ast

from .names import Naming
from .scopes import Function, arguments


class Rename(ast.NodeTransformer):
    """Writes the words, in the program or in a client.

    Args:
        is_client: its functions are its own, and so are their parameters.
    """

    def __init__(self, naming: Naming, is_client: bool = False) -> None:
        self._naming = naming
        self._is_client = is_client
        self._within: list[str] = []
        self._class = ""
        self._parameters: list[dict[str, str]] = []

    def visit_Name(self, node: ast.Name) -> ast.Name:
        for parameters in reversed(self._parameters):
            if node.id in parameters:
                node.id = parameters[node.id]
                return node
        if "." in node.id:
            node.id = self._naming.global_word(node.id)
        elif self._within and self._within[-1] == "class":
            node.id = self._naming.attribute_word(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        is_global = "." in node.attr  # of a client: the program is a module to it
        word = self._naming.global_word if is_global else self._naming.attribute_word
        node.attr = word(node.attr)
        return node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        if node.asname and "." in node.asname:
            node.asname = self._naming.global_word(node.asname)
        return node

    def visit_Global(self, node: ast.Global) -> ast.Global:
        node.names = [self._naming.global_word(name) for name in node.names]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.bases = [self.visit(base) for base in node.bases]
        self._within.append("class")
        self._class, outer = node.name, self._class
        node.body = [self.visit(part) for part in node.body]
        self._within.pop()
        self._class = outer
        if "." in node.name:
            node.name = self._naming.global_word(node.name)
        return node

    def _function(self, node: Function) -> Function:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        self._visit_defaults(node.args)
        in_class = bool(self._within) and self._within[-1] == "class"
        self._within.append("function")
        self._enter(node, node.args)
        if "." in node.name:
            self._naming.parameters[node.name] = self._parameters[-1]
        elif in_class and node.name == "__init__":
            self._naming.parameters[self._class] = self._parameters[-1]
        node.body = [self.visit(statement) for statement in node.body]
        self._parameters.pop()
        self._within.pop()
        if "." in node.name:
            node.name = self._naming.global_word(node.name)
        elif in_class:
            node.name = self._naming.attribute_word(node.name)
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self._visit_defaults(node.args)
        self._enter(node, node.args)
        node.body = self.visit(node.body)
        self._parameters.pop()
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name:
            node.name = self.visit_Name(ast.Name(node.name, ast.Store())).id
        return self.generic_visit(node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Nonlocal:
        node.names = [self.visit_Name(ast.Name(name, ast.Store())).id for name in node.names]
        return node

    def _visit_defaults(self, given: ast.arguments) -> None:
        given.defaults = [self.visit(default) for default in given.defaults]
        given.kw_defaults = [default and self.visit(default) for default in given.kw_defaults]

    def _enter(self, node: ast.AST, given: ast.arguments) -> None:
        """Gives parameters the most used words that the function does not name."""
        chosen: dict[str, str] = {}
        if not self._is_client:
            named = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
            avoid = {self._naming.global_word(name) for name in named}
            avoid.update(*(outer.values() for outer in self._parameters))
            words = (word for word in self._naming.shared if word not in avoid)
            for argument in arguments(given):
                if argument.arg not in self._naming.keywords:
                    chosen[argument.arg] = next(words)
                    argument.arg = chosen[argument.arg]
        self._parameters.append(chosen)
