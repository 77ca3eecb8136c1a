"""docs/reference/han.md: its frames are frames, and its numbers those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hanbootloader.han import network_time, node, ota_cluster, reason_attributes, zcl
from hanbootloader.han.ota_store import Timing
from hanbootloader.link.groups import tunnel
from hanbootloader.store.han_records import OUTCOMES_MOST

PAGE = (Path(__file__).parents[2] / "docs/reference/han.md").read_text(encoding="utf-8")
FRAMES = re.search(r"^```frames\n(.*?)^```$", PAGE, re.S | re.M)
LINES = FRAMES[1].splitlines() if FRAMES else []


def test_there_are_examples() -> None:
    assert len(LINES) > 8


@pytest.mark.parametrize("line", LINES)
def test_frame(line: str) -> None:
    """Each decodes, comes from whom it says, and encodes to the same octets."""
    sender, text = line.split(maxsplit=1)
    octets = bytes.fromhex(text)
    frame = zcl.parse(octets)
    assert frame.encode() == octets
    assert frame.from_server == (sender == "hub")
    if frame.is_global:
        assert zcl.parse_default_response(frame.payload) == (ota_cluster.UPGRADE_END, 0)
        return
    assert ota_cluster.is_from_server(frame.command) == frame.from_server
    values = ota_cluster.parse(frame.command, frame.payload)
    assert ota_cluster.encode(frame.command, values) == bytes(frame.payload)
    if "version" in values:
        assert (values["manufacturer"], values["image_type"]) == (0xFFF0, 5)


def test_commands() -> None:
    rows = re.findall(r"^\| ([0-9A-F]{2}) [A-Z].* \| (hub|device) \|", PAGE, re.M)
    found = {int(number, 16): sender == "hub" for number, sender in rows}
    assert found == {
        command: ota_cluster.is_from_server(command) for command in ota_cluster._LAYOUTS
    }


def test_numbers() -> None:
    for text in (
        f"({Timing.answer_least_ms} ms to {Timing.unmeasured_ms // 1000} s)",
        f"up to {Timing.answer_most_ms // 1000} s",
        f"{Timing.bad_answers} wrong answers",
        f"at most {Timing.waits} times in a row",
        f"at {node._FIRST_QUERY_S} s plus",
        f"every {Timing.query_s // 3600} hours",
        f"every {network_time.READ_S // 60} minutes",
        f"at most {network_time.JUMP_S // 60} minutes",
        f"up to {network_time.RESTART_S // 3600} hours above",
        f"F{reason_attributes.LAST_REASON & 0xFFF:03X}",
    ):
        assert text in PAGE, text
    assert (Timing.tries, network_time.AGREEING, OUTCOMES_MOST) == (8, 3, 8)
    assert tunnel.HEAD_BYTES == 1 + 8 + 2


def test_every_default_names_its_module() -> None:
    table = PAGE[PAGE.index("## Beyond GBCS") :]
    modules = re.findall(r"\| `(\w+\.py)` \|$", table, re.M)
    assert len(modules) > 10
    root = Path(__file__).parents[2]
    there = {
        file.name
        for folder in ("bootloader/han", "host_tools/hanboot/hub")
        for file in (root / folder).glob("*.py")
    }
    assert set(modules) <= there
