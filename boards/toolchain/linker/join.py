"""Joins the modules of a package into one module.

A name of module `bootloader.image.cbor` becomes `image.cbor.NAME` here: with a point in it, no name
of a function or of another module can be the same. The last step (names.py) gives it one that a
compiler takes. Imports between the modules are gone; imports of others stand once, at the top.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field

from .scopes import Scope, Scoped, bound
from .source import LinkError


@dataclass(frozen=True)
class Own:
    """A definition of the program, by its joined name."""

    name: str


@dataclass(frozen=True)
class Submodule:
    """A module of the program."""

    name: str


@dataclass(frozen=True)
class Outside:
    """Something that MicroPython or the board supplies, and the name it goes by here."""

    module: str
    name: str | None
    alias: str

    def statement(self) -> ast.stmt:
        alias = ast.alias(self.name or self.module, self.alias)
        if alias.name == self.alias:
            alias.asname = None
        if self.name is None:
            return ast.Import([alias])
        return ast.ImportFrom(self.module, [alias], 0)


Target = Own | Submodule | Outside


@dataclass
class Joined:
    """The program as one module.

    Attributes:
        tree: its statements; imports of others come first.
        bindings: module -> what each of its names means, for those who import them.
    """

    package: str
    tree: ast.Module
    bindings: dict[str, dict[str, Target]] = field(default_factory=dict)


def join(package: str, modules: dict[str, ast.Module]) -> Joined:
    """One module out of all, in the order of their imports."""
    joined = Joined(package, ast.Module([], []))
    order = _order(modules)
    for name in order:
        joined.bindings[name] = {}
    for name in order:
        _bind(joined, name, modules[name])
    outside: dict[str, Outside] = {}
    body: list[ast.stmt] = []
    for name in order:
        for target in joined.bindings[name].values():
            if not isinstance(target, Outside):
                continue
            if outside.setdefault(target.alias, target) != target:
                raise LinkError(
                    name,
                    f"{target.alias} means two things in the program",
                    f"{outside[target.alias].module} and {target.module} supply one each",
                    "import one of them under another name",
                )
        tree = _OwnImports(joined, name).visit(modules[name])
        body += _Joiner(joined, name).visit(tree).body
    imports = [target.statement() for _, target in sorted(outside.items())]
    joined.tree.body = imports + body
    ast.fix_missing_locations(joined.tree)
    return joined


def join_client(joined: Joined, name: str, tree: ast.Module) -> ast.Module:
    """A module beside the program that imports from it: what it uses are attributes of it."""
    joined.bindings[name] = {}
    client = _Client(joined, name)
    _bind(joined, name, tree, is_client=True)
    result = client.visit(_OwnImports(joined, name).visit(tree))
    assert isinstance(result, ast.Module)
    if client.uses_program:
        if joined.package in bound(result.body, Scope()).names:
            raise LinkError(
                name,
                f"{joined.package} is bound here",
                "the linked program goes by this name",
                "choose another one",
            )
        after_docstring = 1 if ast.get_docstring(result) else 0
        result.body.insert(after_docstring, ast.Import([ast.alias(joined.package)]))
    return ast.fix_missing_locations(result)


def _order(modules: dict[str, ast.Module]) -> list[str]:
    """Each module behind those that it imports."""
    order: list[str] = []
    under_way: list[str] = []

    def place(name: str) -> None:
        if name in order:
            return
        if name in under_way:
            raise LinkError(
                name,
                "imports itself, through " + ", ".join(under_way),
                "which of them runs first is not clear",
                "move what they share to a module of its own",
            )
        under_way.append(name)
        for node in ast.walk(modules[name]):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                if f"{node.module}" != name:
                    place(f"{node.module}")
                for alias in node.names:
                    if f"{node.module}.{alias.name}" in modules:
                        place(f"{node.module}.{alias.name}")
        under_way.pop()
        order.append(name)

    for name in sorted(modules):
        place(name)
    return order


def _bind(joined: Joined, name: str, tree: ast.Module, is_client: bool = False) -> None:
    bindings = joined.bindings[name]
    prefix = name.removeprefix(joined.package + ".") + "."
    for node in ast.walk(tree):
        found: dict[str, Target] = {}
        if isinstance(node, ast.ImportFrom) and _is_own(joined, node.module):
            for alias in node.names:
                found[alias.asname or alias.name] = _supplied(joined, name, node, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_own(joined, alias.name):
                    raise LinkError(
                        f"{name}, line {node.lineno}",
                        f"import {alias.name}",
                        "the linker follows `from ... import ...` alone",
                        "write it so",
                    )
        for local, target in found.items():
            if bindings.setdefault(local, target) != target:
                raise LinkError(
                    f"{name}, line {node.lineno}",  # type: ignore[attr-defined]
                    f"{local} is imported twice, and means two things",
                    "imports of the program's own modules count for the whole module here",
                    "import one of them under another name",
                )
    if is_client:
        return
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                bindings[alias.asname or alias.name] = Outside(
                    alias.name, None, alias.asname or alias.name
                )
        elif isinstance(statement, ast.ImportFrom):
            if not _is_own(joined, statement.module):
                for alias in statement.names:
                    local = alias.asname or alias.name
                    bindings[local] = Outside(f"{statement.module}", alias.name, local)
        else:
            for local in bound([statement], Scope()).names:
                if isinstance(bindings.get(local), Submodule):
                    raise LinkError(name, f"{local} is a module and more", "", "rename it")
                bindings.setdefault(local, Own(prefix + local))


def _is_own(joined: Joined, module: str | None) -> bool:
    return module is not None and (module + ".").startswith(joined.package + ".")


def _supplied(joined: Joined, name: str, node: ast.ImportFrom, wanted: str) -> Target:
    if f"{node.module}.{wanted}" in joined.bindings:
        return Submodule(f"{node.module}.{wanted}")
    target = joined.bindings.get(f"{node.module}", {}).get(wanted)
    if target is None:
        raise LinkError(
            f"{name}, line {node.lineno}",
            f"{node.module} has no {wanted}",
            "only what it defines or imports can be imported from it",
            "import it from where it is defined",
        )
    return target


class _Joiner(Scoped):
    """Gives the names of one module their joined form."""

    def __init__(self, joined: Joined, name: str) -> None:
        super().__init__()
        self._joined = joined
        self._name = name
        self._bindings = joined.bindings[name]

    def _target(self, name: str) -> Target | None:
        return self._bindings.get(name) if self.is_global(name) else None

    def _refer(self, node: ast.expr, target: Target, context: ast.expr_context) -> ast.expr:
        assert not isinstance(target, Submodule)
        name = target.name if isinstance(target, Own) else target.alias
        return ast.copy_location(ast.Name(name, context), node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        target = self._target(node.id)
        if isinstance(target, Submodule):
            raise LinkError(
                f"{self._name}, line {node.lineno}",
                f"module {node.id} is handed on as a value",
                "there are no modules in the linked program",
                "name what is wanted of it",
            )
        if target is None:
            self._check_known(node)
            return node
        return self._refer(node, target, node.ctx)

    def _check_known(self, node: ast.Name) -> None:
        if self.is_global(node.id) and not hasattr(builtins, node.id):
            raise LinkError(
                f"{self._name}, line {node.lineno}",
                f"nobody defines {node.id}",
                "it is neither of this module, nor imported, nor a builtin",
                "correct the name",
            )

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name):
            target = self._target(node.value.id)
            if isinstance(target, Submodule):
                found = self._joined.bindings[target.name].get(node.attr)
                if found is None or isinstance(found, Submodule):
                    return self._missing(node, target)
                return self._refer(node, found, node.ctx)
        self.generic_visit(node)
        return node

    def _missing(self, node: ast.Attribute, module: Submodule) -> ast.expr:
        raise LinkError(
            f"{self._name}, line {node.lineno}",
            f"{module.name} has no {node.attr}",
            "nothing of this name is defined or imported there",
            "correct the name",
        )

    def _define(self, node: ast.AST) -> ast.AST:
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        target = self._bindings.get(node.name)
        if self.at_top and isinstance(target, Own):
            node.name = target.name
        visit = super().visit_ClassDef if isinstance(node, ast.ClassDef) else None
        return visit(node) if visit else super().visit_FunctionDef(node)  # type: ignore[arg-type]

    visit_FunctionDef = _define
    visit_AsyncFunctionDef = _define
    visit_ClassDef = _define

    def visit_Global(self, node: ast.Global) -> ast.AST:
        targets = [self._bindings.get(name) for name in node.names]
        node.names = [
            target.name if isinstance(target, Own) else name
            for name, target in zip(node.names, targets, strict=True)
        ]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return self._import(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> ast.AST | None:
        # at the top it is outside's and stands there once, unless it is one way of several
        if not self.at_top:
            return node
        kept = []
        for alias in node.names:
            target = self._bindings[alias.asname or alias.name]
            if isinstance(target, Own):
                kept.append(ast.alias(alias.name, target.name))
        node.names = kept
        return node if kept else None


class _Client(_Joiner):
    """Turns what a client uses of the program into attributes of the linked module."""

    uses_program = False

    def _check_known(self, node: ast.Name) -> None:
        pass  # its own names are its own

    def _missing(self, node: ast.Attribute, module: Submodule) -> ast.expr:
        # a test puts something in the place of a builtin, or takes it away again
        if isinstance(node.ctx, ast.Load) or not hasattr(builtins, node.attr):
            return super()._missing(node, module)
        self.uses_program = True
        node.value = ast.Name(self._joined.package, ast.Load())
        return node

    def _refer(self, node: ast.expr, target: Target, context: ast.expr_context) -> ast.expr:
        if not isinstance(target, Own):
            return super()._refer(node, target, context)
        self.uses_program = True
        program = ast.Name(self._joined.package, ast.Load())
        return ast.copy_location(ast.Attribute(program, target.name, context), node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> ast.AST | None:
        return node


class _OwnImports(ast.NodeTransformer):
    """Takes imports of the program's own modules out; what they bind is known by now."""

    def __init__(self, joined: Joined, name: str) -> None:
        self._joined = joined
        self._bindings = joined.bindings[name]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        if not _is_own(self._joined, node.module):
            return node
        targets = [self._bindings[alias.asname or alias.name] for alias in node.names]
        outside = [target.statement() for target in targets if isinstance(target, Outside)]
        return outside or ast.copy_location(ast.Pass(), node)
