"""The pages say what is: examples are run, tables compared with the code, names looked up."""

from __future__ import annotations

import ast
import base64
import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cbor2
import click
import flows
import pytest
import ramboard
from outcome import refusal_of
from samples import ROOT

from hanboot import cli, errors
from hanboot.boards import interface
from hanboot.cli import completion, settings
from hanboot.explain.fields import MANIFEST_FIELDS
from hanboot.explain.reasons import REASONS, explain, reasons_markdown
from hanboot.image import release
from hanboot.trust import comb
from hanboot.trust.keys import PublicKey
from hanbootloader import policy, reasons
from hanbootloader.image import cose, manifest, ota, writer
from hanbootloader.image.reader import ImageReader, Sink
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer
from hanbootloader.link.groups import image as image_group
from hanbootloader.store import flash_map, ledger
from hanbootloader.trust import cell, p256

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(name: str) -> str:
    (page,) = (page for page in PAGES if page.name == name)
    return TEXTS[page]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def section(text: str, heading: str) -> str:
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", text, re.S | re.M)
    assert found, heading
    return found[2]


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, its heading first."""
    found = []
    for lines in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines.splitlines()]
        found.append([[cell.strip() for cell in row] for row in rows if set(row[0]) != set("-")])
    return found


# --- formats.md: the worked example


@pytest.fixture(scope="module")
def example() -> bytes:
    octets = b""
    for line in blocks(text_of("formats.md"), "hex")[0].splitlines():
        assert int(line[:4], 16) == len(octets)
        octets += bytes.fromhex(line[6:53])
    return octets


@pytest.fixture(scope="module")
def points() -> dict[str, bytes]:
    """Public keys x || y by their owner."""
    found: dict[str, bytes] = {}
    for line in blocks(text_of("formats.md"), "keys")[0].splitlines():
        name, _, number = line.split()
        found[name] = found.get(name, b"") + bytes.fromhex(number)
    return found


@pytest.fixture(scope="module")
def reader(example: bytes) -> ImageReader:
    found = ImageReader(len(example), Sink())
    for octet in range(len(example)):
        found.feed(example[octet : octet + 1])
    found.finish()
    return found


def test_the_example_says_what_its_notes_say(example, reader):
    header, found = reader.header, reader.manifest
    values = {
        "File version": header.file_version,
        "ZigBee stack version": header.stack_version,
        "Manufacturer code": header.manufacturer_code,
        "Image type": header.image_type,
        "Total Image size": len(example),
        "Minimum hardware version": header.hardware[0],
        "Maximum hardware version": header.hardware[1],
        "2 manufacturer_code": found.manufacturer_code,
        "4 image_type": found.image_type,
        "6 file_version": found.file_version,
        "14 minimum_base_version": found.minimum_base_version,
        "16 security_counter": found.security_counter,
    }
    listing = blocks(text_of("formats.md"), "hex")[0]
    notes = dict(line[55:].split(": ", 1) for line in listing.splitlines() if ": " in line[55:])
    for name, value in values.items():
        assert int(notes[name], 0) == value, name
    assert (found.label, found.cpl_entry_id, found.release_notes) == ("2.0.0", "PPMID-0003", None)
    assert found.point_of_no_return
    assert found.hardware == header.hardware
    assert [(v, bool(h), e) for v, h, e in found.predecessors] == [
        (0x01010000, True, "PPMID-0002"),
        (0x01020000, False, None),
    ]
    assert writer.encode_manifest(found) == bytes(reader.envelope.content)


def test_the_signatures_of_the_example_are_right(example, reader, points):
    signed = writer.to_be_signed(bytes(reader.envelope.content))
    image = example[ota.HEADER_BYTES : -ota.TRAILER_BYTES]
    trailer = ota.parse_trailer(reader.trailer)
    for owner, message, signature, digest in (
        ("manufacturer", signed, reader.envelope.signature, reader.envelope.digest()),
        ("supplier", image, trailer.signature, reader.image_hash()),
    ):
        key = PublicKey(points[owner])
        assert key.is_signature(message, bytes(signature))
        assert not key.is_signature(message + b"\0", bytes(signature))
        for table in (None, comb.build_table(key.point)):
            assert p256.verify(key.point, digest, signature, table)
            assert not p256.verify(key.point, digest[::-1], signature, table)
    assert reader.envelope.kid == PublicKey(points["manufacturer"]).kid


def test_the_example_is_cose_to_others(example, points):
    tag = cbor2.loads(example[ota.HEADER_BYTES :][:2048])
    protected, unprotected, content, signature = tag.value
    assert tag.tag == 18
    assert cbor2.loads(protected) == {1: -7}
    assert unprotected == {4: PublicKey(points["manufacturer"]).kid}
    assert cbor2.loads(content)[6] == 0x02000000
    message = cbor2.dumps(["Signature1", protected, b"", content])
    assert PublicKey(points["manufacturer"]).is_signature(message, signature)


@pytest.mark.parametrize(
    ("running", "reason"),
    [
        ((0x01010000, "named"), reasons.ACCEPTED),
        ((0x01010000, "other"), reasons.NOT_A_PREDECESSOR),
        ((0x01020000, "other"), reasons.ACCEPTED),
        ((0x01000000, "other"), reasons.BELOW_MINIMUM_BASE),
        (None, reasons.BELOW_MINIMUM_BASE),
    ],
)
def test_a_device_checks_the_example(example, reader, points, running, reason):
    board = ramboard.Board()
    device = board.device()
    for owner, role in (("supplier", cell.SUPPLIER), ("manufacturer", cell.MANUFACTURER)):
        head = cell.encode_head(
            role, cell.DIGITAL_SIGNATURE, cell.DEVELOPMENT, points[owner], 1, owner.encode()
        )
        for _ in device.put_anchor_steps(head, None):
            pass
    if running:
        version, which = running
        first, *_ = reader.manifest.predecessors
        digest = first[1] if which == "named" else bytes(range(32))
        device.ledger.slots[0] = ledger.SlotRecord(ledger.TRIAL, False, version, 100, 0, digest)
        device.ledger.confirm(0)
    installer = Installer(board.device())
    # refused or not, the verdict says so
    with contextlib.suppress(reasons.Refused):
        flows.send(installer, example)
        flows.verify(installer)
    assert board.device().ledger.verdict().reason == reason


def load_example_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_example", DOCS / "reference" / "make_example.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_can_be_made_anew():
    maker = load_example_maker()
    pieces, _, _ = maker.example()

    # offsets and notes; keys, hashes and signatures differ each time
    def frame_of(listing: str) -> list[str]:
        return [line[:4] + line[53:] for line in listing.splitlines()]

    on_page = blocks(text_of("formats.md"), "hex")[0]
    assert frame_of(maker.listing(pieces)) == frame_of(on_page)


# --- formats.md: tables


def test_offsets_of_each_table_have_no_gap():
    totals = {}
    for rows in tables(text_of("formats.md")):
        if rows[0][:2] != ["offset", "octets"]:
            continue
        end = 0
        for offset, octets, *_ in rows[1:]:
            # a record's body has no fixed length
            if not (offset.isdigit() and octets.isdigit()):
                break
            assert int(offset) == end, rows[0]
            end += int(octets)
        totals.setdefault(rows[0][2], end)
    event = struct.calcsize(ledger._EVENT)
    head = struct.calcsize(ledger._VERDICT_HEAD) + struct.calcsize(ledger._MODEL)
    assert totals == {
        "field": totals["field"],
        "field of a record": 4,
        "field of a slot": ledger._SLOT_BYTES,
        "field of the tail": struct.calcsize(ledger._TAIL),
        "field of an accepted firmware": ledger._ACCEPT_BYTES,
    }
    for text, octets in (
        ("### Last verdict", head),
        ("### Upgrade history", event),
        ("## Trust anchor cell", cell.HEAD_BYTES),
        ("## OTA Upgrade Image", ota.HEADER_BYTES),
    ):
        rows = tables(section(text_of("formats.md"), text.lstrip("# ")))[0]
        assert int(rows[-1][0]) + int(rows[-1][1]) == octets, text


def test_the_flash_map_is_the_code_s():
    rows = tables(section(text_of("formats.md"), "Flash map"))[0][1:]
    listed = [(row[0].strip("`"), row[1]) for row in rows]
    regions = flash_map.STORE + flash_map.MORE
    assert listed == [(name, str(count) if count else "what is left") for name, count in regions]


def test_the_manifest_table_is_the_parser_s(reader):
    rows = {
        int(row[0]): row[3] for row in tables(section(text_of("formats.md"), "Manifest"))[0][1:]
    }
    assert set(rows) == set(MANIFEST_FIELDS)
    fields = cbor2.loads(bytes(reader.envelope.content))
    for key, present in rows.items():
        content = {k: v for k, v in fields.items() if k != key}
        found = refusal_of(manifest.parse_manifest, cbor2.dumps(content, canonical=True))
        is_required = found == (reasons.MANIFEST_MALFORMED, key)
        assert is_required or found == (reasons.ACCEPTED, -1)
        assert present == ("required" if is_required else "optional"), key


# --- decisions.md


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


# --- adopting.md


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


# --- protocol.md


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


# --- the lower s


def test_a_high_s_signature_is_refused(reader, points):
    """formats.md says so: the other signature verifies, too, and the format refuses it."""
    signature = bytes(reader.envelope.signature)
    high_s = signature[:32] + (p256.ORDER - int.from_bytes(signature[32:], "big")).to_bytes(
        32, "big"
    )
    assert p256.verify(points["manufacturer"], reader.envelope.digest(), high_s)
    envelope = writer.encode_envelope(reader.envelope.kid, bytes(reader.envelope.content), high_s)
    with pytest.raises(reasons.Refused) as refused:
        cose.Envelope(envelope)
    assert refused.value.reason == reasons.HIGH_S_SIGNATURE


# --- libraries.md


def test_every_dependency_is_listed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(entry for extra in extras for entry in extra)]
    # an extra may take in another
    names = {re.match(r"[\w-]+", entry)[0] for entry in declared} - {"hanboot"}
    rows = [row for found in tables(text_of("libraries.md")) for row in found[1:]]
    assert names <= {name for row in rows for name in row[0].split(", ")}


# --- house.md


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


# --- names on every page


def slug(heading: str) -> str:
    """As GitHub makes anchors of headings."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {slug(line.lstrip("# ")) for line in re.findall(r"^#+ .*$", TEXTS[page], re.M)}


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors_of(there), target


