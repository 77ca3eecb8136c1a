"""Reads the modules of a program, and refuses what the linker could not follow."""

from __future__ import annotations

import ast
from pathlib import Path

#: Calls that reach a name by its text, or by all names at once.
_BY_TEXT = frozenset(
    ("delattr", "dir", "eval", "exec", "getattr", "globals", "hasattr", "locals", "setattr", "vars")
)
_BY_TEXT_ATTRIBUTES = frozenset(("__class__", "__dict__", "__name__", "__qualname__"))

#: Modules that every MicroPython has: a fallback for an interpreter without them is left out.
_ALWAYS_THERE = frozenset(("micropython", "time"))


class LinkError(Exception):
    """The program holds something that the linker cannot prove harmless."""

    def __init__(self, where: str, what: str, why: str, how: str) -> None:
        super().__init__(f"{where}: {what}\n  {why}\n  {how}")


def load(root: Path, package: str) -> dict[str, ast.Module]:
    """The modules of `package` by their dotted names, without annotations and assertions.

    Raises:
        LinkError: a construct that hides which names are meant.
    """
    modules = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = parse(path)
        refuse_by_text(name, tree)
        modules[name] = tree
    return modules


def parse(path: Path) -> ast.Module:
    """One module as the compiler is to see it."""
    tree = _Plain().visit(ast.parse(path.read_text(), str(path)))
    assert isinstance(tree, ast.Module)
    return ast.fix_missing_locations(tree)


def refuse_by_text(name: str, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        where = f"{name}, line {getattr(node, 'lineno', '?')}"
        if isinstance(node, ast.Name) and node.id in _BY_TEXT:
            raise _unclear(where, node.id)
        if isinstance(node, ast.Attribute) and node.attr in _BY_TEXT_ATTRIBUTES:
            raise _unclear(where, node.attr)
        if isinstance(node, ast.alias) and node.name == "*":
            raise _unclear(where, "import *")
        if isinstance(node, ast.Call) and any(keyword.arg is None for keyword in node.keywords):
            raise _unclear(where, "keywords that ** brings")
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if not isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    _refuse_scopes(where, part)
        if isinstance(node, (ast.NamedExpr, ast.Match)):
            raise _unclear(where, type(node).__name__)
        if isinstance(node, ast.Call) and not _imports_plainly(node):
            raise _unclear(where, "__import__ of a computed name")
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            if caught & {"AttributeError", "NameError"}:
                raise _unclear(where, "a handler of names that are not there")


def _refuse_scopes(where: str, part: ast.stmt) -> None:
    for inner in ast.walk(part):
        if isinstance(inner, (ast.ClassDef, ast.Lambda, ast.ListComp, ast.GeneratorExp)):
            raise _unclear(where, f"{type(inner).__name__} in the body of a class")


def _unclear(where: str, what: str) -> LinkError:
    return LinkError(
        where,
        f"the linker cannot follow {what}",
        "which name it reaches is decided at run time, and names are changed before that",
        "write the name itself",
    )


def _imports_plainly(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Name) or call.func.id != "__import__":
        return True
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant)


class _Plain(ast.NodeTransformer):
    """Leaves out what compiles to nothing: annotations, assertions, fallbacks for CPython."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_Try(self, node: ast.Try) -> ast.AST | list[ast.stmt]:
        imports = [s.module for s in node.body if isinstance(s, ast.ImportFrom)]
        if len(imports) == len(node.body) and _ALWAYS_THERE.issuperset(map(str, imports)):
            return node.body
        return self.generic_visit(node)
