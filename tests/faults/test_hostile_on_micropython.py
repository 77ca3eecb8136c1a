"""Hostile octets for a real MicroPython with the heap of a device: nothing uncaught, the link alive
after each, no octet of the heap kept, and what ran before still to be started."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import flows
import fuzz_targets
import images
import mutations
import pytest
import ramboard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreters import MICROPYTHON, ROOT
from test_fuzz_targets import changed

from hanboot.boards import device_code
from hanboot.boards.virtual import HEAP, VirtualBoard
from hanbootloader.image import cbor
from hanbootloader.link import frame, smp
from hanbootloader.store import flash_map
from nor import NorFlash

FLASH_BYTES = VirtualBoard.flash_bytes
#: As boards/virtual/board.py has it.
MAP = flash_map.place(store=0, more=512, end=512)

#: What a device may keep of what it got, in octets of the heap here, where a word has twice those
#: of a board's: four typed lines of 80 octets, with their list 704; and the last refusal and the
#: last event that changed nothing, packed, with eight predecessors each, 391 octets that take 448.
KEPT_BYTES = 704 + 2 * 448

#: Besides, a trust anchor cell with its place, for each manufacturer's key that was succeeded and
#: whose place no other cell has needed.
FORMER_BYTES = 864

SMALL_HEAP = 24 * 1024
"""What the design leaves for receiving and verifying on a device, where a word has half as many
octets as here: half of it is not enough for all that is asked, and nothing may break for that."""


class Board(ramboard.Board):
    hardware_version = 0x0100

    def __init__(self) -> None:
        super().__init__()
        self.flash = NorFlash(bytearray(b"\xff" * FLASH_BYTES))

    def region(self, name: str):
        partition = fuzz_targets.Partition(self.flash, *MAP[name])
        return partition, partition.view


def prepared(*releases: str) -> Board:
    board = Board()
    flows.cells.provision(board.device())
    for name in releases:
        flows.install(board, name)
    return board


def play(folder: Path, board: Board, inputs: list[bytes], free_bytes: int = 0) -> list[list[int]]:
    """What the device said to each input; `board` has the device's flash afterwards."""
    flash = folder / "flash"
    flash.write_bytes(board.flash.cells)
    # each begins on a line of its own
    lines = [b"\n" + octets + b"\n" for octets in inputs]
    done = subprocess.run(
        [
            *(MICROPYTHON, "-X", f"heapsize={HEAP}"),
            ROOT / "tests" / "faults" / "hostile_on_micropython.py",
            device_code.compiled(device_code.modules_in(device_code.VIRTUAL)),
            *(flash, "ppmid", "0001020304050607", str(free_bytes)),
        ],
        input=b"".join(len(octets).to_bytes(4, "big") + octets for octets in lines),
        env={"MICROPYPATH": f".frozen:{ROOT / 'boards' / 'virtual'}"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-2000:] + done.stderr).decode()
    board.flash.cells[:] = flash.read_bytes()
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(inputs)
    return said


def check(folder: Path, inputs: list[bytes], *releases: str, free_bytes: int = 0) -> list[int]:
    """Plays them; (replies, replies that memory ran out) in all."""
    board = prepared(*releases)
    before = fuzz_targets.Memory(board.device())
    said = play(folder, board, inputs, free_bytes)
    for octets, (is_alive, kept_bytes, _, _) in zip(inputs, said, strict=True):
        assert is_alive, f"no echo behind {octets.hex()}"
        assert kept_bytes <= KEPT_BYTES, f"{kept_bytes} octets kept of {octets.hex()}"
    before.check(fuzz_targets.Memory(board.device()))
    _, chosen = flows.start(board)
    assert (chosen is None) == (not releases), "what started before starts no longer"
    return [sum(row[2] for row in said), sum(row[3] for row in said)]


def upload(octets: bytes, piece_bytes: int) -> bytes:
    """The frames of a whole upload."""
    frames = b""
    for at in range(0, len(octets), piece_bytes):
        fields = {"off": at, "data": octets[at : at + piece_bytes]}
        if not at:
            fields["len"] = len(octets)
        number = at // piece_bytes & 0xFF
        frames += frame.encode(smp.encode(1, smp.WRITE, 1, number, 1, fields))
    return frames


def hostile_images(every: int) -> list[bytes]:
    """Files with one thing wrong each, as the table of mutations has them."""
    found = [octets for name, octets, _, _ in mutations.files() if name != "nothing"]
    refused = [octets for octets in found if len(octets) >= 60]
    return refused[::every]