@each_page
def test_every_page_is_reached_from_the_index(page):
    index = DOCS / "README.md"
    if page == index:
        assert "(docs/README.md)" in TEXTS[ROOT / "README.md"]
    elif page != ROOT / "README.md":
        assert f"({page.relative_to(DOCS)})" in TEXTS[index]


def inline_code(page: Path) -> list[str]:
    text = re.sub(r"(?s)^```.*?^```$", "", TEXTS[page], flags=re.M)
    return re.findall(r"`([^`\n]+)`", text)


@each_page
def test_named_paths_exist(page):
    made = (".venv", ".toolchain", "build")
    for code in inline_code(page):
        first = code.split("/")[0]
        # a path that begins with a slash is on a board
        is_path = bool(first) and "/" in code and " " not in code
        if is_path and (ROOT / first).is_dir() and first not in made:
            assert (ROOT / code).exists(), code


def commands_on(page: Path) -> list[str]:
    scripts = "\n".join(blocks(TEXTS[page], "sh")).replace("\\\n", " ")
    shell = re.findall(r"^hanboot .*$", scripts, re.M)
    return shell + [code for code in inline_code(page) if re.match(r"hanboot [a-z]", code)]


@each_page
def test_named_commands_exist(page):
    for line in commands_on(page):
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = cli.main
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, line
            command, words = found, words[1:]
        options = {
            name for param in command.params for name in (*param.opts, *param.secondary_opts)
        }
        for word in words:
            if word.startswith("-"):
                assert word.split("=")[0] in options, line


