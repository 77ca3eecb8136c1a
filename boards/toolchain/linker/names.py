"""Chooses a short name for each name of the program.

A name costs its text in flash, unless the firmware holds the same text anyway: then it costs
nothing. So a name becomes a *word* that MicroPython itself brings (words.txt) and that stands
nowhere in the program. A word stands for one attribute and for one global at most: these are looked
up in different places. A parameter may have any word that its function does not name. Functions,
methods and classes have each a word of its own, for a traceback names them.

An attribute keeps its name if the firmware has it already: it is free, and an object of
MicroPython's may have an attribute of that name. So it does if it stands in the program as text, as
a keyword of a call, or in the interface to boards and applications, and if it is Python's own
(`__init__`).
"""

from __future__ import annotations

import ast
import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .interface import kept_names, kept_parameters, members
from .join import Joined
from .source import LinkError

WORDS = Path(__file__).with_name("words.txt")

#: Attributes by which MicroPython asks an object for more than an attribute.
_PROTOCOLS = frozenset(
    [
        *("args", "close", "errno", "ioctl", "read", "readblocks", "readinto", "readline", "send"),
        *("throw", "value", "write", "writeblocks"),
    ]
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_CODE = (*_FUNCTIONS, ast.ClassDef)


@dataclass
class Naming:
    """Which word stands for what.

    Attributes:
        globals: joined name -> word.
        attributes: attribute -> word.
        parameters: joined name of a function, or of a class for its `__init__`: old -> new name.
        keywords: parameters that keep their names, because a call uses them or may do so.
        order: all names of the linked program, the most used first.
        shared: those of them that are words.
    """

    globals: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    keywords: set[str] = field(default_factory=set)
    order: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)

    def global_word(self, name: str) -> str:
        return self.globals[name] if "." in name else name

    def attribute_word(self, name: str) -> str:
        return self.attributes.get(name, name)


def firmware_words() -> list[str]:
    """Names that the firmware holds in any case."""
    return WORDS.read_text().split()


def write_words(held: Iterable[str]) -> None:
    """Makes words.txt anew, the short ones first."""
    words = [name for name in held if name.isidentifier() and not keyword.iskeyword(name)]
    WORDS.write_text("\n".join(sorted(words, key=lambda word: (len(word), word))) + "\n")


def choose(joined: Joined, clients: Iterable[ast.Module]) -> Naming:
    """Chooses the words; nothing is written yet.

    Raises:
        LinkError: no word is left.
    """
    tree, trees = joined.tree, [joined.tree, *clients]
    firmware = firmware_words()
    naming = Naming(keywords=_keywords(trees) | kept_parameters(joined))
    kept = kept_names(joined) | set(firmware) | naming.keywords | _texts(tree)
    uses = Counter(_uses(tree))
    in_class_bodies = _named_in_class_bodies(tree)
    code = {node.name for node in ast.walk(tree) if isinstance(node, _CODE)}
    spelled = _spelled(trees) | _PROTOCOLS | set(dir(builtins))
    free = [word for word in firmware if word not in spelled and not word.startswith("__")]
    own_word: dict[str, str] = {}  # word -> function, method or class
    for name in sorted(_owned(tree), key=lambda name: (-uses[name], name)):
        table = naming.globals if "." in name else naming.attributes
        if table is naming.attributes and (name in kept or name.startswith("__")):
            continue
        taken = set(table.values()) | (own_word.keys() if name in code else set())
        if name in in_class_bodies:
            taken |= set(naming.attributes.values())
        if table is naming.attributes:
            taken |= {w for g, w in naming.globals.items() if g in in_class_bodies}
        word = next((word for word in free if word not in taken), None)
        if word is None:
            raise LinkError(name, "no word is left for it", f"{WORDS.name} is short", "add to it")
        table[name] = word
        if name in code:
            own_word[word] = name
    weights: Counter[str] = Counter()
    for name, count in uses.items():
        table = naming.globals if "." in name else naming.attributes
        weights[table.get(name, _last(name))] += count
    naming.order = sorted(weights, key=lambda word: (-weights[word], word))
    words = {*naming.globals.values(), *naming.attributes.values()} & set(free)
    naming.shared = [word for word in naming.order if word in words]
    return naming


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _spelled(trees: Iterable[ast.Module]) -> set[str]:
    """Every name and text that stands anywhere."""
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            for value in vars(node).values():
                found.update(_last(v) for v in _listed(value) if isinstance(v, str))
    return found


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _texts(tree: ast.Module) -> set[str]:
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {value for value in constants if isinstance(value, str)}


def _keywords(trees: Iterable[ast.Module]) -> set[str]:
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}


def _uses(tree: ast.Module) -> Iterator[str]:
    """Each use of a name that bytecode writes as an index into the table of names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if "." in node.id or hasattr(builtins, node.id):
                yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, _CODE):
            yield node.name
            yield node.name  # where it is bound, and in its own record
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from [node.value] if node.value.isidentifier() else []


def _owned(tree: ast.Module) -> set[str]:
    """Globals, by their joined names, and attributes that the program defines."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and "." in node.id:
            found.add(node.id)
        elif isinstance(node, ast.alias) and node.asname and "." in node.asname:
            found.add(node.asname)
        elif isinstance(node, _CODE) and "." in node.name:
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        if isinstance(node, ast.ClassDef):
            found |= members(node)
    return found


def _named_in_class_bodies(tree: ast.Module) -> set[str]:
    """Globals that are looked up where the members of a class are: before its methods run."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                parts: list[ast.AST] = [part]
                if isinstance(part, _FUNCTIONS):
                    parts = [*part.decorator_list, part.args]
                nodes = [inner for outer in parts for inner in ast.walk(outer)]
                found |= {inner.id for inner in nodes if isinstance(inner, ast.Name)}
    return found
