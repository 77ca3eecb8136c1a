"""Which names of a module are its own, and which belong to a function or a class in it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Scope:
    """Names bound in one function, class or comprehension."""

    is_class: bool = False
    names: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)


def arguments(node: ast.arguments) -> list[ast.arg]:
    """All of them, in their order."""
    found = [*node.posonlyargs, *node.args, *node.kwonlyargs]
    return found + [extra for extra in (node.vararg, node.kwarg) if extra]


def bound(body: Iterable[ast.AST], scope: Scope) -> Scope:
    """Adds to `scope` what the statements bind, without looking into scopes within them."""
    for node in body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            scope.names.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            scope.names.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            scope.names.update((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, ast.Global):
            scope.globals.update(node.names)
        if not isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
            bound(ast.iter_child_nodes(node), scope)
    return scope


class Scoped(ast.NodeTransformer):
    """A transformer that knows, at each name, whether it is the module's."""

    def __init__(self) -> None:
        self._scopes: list[Scope] = []

    @property
    def at_top(self) -> bool:
        return not self._scopes

    def is_global(self, name: str) -> bool:
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.globals:
                return True
            if name in scope.names and not (scope.is_class and depth):
                return False
        return True

    def _within(self, scope: Scope, body: list[ast.stmt]) -> list[ast.stmt]:
        self._scopes.append(scope)
        found: list[ast.stmt] = []
        for statement in body:
            kept = self.visit(statement)
            if isinstance(kept, list):
                found += kept
            elif kept is not None:
                found.append(kept)
        self._scopes.pop()
        return found or [ast.Pass()]

    def visit_FunctionDef(self, node: Function) -> ast.AST:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        node.args = self.visit(node.args)
        scope = bound(node.body, Scope(names={a.arg for a in arguments(node.args)}))
        scope.names -= scope.globals
        node.body = self._within(scope, node.body)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        node.bases = [self.visit(base) for base in node.bases]
        node.body = self._within(bound(node.body, Scope(is_class=True)), node.body)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args = self.visit(node.args)
        self._scopes.append(Scope(names={a.arg for a in arguments(node.args)}))
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def _comprehension(self, node: ast.AST) -> ast.AST:
        assert isinstance(node, _COMPREHENSIONS)
        # the first iterable is evaluated outside
        node.generators[0].iter = self.visit(node.generators[0].iter)
        self._scopes.append(bound([g.target for g in node.generators], Scope()))
        for number, generator in enumerate(node.generators):
            generator.target = self.visit(generator.target)
            if number:
                generator.iter = self.visit(generator.iter)
            generator.ifs = [self.visit(condition) for condition in generator.ifs]
        for part in ("elt", "key", "value"):
            if hasattr(node, part):
                setattr(node, part, self.visit(getattr(node, part)))
        self._scopes.pop()
        return node

    visit_ListComp = _comprehension
    visit_SetComp = _comprehension
    visit_DictComp = _comprehension
    visit_GeneratorExp = _comprehension
