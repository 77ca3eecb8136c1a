"""Provisioning, a successor and an upgrade over a line that drops what a board's ring would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from command_line import hanboot
from rig import Bench, ReleaseImages, States
from ring_line import ring_line
from stock_board import StockBoard, stock_flash

from hanboot.boards.esp32.model import Esp32Board, Esp32Product
from hanboot.boards.local import LocalBoard
from hanboot.boards.virtual import VirtualBoard
from hanboot.demo.bench import KeyPairs
from hanboot.device.client import Device
from hanboot.device.provisioning import encode_cell, provision
from hanboot.device.records import Identity
from hanboot.device.upgrade import upgrade
from hanboot.errors import LinkError
from hanboot.link.line import MESSAGE_BYTES, Line, MessageSize
from hanbootloader.trust import cell

pytestmark = pytest.mark.slow

#: A loop that reads 256 bytes and stands still for so long loses bytes of a burst.
STALL_MS = 30
#: Board, its ring; and whether it reports one.
TIERS = [
    pytest.param((Esp32Board, 259), id="partitioned"),
    pytest.param((Esp32Product, 4095), id="product"),
    # one that says nothing of its line
    pytest.param((VirtualBoard, 259), id="silent"),
]


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> tuple[LocalBoard, int]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def bench(
    tier: tuple[LocalBoard, int], firmware: ReleaseImages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A blank PPMID of a tier."""
    states = States(tmp_path_factory.mktemp("line"), firmware, tier[0])
    with states.bench(states.fresh(), "ppmid") as made:
        yield made


def test_from_a_blank_device_to_a_second_release(
    bench: Bench, tier: tuple[LocalBoard, int], firmware: ReleaseImages, pairs: KeyPairs
) -> None:
    board, ring_bytes = tier
    played = _play(bench.board.port, ring_bytes, firmware, pairs)
    assert bench.runs(firmware.image("ppmid/1.1.0"))
    if board is VirtualBoard:
        # it gets there all the same, by what is lost
        assert played.dropped
        assert played.repeats
    else:
        assert played.identity.line_bytes == ring_bytes
        assert played.dropped == 0
        assert played.repeats < 3


def test_the_same_with_files_on_a_stock_table(
    firmware: ReleaseImages, pairs: KeyPairs, flash: Path
) -> None:
    """The stock tier on the table that the chip came with."""
    flash.write_bytes(stock_flash())
    with StockBoard(flash, is_esp32=True) as board:
        deployed = hanboot("board", "deploy", "--port", board.port)
        assert deployed.code == 0, deployed.err
        played = _play(board.port, 259, firmware, pairs)
    assert played.identity.tier == "stock"
    assert played.identity.line_bytes == 259
    running = played.identity.running
    assert running is not None
    assert running.firmware is not None
    assert running.firmware.image_hash == firmware.image("ppmid/1.1.0").image_hash
    assert played.dropped == 0
    assert played.repeats < 3


@dataclass(frozen=True)
class Played:
    """identity: at the end. dropped: bytes. repeats: requests that were sent again, other than
    those that ask whether a board has started: where nothing is dropped, that a reply was late on a
    busy machine is the one reason left."""

    identity: Identity
    dropped: int
    repeats: int


class _Patient(Device):
    """Counts the requests that went unanswered because the board was starting."""

    while_starting = 0

    def wait_outcome(self, wanted: bytes) -> Identity:
        before = self.smp.repeats
        identity = super().wait_outcome(wanted)
        self.while_starting += self.smp.repeats - before
        return identity


def _play(port: str, ring_bytes: int, firmware: ReleaseImages, pairs: KeyPairs) -> Played:
    """Provisioned, a successor, two releases: on a line to the board at `port`."""
    with (
        ring_line(port, ring_bytes, STALL_MS) as line,
        _Patient(line.port, patience=0.3) as device,
    ):
        provision(device, pairs.anchors())
        _succeed(device, pairs)
        upgrade(device, firmware.image("ppmid/1.0.0").octets)
        upgrade(device, firmware.image("ppmid/1.1.0").octets)
        identity = device.identity()
        return Played(identity, line.dropped, device.smp.repeats - device.while_starting)


