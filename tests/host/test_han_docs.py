"""docs/reference/han.md: its frames are frames, and its numbers those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hanboot.hub import ota, post
from hanbootloader import reasons
from hanbootloader.board import Radio
from hanbootloader.han import (
    mail,
    network_time,
    node,
    ota_cluster,
    radio,
    reason_attributes,
    tunneling,
    zcl,
)
from hanbootloader.han.gbcs import message, use_cases
from hanbootloader.han.ota_store import Timing
from hanbootloader.link.groups import tunnel
from hanbootloader.store.han_records import ORIGINATORS_MOST, OUTCOMES_MOST

PAGE = (Path(__file__).parents[2] / "docs/reference/han.md").read_text(encoding="utf-8")


def examples(kind: str) -> list[str]:
    """Lines of the blocks of a kind."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.S | re.M)
    return [line for block in blocks for line in block.splitlines()]


def parse_line(line: str) -> zcl.Frame:
    """An example decodes, comes from whom it says, and encodes to the same octets."""
    sender, text = line.split(maxsplit=1)
    octets = bytes.fromhex(text)
    frame = zcl.parse(octets)
    assert frame.encode() == octets
    assert frame.from_server == (sender == "hub")
    return frame


def test_there_are_examples() -> None:
    found = {kind: len(examples(kind)) for kind in ("frames", "tunnelled", "time", "tunnel")}
    assert found == {"frames": 14, "tunnelled": 2, "time": 2, "tunnel": 1}


@pytest.mark.parametrize("line", examples("frames"))
def test_frame(line: str) -> None:
    frame = parse_line(line)
    if frame.manufacturer is not None:
        assert frame.manufacturer == 0xFFF0
        wanted = [reason_attributes.LAST_REASON, reason_attributes.ACCEPTS_VERSION]
        if frame.from_server:
            assert zcl.parse_read(frame.payload) == wanted
        else:
            values = [reasons.NOT_A_PREDECESSOR, 0x01010000]
            assert zcl.parse_read_response(frame.payload) == dict(zip(wanted, values, strict=True))
        return
    if frame.is_global:
        assert zcl.parse_default_response(frame.payload) == (ota_cluster.UPGRADE_END, 0)
        return
    assert ota_cluster.is_from_server(frame.command) == frame.from_server
    values = ota_cluster.parse(frame.command, frame.payload)
    assert ota_cluster.encode(frame.command, values) == bytes(frame.payload)
    if "version" in values:
        assert (values["manufacturer"], values["image_type"]) == (0xFFF0, 5)


def test_a_message_and_its_receipt() -> None:
    transfer, receipt = map(parse_line, examples("tunnelled"))
    assert transfer.command == tunneling.TO_CLIENT
    octets = tunneling.parse_transfer(transfer.payload)
    command = message.parse(bytes(octets))
    assert use_cases.find(command, (use_cases.CS08_COMMAND,)) is use_cases.CS08_COMMAND
    assert command.encode() == octets
    assert len(octets) == 78
    assert receipt.sequence == transfer.sequence
    assert zcl.parse_default_response(receipt.payload) == (tunneling.TO_CLIENT, zcl.SUCCESS)


def test_the_time() -> None:
    question, answer = map(parse_line, examples("time"))
    assert zcl.parse_read(question.payload) == [0]
    assert zcl.parse_read_response(answer.payload) == {0: 0x32D5AB40}


def test_a_frame_in_the_tunnel() -> None:
    octets = bytes.fromhex(examples("tunnel")[0])
    peer, cluster, is_broadcast, inner = tunnel.parse_frame(octets)
    assert (peer.hex(), cluster, is_broadcast) == ("00db1234567890aa", zcl.OTA_CLUSTER, False)
    assert zcl.parse(inner).command == ota_cluster.IMAGE_NOTIFY
    assert tunnel.encode_frame(peer, cluster, inner) == octets


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
    assert (Timing.tries, network_time.AGREEING, OUTCOMES_MOST, ORIGINATORS_MOST) == (8, 3, 8, 8)
    assert (Radio.block_bytes, radio.FRAME_MOST_BYTES) == (50, 256)
    assert (ota._NOTIFY_S, ota._NOTIFY_MOST_S, ota.Pacing.stall_s) == (30, 3600, 60)
    assert (mail._RESEND_MS, mail._RESEND_MOST_MS, mail._ANSWER_SENDS) == (2000, 600_000, 8)
    assert (post._RESEND_S, post._RESEND_MOST_S, post._RESENDS) == (2, 120, 120)
    assert tunnel.HEAD_BYTES == 1 + 8 + 2


def test_every_default_names_its_module() -> None:
    table = PAGE[PAGE.index("## Beyond GBCS") :]
    modules = [
        module
        for cell in re.findall(r"\| (`[^|]*`) \|$", table, re.M)
        for module in re.findall(r"`(\w+\.py)`", cell)
    ]
    assert len(modules) > 20
    root = Path(__file__).parents[2]
    there = {
        file.name
        for folder in ("bootloader/han", "bootloader/store", "host_tools/hanboot/hub")
        for file in (root / folder).glob("*.py")
    }
    assert set(modules) <= there
