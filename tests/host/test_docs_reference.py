"""What the reference and the design say of the code is what the code has."""

from __future__ import annotations

import ast
import base64
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import ramboard
from docs_pages import blocks, section, tables, text_of
from samples import ROOT

from hanboot.boards import interface
from hanboot.explain.reasons import REASONS, explain, reasons_markdown
from hanbootloader import policy, reasons
from hanbootloader.image import manifest, ota
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer
from hanbootloader.link.groups import image as image_group


def test_the_table_of_reasons_is_the_rendered_one():
    found = re.search(
        r"<!-- rendered by hanboot.explain.reasons.reasons_markdown\(\) -->\n\n(.*?)\n<!-- end -->",
        text_of("decisions.md"),
        re.S,
    )
    assert found
    assert found[1] == reasons_markdown()


def test_the_order_names_every_reason_of_an_arriving_image():
    named = re.findall(r"`([a-z-]+)`", section(text_of("decisions.md"), "The order"))
    codes = {entry.name: entry.code for entry in REASONS.values()}
    assert set(named) <= set(codes)
    of_images = {name for name, code in codes.items() if 0 < code < reasons.NO_IMAGE_HELD}
    assert of_images <= set(named)


def test_the_order_is_that_of_the_decision():
    """An image with everything wrong, fixed reason by reason, goes down the page's list."""
    running = policy.RunningFirmware(0x01000000, bytes(32))
    device = policy.DeviceFacts(1, 1, 1, policy.ESME, 1000, 5)
    header = ota.Header(2, 2, 7, 3000, (2, 2))
    content = manifest.Manifest(3, 1, 7, (1, 1), 0, 1, bytes(32), (), 0x02000000, 4)
    result = policy.VerificationResult()
    fix = {
        "size-mismatch": lambda: setattr(header, "total_bytes", 4000),
        "too-large": lambda: setattr(device, "slot_bytes", 9000),
        "manufacturer-code": lambda: setattr(header, "manufacturer_code", 1),
        "image-type": lambda: setattr(header, "image_type", 1),
        "hardware-version": lambda: setattr(header, "hardware", (1, 1)),
        "header-mismatch": lambda: setattr(content, "manufacturer_code", 1),
        "already-running": lambda: setattr(running, "image_hash", bytes(31) + b"1"),
        "below-minimum-base": lambda: setattr(content, "minimum_base_version", 0),
        "not-a-predecessor": lambda: setattr(content, "predecessors", ((0x01000000, None, None),)),
        "security-counter": lambda: setattr(content, "security_counter", 5),
        "padding": lambda: setattr(result, "padding_is_zero", True),
        "payload-hash": lambda: setattr(result, "payload_hash_matches", True),
        "unknown-signer": lambda: setattr(result, "signer_known", True),
        "manufacturer-signature": lambda: setattr(result, "manufacturer_valid", True),
        "supplier-signature": lambda: setattr(result, "supplier_valid", None),
        "supplier-missing": lambda: setattr(device, "device_type", policy.PPMID),
    }
    seen = []
    while reason := policy.decide(header, content, 4000, 3900, bytes(32), result, running, device):
        seen.append(explain(reason).name)
        fix[seen[-1]]()
    listed = re.findall(r"`([a-z-]+)`", section(text_of("decisions.md"), "The order"))
    assert set(seen) == set(fix)
    # whether there is a supplier's signature is one question with whether it is right
    order = [name for name in listed if name in fix]
    assert seen[:-2] == order[: len(seen) - 2]
    assert set(seen[-2:]) == set(order[len(seen) - 2 : len(seen)])


def test_the_table_of_board_members_is_the_rendered_one():
    found = re.search(
        r"<!-- rendered by hanboot.boards.interface.\w+\(\) -->\n\n(.*?)\n<!-- end -->",
        text_of("adopting.md"),
        re.DOTALL,
    )
    assert found
    assert found[1] == interface.members_markdown()


def test_every_part_of_a_board_says_what_it_does():
    for part in ("Console", "Radio"):
        assert all(member.meaning for member in interface.members(part))