def _succeed(device: Device, pairs: KeyPairs) -> None:
    """Another key in the supplier's place: head and signature in one request of four lines."""
    there = next(key for key in pairs.anchors() if key.role == cell.SUPPLIER)
    successor = pairs.stranger.public
    head = encode_cell(replace(there, kid=successor.kid, key=successor.point), sequence=2)
    signature = pairs.supplier.sign(cell.update_to_be_signed(head))
    assert device.put_anchor(head, signature)
    held = {anchor.kid for anchor in device.anchors()}
    assert successor.kid in held


@pytest.fixture
def lossy(states: States, firmware: ReleaseImages) -> Iterator[Bench]:
    with states.bench(states.installed("ppmid/1.0.0")) as made:
        yield made


def test_without_what_it_reports_bytes_are_lost(lossy: Bench, firmware: ReleaseImages) -> None:
    """So the line that is played here is as bad as a board's, and it is the pauses that help."""
    image = firmware.image("ppmid/1.1.0")
    with (
        ring_line(lossy.board.port, 259, STALL_MS) as line,
        Device(line.port, patience=0.1) as device,
    ):
        device.identity()
        device.smp.line = Line()
        device._message_bytes = lambda: MESSAGE_BYTES  # type: ignore[method-assign]
        device.upload(image.octets)
        assert line.dropped > 100
        assert device.smp.repeats > 0
        device.wait_verified()


def test_a_board_that_hardly_reads(lossy: Bench, firmware: ReleaseImages) -> None:
    """A task that takes 120 ms each time, longer than the board states: slow, and whole."""
    image = firmware.image("ppmid/1.1.0")
    with (
        ring_line(lossy.board.port, 259, 120) as line,
        Device(line.port, patience=0.5) as device,
    ):
        device.upload(image.octets)
        device.wait_verified()


def test_a_line_that_takes_nothing_ends(lossy: Bench, firmware: ReleaseImages) -> None:
    with (
        ring_line(lossy.board.port, 20, STALL_MS) as line,
        Device(line.port, patience=0.02) as device,
        pytest.raises(LinkError, match="no answer"),
    ):
        device.upload(firmware.image("ppmid/1.1.0").octets)


# --- the arithmetic, without a board


def test_sizes_shrink_and_grow() -> None:
    size = MessageSize(MESSAGE_BYTES)
    sizes = []
    for _ in range(4):
        size.lost()
        sizes.append(size.bytes)
    assert sizes == [5 * 93 - 4, 2 * 93 - 4, 2 * 93 - 4, 2 * 93 - 4]
    for _ in range(7):
        size.answered()
    assert size.bytes == 2 * 93 - 4
    for _ in range(200):
        size.answered()
    assert size.bytes == MESSAGE_BYTES


def test_bursts_are_whole_lines_that_fit() -> None:
    octets = b"\n" + (b"x" * 126 + b"\n") * 11
    pieces = list(Line(259, 0.05).bursts(octets))
    assert b"".join(piece for piece, _ in pieces) == octets
    assert all(len(piece) <= 259 and piece.endswith(b"\n") for piece, _ in pieces)
    assert len(pieces) == 6
    # the time on the line, and the board's; none behind the last
    assert [round(pause, 3) for _, pause in pieces] == [0.072] * 5 + [0.0]
    assert list(Line().bursts(octets)) == [(octets, 0.0)]
    # after losses a line at a time, with pauses that double
    first, second = (list(Line().bursts(octets, losses)) for losses in (1, 2))
    assert len(first) == len(second) == 12
    assert 0.04 < first[1][1] < second[1][1]


@pytest.mark.parametrize(
    ("line_bytes", "buf_size"), [(0, 1024), (100, 93), (259, 186), (4095, 1024)]
)
def test_what_parameters_report(line_bytes: int, buf_size: int) -> None:
    from hanbootloader.link.frame import buffer_bytes

    assert buffer_bytes(line_bytes) == buf_size