# --- security.md: the tests that threats name


def _names_defined_in(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
    return found


def test_every_threat_has_a_test_that_exists():
    (threats,) = tables(section(text_of("security.md"), "Threats by PSA"))
    assert threats[0] == ["threat", "answer", "test"]
    assert threats[1][0].startswith("`T.SKIP_INTERMEDIATE`")
    assert len(threats) == 1 + 13
    scenarios = ROOT / "tests" / "faults" / "scenarios.py"
    for threat, answer, test in threats[1:]:
        if test == "none":
            assert answer.startswith("not promised"), threat
            continue
        # `name`, `name` in `path`
        cited = re.findall(r"((?:`\w+`(?:, )?)+) in `([^`]+)`", test)
        assert cited, threat
        for names, path in cited:
            assert Path(path).name.startswith("test_"), path
            missing = set(re.findall(r"`(\w+)`", names)) - _names_defined_in(ROOT / path)
            assert not missing, (threat, path, missing)
        for name in re.findall(r"`([^`]+)`", "".join(re.findall(r"scenarios? (.*)", test))):
            assert f'    "{name}": Scenario(' in scenarios.read_text(encoding="utf-8"), name
        # nothing is named in another way
        rest = re.sub(r"(?:`\w+`(?:, )?)+ in `[^`]+`|scenarios? .*", "", test)
        assert "`" not in rest, (threat, rest)


@each_page
def test_named_make_targets_exist(page):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M)
    shell = re.findall(r"^make ([a-z0-9-]+)", "\n".join(blocks(TEXTS[page], "sh")), re.M)
    for code in inline_code(page):
        shell += re.findall(r"^make ([a-z0-9-]+)", code)
    assert set(shell) <= set(targets)


