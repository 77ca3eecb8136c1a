"""Links the bootloader into one small module, for a firmware to freeze.

    modules -> join -> fold constants -> choose names -> leave out what is not reached -> rename

Each step takes the program as a syntax tree and proves what it needs, or raises LinkError. The
source stays what people read and audit; docs/design/linker.md says what the steps are worth.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import by_text, fold, join, names, reach, rename, source
from .interface import kept_names, members
from .readable import load_names, readable
from .scopes import Function
from .source import LinkError

__all__ = ["LinkError", "Linked", "check_firmware", "link", "load_names", "readable"]

#: A name takes one octet in bytecode if it is among the first 128 of its module. The file's name
#: and `<module>` come before all.
_ONE_OCTET = 126


@dataclass
class Linked:
    """What the linker makes.

    Attributes:
        modules: module -> its source: the program, clients and tests.
        names: word -> what it stands for in the source (readable.py).
        attributes: attributes of the source that have another name here.
        dropped: what no part of the firmware reaches.
    """

    modules: dict[str, str]
    names: dict[str, list[str]]
    attributes: set[str]
    dropped: list[str]


def link(
    root: Path, package: str, clients: Mapping[str, Path], tests: Mapping[str, Path] | None = None
) -> Linked:
    """Links the modules of `package` in folder `root`.

    Args:
        clients: modules that are frozen beside the program and import from it.
        tests: modules that look into it. What they need stays in, by the very same names.
    """
    joined = join.join(package, source.load(root, package))
    beside = {}
    for name, path in clients.items():
        tree = source.parse(path)
        source.refuse_by_text(name, tree)
        beside[name] = join.join_client(joined, name, tree)
    inside = {
        name: join.join_client(joined, name, by_text.through_helper(joined, source.parse(path)))
        for name, path in (tests or {}).items()
    }
    constants = fold.fold(joined, beside)
    fold.put_in_place(joined, constants, inside)
    naming = names.choose(joined, beside.values())
    looking_in = [*beside.values(), *inside.values()]
    kept = kept_names(joined) | by_text.named(joined, inside.values())
    dropped = reach.drop_unreachable(joined, looking_in, kept)
    readable = _readable(joined, naming)
    program = rename.Rename(naming).visit(joined.tree)
    modules = {package: _in_order(naming) + ast.unparse(program) + "\n"}
    for name, tree in beside.items():
        modules[name] = ast.unparse(rename.Rename(naming, is_client=True).visit(tree)) + "\n"
    for name, tree in inside.items():
        modules[name] = ast.unparse(by_text.RenameTest(naming).visit(tree)) + "\n"
    if tests:
        modules[by_text.HELPER] = by_text.helper(joined, naming, constants)
    return Linked(modules, readable, set(naming.attributes), dropped)


def check_firmware(linked: Linked, held: set[str]) -> None:
    """Proves what the words rest on, from the firmware that was built.

    Args:
        held: names that the firmware holds without bootloader and board.

    Raises:
        LinkError: another MicroPython than words.txt was written for.
    """
    advice = f"bring {names.WORDS.name} up to date: python3 boards/toolchain words --build ..."
    if missing := linked.names.keys() - held:
        raise LinkError(
            names.WORDS.name,
            "has words that this firmware lacks: " + ", ".join(sorted(missing)),
            "each costs flash for its text",
            advice,
        )
    if shared := linked.attributes & held:
        raise LinkError(
            names.WORDS.name,
            "lacks names that this firmware has: " + ", ".join(sorted(shared)),
            "an attribute of the bootloader's was renamed that MicroPython may have, too",
            advice,
        )


def _in_order(naming: names.Naming) -> str:
    # The compiler numbers names as it meets them. What stands behind `break` is never run and
    # leaves no bytecode, but its names are met first.
    return "while True:\n    break\n    None." + ".".join(naming.order[:_ONE_OCTET]) + "\n"


def _readable(joined: join.Joined, naming: names.Naming) -> dict[str, list[str]]:
    """word -> joined names: of a global, or of a member with its class; `()` behind code."""
    found: dict[str, list[str]] = {}
    functions = {node.name for node in joined.tree.body if isinstance(node, Function)}
    for name, word in naming.globals.items():
        found.setdefault(word, []).append(name + "()" * (name in functions))
    for node in joined.tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        functions = {part.name for part in node.body if isinstance(part, Function)}
        for member in sorted(members(node) & naming.attributes.keys()):
            name = f"{node.name}.{member}" + "()" * (member in functions)
            found.setdefault(naming.attributes[member], []).append(name)
    return {word: found[word] for word in sorted(found)}
