"""What a board must supply, read from the comments of `bootloader/board.py`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from hanbootloader import board

_SOURCE = Path(board.__file__)


@dataclass(frozen=True)
class Member:
    """A member of the Board.

    Attributes:
        name: with its arguments if it is a method.
        default: as written; None where each board gives its own.
        meaning: the comment above it, with units.
    """

    name: str
    default: str | None
    meaning: str


def members(class_name: str = "Board") -> list[Member]:
    """The members of a class of `bootloader/board.py`, in its order.

    Raises:
        ValueError: one of them has no comment.
    """
    source = _SOURCE.read_text()
    lines = source.splitlines()
    (found,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    return [_member(node, lines) for node in found.body]


def _member(node: ast.stmt, lines: list[str]) -> Member:
    comment: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("# ") or line.strip().startswith("# ---"):
            break
        comment.insert(0, line.strip()[2:])
    if not comment:
        raise ValueError(f"{_SOURCE.name}:{node.lineno} has no comment above it")
    meaning = " ".join(comment)
    if isinstance(node, ast.FunctionDef):
        arguments = ", ".join(argument.arg for argument in node.args.args[1:])
        return Member(f"{node.name}({arguments})", None, meaning)
    assert isinstance(node, ast.AnnAssign)
    default = ast.unparse(node.value) if node.value else None
    return Member(ast.unparse(node.target), default, meaning)


def members_markdown(class_name: str = "Board") -> str:
    """The table of all members, for docs/guide/adopting.md."""
    rows = []
    for member in members(class_name):
        default = f"`{member.default}`" if member.default else ""
        rows.append(f"| `{member.name}` | {default} | {member.meaning} |")
    return "\n".join(["| member | default | what it is |", "|---|---|---|", *rows]) + "\n"