def test_the_readme_leads_with_two_commands():
    first = blocks(TEXTS[ROOT / "README.md"], "sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]


def test_the_readme_lists_the_exit_codes():
    (listed,) = [rows for rows in tables(TEXTS[ROOT / "README.md"]) if rows[0][0] == "exit code"]
    codes = {kind.exit_code for kind in errors.HanbootError.__subclasses__()}
    assert {int(row[0]) for row in listed[1:]} == codes | {0}


# --- cli.md


def every_command(command: click.Command, ctx: click.Context) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from every_command(found, ctx)


def test_every_variable_and_key_has_its_row():
    rows = tables(section(text_of("cli.md"), "Where options come from"))[0][1:]
    listed = {tuple(cell.strip("`") for cell in row) for row in rows}
    known = {
        (str(p.envvar), p.opts[-1])
        for command in every_command(cli.main, click.Context(cli.main))
        for p in command.params
        if p.envvar
    }
    assert {row[1:] for row in listed} == known
    assert {row[0] for row in listed} - {"none"} == set(settings.NAMES)
    shown = tomllib.loads(blocks(text_of("cli.md"), "toml")[0])
    assert set(shown) <= set(settings.NAMES)


def test_every_exit_code_has_its_row():
    rows = tables(section(text_of("cli.md"), "Exit codes"))[0][1:]
    codes = {kind.exit_code for kind in errors.HanbootError.__subclasses__()}
    assert {int(row[0]) for row in rows} == codes | {0, cli.EXIT_FAULT, cli.EXIT_INTERRUPTED}


def test_options_of_every_command_have_their_row():
    for heading, command, extra in (
        ("Options before the command", cli.main, {"--help", "-h"}),
        ("The device", cli.main.get_command(click.Context(cli.main), "reset"), {"--json"}),
    ):
        rows = tables(section(text_of("cli.md"), heading))[0][1:]
        listed = {name for row in rows for name in re.findall(r"`(--?[a-z-]+)", row[0])}
        assert command is not None
        assert listed == {name for p in command.params for name in p.opts} - extra


def test_completion_is_installed_as_the_command_says():
    rows = tables(section(text_of("cli.md"), "Completion"))[0][1:]
    assert {row[0] for row in rows} == set(completion.SHELLS)
    reported = " ".join((completion.completion.help or "").split())
    for shell, command in rows:
        assert f"{shell}: {command.split('`')[1]}" in reported


# --- adopting.md, as it stands


def script_of(page: str) -> str:
    """The page's `sh` blocks as one script; the virtual board runs beside it."""
    lines = ["set -eu", "trap 'kill $BOARD; wait' EXIT", "BOARD="]
    for number, block in enumerate(blocks(text_of(page), "sh")):
        lines.append(f"echo '=== {number}'")
        if block.startswith("hanboot board run"):
            lines.append(f"{block.strip()} & BOARD=$!")
            lines.append("until test -s device/port; do kill -0 $BOARD; sleep 0.05; done")
            continue
        for line in block.splitlines():
            command, _, code = line.partition("# exit ")
            lines.append(f"CODE=0; {command} || CODE=$?; test $CODE = {code}" if code else line)
    return "\n".join(lines) + "\n"


def masked(line: str) -> str:
    """Hashes differ with the keys."""
    return re.sub(r"[0-9a-f]{16,}", "H", " ".join(line.split()))


def test_predecessors_by_hand_are_taken(tmp_path):
    shown = re.search(r"RELEASE.toml <<'END'\n(.*?)^END$", text_of("adopting.md"), re.S | re.M)
    assert shown
    by_hand = blocks(text_of("adopting.md"), "toml")[0]
    (tmp_path / "app.py").write_text("async def main(services):\n    pass\n")
    (tmp_path / "RELEASE.toml").write_text(shown[1] + by_hand)
    (predecessor,) = release.load(tmp_path).predecessors
    assert predecessor.file_version == 0x01010000
    assert predecessor.image_hash
    assert predecessor.cpl_entry_id


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl plays the HSM")
def test_the_way_of_a_manufacturer(tmp_path):
    """In a folder with spaces, with a manufacturer code that no board here has of its own."""
    tools = Path(sys.executable).parent
    folder = tmp_path / "Acme Ltd (our own)"
    folder.mkdir()
    process = subprocess.Popen(
        ["bash", "-c", script_of("adopting.md")],
        cwd=folder,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, output
    seen = {masked(line) for line in output.splitlines()}
    for shown in blocks(text_of("adopting.md"), "text"):
        for line in shown.splitlines():
            assert masked(line) in seen, line
