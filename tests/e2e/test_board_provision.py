"""`hanboot board provision`, as it goes on a line of real boards."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cells
import pytest
from click.testing import CliRunner
from command_line import assert_error, hanboot
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rig import Bench, ReleaseImages, States

from hanboot import cli
from hanboot.boards import device_code
from hanboot.boards.roles import FLASH_BYTES
from hanboot.boards.virtual import VirtualBoard
from hanboot.cli import asking, discovery
from hanboot.cli import board as commands
from hanboot.demo.bench import KeyPairs
from hanboot.device.client import Device
from hanboot.device.provisioning import AnchorKey, encode_cell, provision
from hanboot.trust import keys
from hanbootloader.trust import cell


@pytest.fixture
def arguments(pairs: KeyPairs, tmp_path: Path) -> list[object]:
    given: list[object] = []
    for name, key in (("manufacturer", pairs.manufacturer), ("supplier", pairs.supplier)):
        path = tmp_path / f"{name}.pub.pem"
        path.write_bytes(key.public_pem())
        given += [f"--{name}-public-key", path]
    return given


def _cells(bench: Bench) -> list[str]:
    with Device(bench.port) as device:
        return sorted(cell.role for cell in device.anchors())


def test_unplugged_between_two_cells(
    states: States, arguments: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = VirtualBoard(states.fresh(), "ppmid")
    board.start()

    def unplugging(device: Device, wanted: Any, on_cell: Any) -> None:
        provision(device, wanted, lambda key, outcome: board.stop())

    monkeypatch.setattr(commands, "provision", unplugging)
    # its folder: the path of its console may be another board's by then
    ran = hanboot("board", "provision", *arguments, "--port", f"virtual:{board.state}")
    assert_error(ran, 4, "lost", "plug it in again and repeat the command")
    monkeypatch.undo()
    with Bench(board.state) as again:
        # the supplier's is there, and locks nothing
        assert _cells(again) == ["supplier"]
        assert not again.identity().provisioned
        ran = hanboot("board", "provision", *arguments, "--port", again.port)
        assert ran.code == 0, ran.err
        assert _cells(again) == ["manufacturer", "supplier"]


@pytest.mark.parametrize("is_locked", [False, True], ids=["open", "locked"])
def test_one_more_anchor(
    is_locked: bool, states: States, pairs: KeyPairs, arguments: list[object]
) -> None:
    """A cell that a stranger gave the blank device: its key could name the broker's other key."""
    stranger = pairs.stranger.public
    role, usage = cell.ACCESS_CONTROL_BROKER, cell.DIGITAL_SIGNATURE
    other = AnchorKey(role, stranger.kid, stranger.point, False, "other", usage)
    with Bench(states.fresh()) as bench:
        with Device(bench.port) as device:
            device.put_anchor(encode_cell(other))
            if is_locked:
                # public keys are public: the right ones do not show who wrote them
                for anchor in reversed(pairs.anchors()):
                    device.put_anchor(encode_cell(anchor))
        before = _cells(bench)
        ran = hanboot("board", "provision", *arguments, "--port", bench.port)
        assert_error(ran, 1, "one more trust anchor", stranger.kid.hex(), "erase the device")
        assert _cells(bench) == before
        assert bench.identity().provisioned == is_locked


