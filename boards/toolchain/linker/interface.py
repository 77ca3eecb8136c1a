"""The names that keep their spelling, because somebody beside the linked program uses them."""

from __future__ import annotations

import ast

from .join import Joined
from .scopes import Function, arguments
from .source import LinkError

#: What an application is handed: the public attributes of these classes (docs/guide/adopting.md).
APPLICATION = ("application.Services", "store.ledger.Verdict")

#: What an application gives.
ENTRY = ("main",)

#: What a board gives (bootloader/device.py).
BOARD = (
    "console",
    "data",
    "device_type",
    "display",
    "hardware_version",
    "hung",
    "idle",
    "image_type",
    "manufacturer_code",
    "name",
    "readinto",
    "region",
    "report",
    "reset",
    "serial",
    "trial_ms",
    "watchdog",
    "write",
)


def kept_names(joined: Joined) -> set[str]:
    """Attributes that keep their names."""
    public = [member for node in _handed_out(joined) for member in members(node)]
    return {*BOARD, *ENTRY, *(member for member in public if not member.startswith("_"))}


def kept_parameters(joined: Joined) -> set[str]:
    """Parameters that keep their names: an application may call with keywords."""
    return {
        argument.arg
        for node in _handed_out(joined)
        for method in node.body
        if isinstance(method, Function) and not method.name.startswith("_")
        for argument in arguments(method.args)[1:]
    }


def _handed_out(joined: Joined) -> list[ast.ClassDef]:
    classes = {node.name: node for node in joined.tree.body if isinstance(node, ast.ClassDef)}
    for name in APPLICATION:
        if name not in classes:
            raise LinkError(
                name,
                "is not in the program",
                "the interface to applications names it (linker/interface.py)",
                "correct one of them",
            )
    return [classes[name] for name in APPLICATION]


def members(node: ast.ClassDef) -> set[str]:
    """Names of a class: what its body binds, and what its methods store in `self`."""
    found = set()
    for part in node.body:
        if isinstance(part, Function):
            found.add(part.name)
            found |= _stored_in_self(part)
        elif isinstance(part, ast.Assign):
            found |= {n.id for t in part.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found


def _stored_in_self(method: Function) -> set[str]:
    if not method.args.args:
        return set()
    this = method.args.args[0].arg
    return {
        node.attr
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == this
    }