def of_line(count: int) -> list[bytes]:
    """Inputs of the fuzzer's targets for the line, some of them changed."""
    dice = random.Random("line")
    raw = list(fuzz_targets.beginnings("frames"))
    requests = [fuzz_targets.as_line(octets) for octets in fuzz_targets.beginnings("commands")]
    # nested as deep as a message is long
    for lead in (b"\xa1", b"\x81", b"\xa1\x00"):
        body = lead * (900 // len(lead))
        raw.append(frame.encode(smp.SmpHeader(1, 2, len(body), 0, 1, 0).encode() + body))
    return raw + requests + [changed(dice, raw + requests) for _ in range(count)]


@pytest.mark.parametrize("releases", [(), ("1.0.0",), ("1.0.0", "1.1.0")], ids=str)
def test_line(tmp_path: Path, releases: tuple[str, ...]) -> None:
    replies, _ = check(tmp_path, of_line(300), *releases)
    assert replies > 100


def test_images(tmp_path: Path) -> None:
    inputs = [upload(octets, 700) for octets in hostile_images(every=12)]
    assert len(inputs) > 50
    replies, no_memory = check(tmp_path, inputs, "1.0.0")
    assert replies > len(inputs)
    assert not no_memory


# The same where an application has left less than is needed: requests fail, and nothing else.
def test_small_heap(tmp_path: Path) -> None:
    inputs = of_line(100) + [upload(octets, 700) for octets in hostile_images(every=60)]
    deep = cbor.encode([[[[[0] * 150] * 2]]])
    inputs += [frame.encode(smp.SmpHeader(1, 2, len(deep), 0, 1, 0).encode() + deep)] * 3
    check(tmp_path, inputs, "1.0.0", free_bytes=SMALL_HEAP)
    _, no_memory = check(tmp_path, inputs, "1.0.0", free_bytes=SMALL_HEAP // 4)
    assert no_memory


# A good image goes through here, too; the script erases what it staged.
def test_good_image(tmp_path: Path) -> None:
    good = images.ota_image("1.1.0")
    board = prepared("1.0.0")
    said = play(tmp_path, board, [upload(good, 700)])
    assert [row[0] for row in said] == [1]
    verdict = board.device().ledger.verdict()
    assert (verdict.reason, verdict.offered_version) == (0, images.V1_1)
    assert flows.slots(board.device())[1] == (0, 0)


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 10, 65]),
        st.integers(0, 8),
        st.sampled_from([smp.READ, smp.WRITE]),
        st.dictionaries(
            st.sampled_from(["off", "len", "data", "sha", "hash", "confirm", "head", "d", "from"]),
            st.integers(-(1 << 64), (1 << 64) - 1)
            | st.binary(max_size=300)
            | st.text(max_size=60)
            | st.booleans()
            | st.none()
            | st.lists(st.integers(0, 9), max_size=60),
        ),
    ),
    min_size=1,
    max_size=6,
)


# Of a cell that is succeeded nothing is kept but the manufacturer's, whose key vouches on.
def test_successors(tmp_path: Path) -> None:
    inputs = []
    for name in ("manufacturer", "next supplier", "next manufacturer"):
        fields = {"head": flows.cells.head(name)}
        if name != "manufacturer":
            fields["signature"] = images.signature(f"{name}, manufacturer")
        inputs.append(frame.encode(smp.encode(1, smp.WRITE, 65, 1, 4, fields)))
    board = prepared("1.0.0")
    said = play(tmp_path, board, inputs)
    held, supplier, manufacturer = [row[1] for row in said]
    assert held <= KEPT_BYTES
    # nothing but what rounding makes of it
    assert supplier - held < FORMER_BYTES // 2 < manufacturer - supplier <= FORMER_BYTES
    cells = board.device().anchors.cells()
    assert {cell.kid for cell in cells} == {
        images.kid(name) for name in ("next supplier", "next manufacturer")
    }


# Requests of the right form, with fields of any type; made first, and then played in one process.
def test_requests(tmp_path: Path) -> None:
    inputs: list[bytes] = []

    @settings(max_examples=200, database=None, suppress_health_check=list(HealthCheck))
    @given(REQUESTS)
    def make(requests: list[tuple[int, int, int, dict[str, object]]]) -> None:
        inputs.append(
            b"".join(
                frame.encode(smp.encode(1, operation, group, 1, command, fields))
                for group, command, operation, fields in requests
            )
        )

    make()
    replies, no_memory = check(tmp_path, inputs, "1.0.0", "1.1.0")
    assert replies >= len(inputs)
    assert not no_memory