@pytest.mark.parametrize("held", ["noise", "zeros", "another program"])
def test_flash_that_held_something_else(
    held: str, states: States, firmware: ReleaseImages, arguments: list[object]
) -> None:
    """A board that ran something else before it was flashed: nothing of it counts."""
    state = states.fresh()
    state.mkdir()
    program = Path(device_code.micropython()).read_bytes()
    content = {
        "noise": random.Random(1).randbytes(FLASH_BYTES),
        "zeros": bytes(FLASH_BYTES),
        "another program": (program * (FLASH_BYTES // len(program) + 1))[:FLASH_BYTES],
    }[held]
    (state / "flash.bin").write_bytes(content)
    with Bench(state, "ppmid") as bench:
        identity = bench.identity()
        assert not identity.provisioned
        assert [slot.state for slot in identity.slots] == ["empty", "empty"]
        assert hanboot("board", "provision", *arguments, "--port", bench.port).code == 0
        bench.install(firmware.image("ppmid/1.0.0"))
        assert bench.runs(firmware.image("ppmid/1.0.0"))


def test_another_product(blank: Bench, arguments: list[object]) -> None:
    ran = hanboot("board", "provision", "--role", "ihd", *arguments, "--port", blank.port)
    assert_error(ran, 1, "is no IHD", "it is PPMID", "nothing was written")
    assert _cells(blank) == []
    ran = hanboot("board", "provision", "--role", "ppmid", *arguments, "--port", blank.port)
    assert ran.code == 0


def test_a_device_with_other_keys(ppmid: Bench, arguments: list[object], tmp_path: Path) -> None:
    other = tmp_path / "other.pub.pem"
    other.write_bytes(keys.generate().public_pem())
    ran = hanboot("board", "provision", "--manufacturer-public-key", other, "--port", ppmid.port)
    assert_error(ran, 1, "anchors-locked")
    # the same once more is no fault
    assert hanboot("board", "provision", *arguments, "--port", ppmid.port).code == 0


def test_a_foreign_anchor_that_cannot_be_succeeded(
    states: States, arguments: list[object], tmp_path: Path
) -> None:
    """Format 1 had no limit of sequences: a stranger's cell may stand under the highest for good.
    It is an error of its own, and no 'written', whether the cell was migrated yet or not."""
    state = states.fresh()
    state.mkdir()
    flash = bytearray(b"\xff" * FLASH_BYTES)
    head = cells.old_head("stranger", sequence=0xFFFFFFFF, kid=cells.images.kid("manufacturer"))
    flash[: len(head)] = head
    (state / "flash.bin").write_bytes(flash)
    with Bench(state, "ppmid") as bench:
        for _ in range(2):
            ran = hanboot("board", "provision", *arguments, "--port", bench.port)
            assert_error(
                ran,
                1,
                "the device's manufacturer anchor differs, and cannot be succeeded",
                f"it holds the key {cells.images.kid('stranger').hex()} under sequence 0xFFFFFFFF",
                "return the device to its maker",
            )
            assert "manufacturer: written" not in ran.out
        # nor does a successor's file get in
        successor = tmp_path / "successor.cell"
        successor.write_bytes(cells.head("next manufacturer") + bytes(64))
        ran = hanboot("board", "anchors", "update", successor, "--port", bench.port)
        assert_error(ran, 1, "anchor")
        shown = hanboot("board", "anchors", "show", "--port", bench.port, "--json").document
        held = [cell for cell in shown if cell["role"] == "manufacturer"]
        assert [cell["kid"] for cell in held] == [cells.images.kid("stranger").hex()]
        assert [cell["sequence"] for cell in held] == [0xFFFFFFFF]


# --- the board that was found, and what is warned of first


@pytest.fixture
def found(states: States, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The only board that is here; no command is given its port."""
    with Bench(states.fresh(), "ppmid") as bench:
        monkeypatch.setattr(discovery, "only_board", lambda: bench.port)
        yield bench


def test_nobody_is_there_to_be_asked(found: Bench, arguments: list[object]) -> None:
    serial = found.identity().serial.hex("-")
    ran = hanboot("board", "provision", *arguments)
    assert_error(ran, 2, "--port is missing", serial, "nothing was written", "--yes")
    assert _cells(found) == []
    assert hanboot("board", "provision", *arguments, "--yes").code == 0
    assert _cells(found) == ["manufacturer", "supplier"]


@pytest.mark.parametrize(("answer", "code"), [("n", 130), ("", 130), ("y", 0)])
def test_it_is_named_and_asked_about(
    answer: str,
    code: int,
    found: Bench,
    arguments: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "_is_attended", lambda: True)
    given = [str(argument) for argument in ("board", "provision", *arguments)]
    ran = CliRunner().invoke(cli.main, given, input=f"{answer}\n" if answer else "")
    assert ran.exit_code == code, ran.stderr
    assert f"found: PPMID {found.identity().serial.hex('-')}" in ran.stderr
    assert bool(_cells(found)) == (code == 0)


def test_an_expired_certificate_is_warned_of_first(
    states: States, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written: a question unanswered leaves the device as it is."""
    file = tmp_path / "old.pem"
    file.write_bytes(_expired_certificate())
    with Bench(states.fresh(), "ppmid") as bench:
        monkeypatch.setattr(discovery, "only_board", lambda: bench.port)
        ran = hanboot("board", "provision", "--manufacturer-public-key", file)
        assert ran.code == 2
        assert "the certificate old.pem has expired: it is valid from 2020-01-01" in ran.err
        assert _cells(bench) == []


def _expired_certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Manufacturer")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2021, 1, 1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
