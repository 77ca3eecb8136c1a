"""docs/reference/gbcs.md, delivery.md, duis.md and dcc.md, and docs/guide/chain.md, say what is."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hanboot import cli
from hanboot.dcc import http_server
from hanboot.delivery import options
from hanboot.duis import codes, names
from hanboot.gbcs import codec, document, host_use_cases
from hanboot.trust.keys import PublicKey
from hanbootloader.han.gbcs import mac, message, use_cases
from hanbootloader.image import ota

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
GBCS = (REFERENCE / "gbcs.md").read_text(encoding="utf-8")
DELIVERY = (REFERENCE / "delivery.md").read_text(encoding="utf-8")
CHAIN = (REFERENCE.parent / "guide" / "chain.md").read_text(encoding="utf-8")
DCC = (REFERENCE / "dcc.md").read_text(encoding="utf-8")
DUIS = (REFERENCE / "duis.md").read_text(encoding="utf-8")


def block(text, language):
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)
    assert found
    return found[1]


def rows(text, heading):
    """Rows of the table in a section, as lists of cells."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    assert section, heading
    lines = re.findall(r"^\|(.*)\|$", section[1], re.M)
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def example():
    """The octets of the worked example, and the note beside each part."""
    octets, notes = b"", {}
    for line in block(GBCS, "hex").splitlines():
        assert int(line[:4], 16) == len(octets)
        if line[55:]:
            notes[len(octets)] = line[55:].strip()
        octets += bytes.fromhex(line[6:53])
    return octets, notes


def test_the_example(example):
    octets, notes = example
    decoded = codec.decode(octets)
    shown = document.to_document(decoded)
    assert shown["form"] == "final"
    said = dict(note.split(": ", 1) for note in notes.values() if ": " in note)
    assert said["originator"] == shown["originator"]
    assert said["recipient"] == shown["recipient"]
    assert int(said["counter"]) == shown["counter"] == shown["payload"]["counter"]
    assert said["message code"].startswith(f"0x{shown['message_code']}")
    assert said["execution time"] == decoded.values["execution_time"]
    assert int(said["length of the payload"]) == len(decoded.message.payload)
    at = next(at for at, note in notes.items() if note == "Manufacturer Image Hash")
    assert octets[at : at + 32] == decoded.values["image_hash"]
    assert decoded.message.encode() == octets


def test_the_keys_of_the_example(example):
    decoded = codec.decode(example[0])
    given = {}
    for line in block(GBCS, "keys").splitlines():
        owner, _, digits = line.split()
        given[owner] = given.get(owner, b"") + bytes.fromhex(digits)
    sent = decoded.message
    key = PublicKey(given["supplier"])
    assert key.is_signature(sent.signed_octets(), bytes(sent.signature))
    assert mac.derive_key(given["secret"], sent) == given["derived"]
    assert mac.is_right(given["secret"], sent)


def test_the_table_of_messages():
    listed = {(row[0], int(row[1], 16), row[2], row[4], row[6]) for row in rows(GBCS, "Messages")}
    protections = {1: "signature", 2: "MAC", 3: "signature and MAC"}
    assert listed == {
        (
            one.name,
            one.code,
            codec.KINDS[one.kind],
            protections[one.protection],
            "device" if one in use_cases.ALL else "host",
        )
        for one in host_use_cases.ALL
    }
    # alert codes stand in the payload's column
    for row in rows(GBCS, "Messages"):
        one = next(
            each for each in host_use_cases.ALL
            if each.code == int(row[1], 16) and codec.KINDS[each.kind] == row[2]
        )  # fmt: skip
        assert all(f"{code:04X}" in row[5] for code in one.alert_codes)
    assert f"{message.MESSAGE_MAX_BYTES} octets" in GBCS


def test_response_codes():
    for name in ("CS06", "CS08", "CS09", "CCS08"):
        one = next(each for each in use_cases.ALL if each.name == name)
        for code in range(2 if name in ("CS08", "CS09") else 4):
            assert f"{code} {document.response_text(one, code)}" in GBCS


def test_delivery():
    listed = {
        row[0][0]: re.findall(r"`NAME(\.[\w-]+)`", row[1]) for row in rows(DELIVERY, "The options")
    }
    one = {options.HEADER, options.IMAGE, options.SIGNATURE, options.HASH}
    assert set(listed["1"]) == one
    for option, ending in options.COMBINED.items():
        assert set(listed[str(option)]) == {ending, options.HASH}
    assert f"60 + Manufacturer Image + {ota.TRAILER_BYTES}" in DELIVERY
    assert ota.HEADER_BYTES == 60


def test_duis_services():
    found = {}
    for row in rows(DUIS, "Services"):
        found.setdefault(row[1], set()).update(int(one) for one in row[2].split(","))
    expected = {one.element: set(one.variants) for one in names.SERVICES.values()}
    expected["SignedPreCommand"] = set(names.SIGNED_PRE_COMMAND)
    assert found == expected


def test_duis_limits():
    limits = [number.replace(",", "") for number in re.findall(r"[\d,]{2,}", " ".join(
        row[1] for row in rows(DUIS, "Limits")
    ))]  # fmt: skip
    for limit in (
        names.DOCUMENT_MAX_BYTES,
        names.IMAGE_MAX_BYTES,
        names.DEVICES_MAX,
        names.DEPTH_MAX,
        names.ELEMENTS_MAX,
    ):
        assert str(limit) in limits


@pytest.mark.parametrize("text", [GBCS, DELIVERY, DUIS, DCC, CHAIN])
def test_commands_exist(text):
    """Each command that a page shows, with the options that it shows."""
    shown = re.sub(r"\\\n\s*", "", "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M)))
    for line in filter(None, shown.splitlines()):
        words = line.split()
        assert words[0] == "hanboot"
        command: click.Command = cli.main
        for word in words[1:]:
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found, line
            command = found
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_the_services_paths_and_codes():
    listed = {
        row[0].strip("`"): tuple(int(one) for one in row[1].split(",")) for row in rows(DCC, "HTTP")
    }
    assert listed == http_server.PATHS
    assert http_server.HASH_HEADER in DCC
    named = set(re.findall(r"\b[EW]\d+\b", DCC + CHAIN))
    assert named <= set(codes.RESPONSES)
