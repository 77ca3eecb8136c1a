"""The bootloader, linked as for a product: what it keeps, and that its source alone counts."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import linker
from linker import interface

from .conftest import ROOT

_TRACEBACK = """\
Traceback (most recent call last):
  File "main.py", line 1, in <module>
  File "bootloader.py", line 1, in {run}
  File "bootloader.py", line 1, in readline
{refused}: (4, 52)
AttributeError: '{slot}' object has no attribute '{hash}'
"""


def _attributes(source: str) -> set[str]:
    nodes = ast.walk(ast.parse(source))
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    nodes = ast.walk(ast.parse(source))
    return found | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_applications_find_what_they_are_promised(product: linker.Linked) -> None:
    expected = {
        *("attach", "confirm", "data", "file_version", "label", "on_trial", "readline", "say"),
        *("show", "update", "verdict"),
        *("accepts", "accepts_total", "minimum_base_version", "offered_hash", "offered_version"),
        *("offset", "reason", "running_hash", "running_version"),
    }
    assert expected <= _attributes(product.modules["bootloader"])


def test_applications_may_call_with_keywords(product: linker.Linked) -> None:
    nodes = ast.walk(ast.parse(product.modules["bootloader"]))
    found = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    assert [argument.arg for argument in found["say"].args.args[1:]] == ["text"]
    assert [argument.arg for argument in found["show"].args.args[1:]] == ["lines"]


def test_what_a_board_gives_keeps_its_name(product: linker.Linked) -> None:
    asked = _attributes(product.modules["bootloader"])
    given = _attributes(product.modules["board"])
    said = (ROOT / "bootloader" / "device.py").read_text()
    for name in interface.BOARD:
        assert name in asked, name
        # idle and report are of no interest but to start.py
        assert name in said or name in ("idle", "report"), name
    assert {"region", "console", "reset", "watchdog", "display", "report"} <= given


def test_words_are_of_one_meaning_each(product: linker.Linked) -> None:
    for word, found in product.names.items():
        last = {name.rpartition(".")[2] for name in found}
        # a global and an attribute at most, and one of them at most is code
        assert len({name.removesuffix("()") for name in last}) <= 2, (word, found)
        assert len({name for name in last if name.endswith("()")}) <= 1, (word, found)


def test_no_name_of_the_source_is_left_over(product: linker.Linked) -> None:
    assert not product.attributes & _attributes(product.modules["bootloader"])
    assert not product.attributes & _attributes(product.modules["board"])


def test_only_writers_of_formats_are_left_out(product: linker.Linked) -> None:
    # a check that nobody calls would be a mistake in the source
    assert product.dropped == [
        "trust.p256.verify",
        "trust.anchors.encode_head",
        "image.cose.to_be_signed",
        "image.cose.assemble",
        "image.reader.ImageReader.complete",
    ]


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_same_source_same_octets(product: linker.Linked, seed: str) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]; import json; from conftest import *;"
        "found = linker.link(ROOT, 'bootloader', CLIENTS);"
        "print(json.dumps([found.modules, found.names]))"
    )
    arguments = [str(Path(__file__).parent), str(ROOT / "boards" / "toolchain")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [product.modules, product.names]


def test_a_traceback_becomes_readable(product: linker.Linked, tmp_path: Path) -> None:
    def word(name: str) -> str:
        return next(word for word, found in product.names.items() if name in found)

    text = _TRACEBACK.format(
        run=word("boot.run()"),
        refused=word("reasons.Refused"),
        slot=word("store.ledger.Slot"),
        hash=word("store.ledger.Slot.point_of_no_return"),
    )
    names = tmp_path / "firmware.names.json"
    names.write_text(json.dumps(product.names))
    done = subprocess.run(
        [sys.executable, str(ROOT / "boards" / "toolchain"), "readable", str(names)],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[2] == '  File "bootloader", line 1, in boot.run()'
    assert lines[3] == '  File "bootloader", line 1, in readline'
    assert lines[4].startswith("reasons.Refused")
    assert "store.ledger.Slot" in lines[5]
    assert "point_of_no_return" in lines[5]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}'])
def test_no_names(tmp_path: Path, content: str) -> None:
    names = tmp_path / "names.json"
    names.write_text(content)
    with pytest.raises(linker.LinkError, match="holds no names"):
        linker.load_names(names)