def test_the_errors_of_group_1_are_the_code_s():
    rows = tables(section(text_of("protocol.md"), "Group 1: images"))[1][1:]
    listed = {
        name: int(row[0].split()[0]) for row in rows for name in re.findall(r"`([a-z-]+)`", row[1])
    }
    mapped = {explain(code).name: rc for code, rc in image_group._NEAREST.items()}
    assert listed == mapped
    other = image_group.to_error(reasons.Refused(reasons.HEADER_MISMATCH)).rc
    assert [int(row[0].split()[0]) for row in rows if row[1] == "every other reason"] == [other]


def console() -> tuple[ramboard.Board, ConsoleServer]:
    board = ramboard.Board()
    device = board.device()
    return board, ConsoleServer(device, Installer(device), lambda: False)


def test_every_command_has_its_place_on_the_page():
    _, served = console()
    groups = served._dispatcher._groups
    headings = {0: "Group 0: OS", 1: "Group 1: images", 10: "Group 10: enumeration"}
    for group, heading in headings.items():
        rows = tables(section(text_of("protocol.md"), heading))[0][1:]
        assert {int(row[0].split()[0]) for row in rows} == set(groups[group])
    text = section(text_of("protocol.md"), "Group 65: hanboot")
    listed = {
        int(n) for found in re.findall(r"^\*\*([\d, ]+)", text, re.M) for n in found.split(",")
    }
    assert listed == set(groups[smp.HANBOOT_GROUP])


def test_the_limits_of_the_line_are_the_code_s():
    rows = dict(tables(section(text_of("protocol.md"), "Framing"))[0][1:])
    assert rows["packet that the device takes (`buf_size`)"] == str(frame.BUF_BYTES)
    assert rows["line that the device takes"] == str(frame._LINE_BYTES)
    assert rows["typed line that is kept for the application"] == str(frame._TEXT_BYTES)
    longest = max(map(len, frame.encode(bytes(400)).splitlines(keepends=True)))
    assert rows["line that the device sends, with its markers"] == str(longest)


def test_the_example_frames_are_answered_as_shown():
    board, served = console()
    pairs = blocks(text_of("protocol.md"), "frames")[0].strip().split("\n\n")
    for pair in pairs:
        lines = []
        for shown in pair.splitlines():
            found = re.fullmatch(r"06 09 (\S+)\s+((?:[0-9A-F]{2,} )*[0-9A-F]{2,})\s{2,}\S.*", shown)
            assert found, shown
            message = bytes.fromhex(found[2])
            assert base64.b64decode(found[1])[2:-2] == message
            lines.append(b"\x06\x09" + found[1].encode() + b"\n")
            assert frame.encode(message) == lines[-1]
        board.console.outgoing = b""
        board.console.incoming = lines[0]
        while served.poll():
            pass
        assert board.console.outgoing == lines[1]
        assert smp.parse_header(message) is not None


def test_every_dependency_is_listed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(entry for extra in extras for entry in extra)]
    # an extra may take in another
    names = {re.match(r"[\w-]+", entry)[0] for entry in declared} - {"hanboot"}
    rows = [row for found in tables(text_of("libraries.md")) for row in found[1:]]
    assert names <= {name for row in rows for name in row[0].split(", ")}


@pytest.mark.parametrize(
    ("part", "may_import"),
    [
        ("bootloader", {"hanbootloader"}),
        *(
            (
                f"bootloader/{name}",
                {f"hanbootloader.{name}", "hanbootloader.compat", "hanbootloader.reasons"},
            )
            for name in ("image", "store")
        ),
        (
            "bootloader/trust",
            {
                "hanbootloader.trust",
                "hanbootloader.compat",
                "hanbootloader.reasons",
                "hanbootloader.store.flash",
            },
        ),
        ("firmware", set()),
    ],
)
def test_who_imports_whom(part, may_import):
    for file in (ROOT / part).rglob("*.py"):
        for name in imported(file):
            if name.split(".")[0] in ("hanbootloader", "hanboot", "board", "nor"):
                assert any(f"{name}.".startswith(f"{allowed}.") for allowed in may_import), file


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
