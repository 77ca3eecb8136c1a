"""What a serial line can bring: rubbish, half lines, lines without end, stray requests.
The device goes on, and its memory does not grow.
"""

import itertools
import os
import random
import tty
from collections.abc import Iterator

import pytest
from command_line import hanboot
from rig import COUNTING, Bench, ReleaseImages, States, wait_for

from hanboot.device.client import Device
from hanboot.errors import LinkError
from hanboot.image.ota_file import Image
from hanboot.link.smp import SmpRefusal
from hanbootloader.link import frame, smp

RUBBISH_BYTES = 300_000
#: What a heap that was collected may differ by: typed lines that wait, names seen first.
HEAP_SLACK_BYTES = 512


@pytest.fixture
def counting(states: States, firmware: ReleaseImages) -> Iterator[Bench]:
    """A PPMID whose application counts its rounds and measures its heap."""
    image = firmware.own("counting", 0x01000000, app=COUNTING)
    with states.bench(states.holding(image)) as bench:
        bench.ask("rounds", "rounds")
        yield bench


def write(bench: Bench, octets: bytes) -> None:
    """Writes to the line as it is, as fast as the board takes it."""
    line = os.open(bench.board.port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(line)
        while octets:
            octets = octets[os.write(line, octets[:4096]) :]
    finally:
        os.close(line)


def assert_read(bench: Bench) -> None:
    """All that was written has been read: a line behind it is answered."""
    seen = len(bench.texts)
    write(bench, b"\nrounds\n")
    bench.await_text("rounds", seen)


def heap_bytes(bench: Bench) -> int:
    return int(bench.ask("heap", "heap").split()[1])


def pieces(chance: random.Random) -> bytes:
    """Rubbish that looks like something every now and then."""
    request = frame.encode(smp.encode(1, smp.READ, 0, 0, 6, {}))
    at = chance.randrange(len(request))
    return chance.choice(
        [
            chance.randbytes(chance.randrange(300)),
            chance.randbytes(20).replace(b"\n", b"") * 60,
            b"\n" * chance.randrange(20),
            b"\x06\x09" + chance.randbytes(60) + b"\n",
            b"\x04\x14" + chance.randbytes(60) + b"\n",
            b"\x06\x09" * 300 + b"\n",
            b"\x06\x09" + b"A" * chance.randrange(700) + b"\n",
            b"\x04\x14" + b"////" * 31 + b"\n",
            b"typed text " * chance.randrange(30) + b"\n",
            request[:at],
            request[at:],
            request[:at] + b"\x80" + request[at:],
            b"\x03\x04\x01\x02\r\n",
            "übermäßig\n".encode(),
        ]
    )


@pytest.mark.parametrize("seed", range(2))
def test_rubbish(counting: Bench, seed: int) -> None:
    chance = random.Random(seed)
    warm = b"".join(pieces(chance) for _ in range(200))
    write(counting, warm)
    starts, before = counting.board.starts, heap_bytes(counting)
    rubbish = bytearray()
    while len(rubbish) < RUBBISH_BYTES:
        rubbish += pieces(chance)
    write(counting, bytes(rubbish))
    assert_read(counting)
    with Device(counting.port) as device:
        assert device.identity().provisioned
        assert device.smp.repeats == 0
    assert heap_bytes(counting) <= before + HEAP_SLACK_BYTES
    assert counting.board.starts == starts


def test_nothing_but_one_endless_line(counting: Bench) -> None:
    starts, before = counting.board.starts, heap_bytes(counting)
    write(counting, b"x" * RUBBISH_BYTES)
    assert_read(counting)
    assert heap_bytes(counting) <= before + HEAP_SLACK_BYTES
    assert hanboot("status", "--port", counting.port).code == 0
    assert counting.board.starts == starts


@pytest.mark.parametrize("kept", [1, 2, 3, 20, 60])
def test_half_a_line_costs_nothing(counting: Bench, kept: int) -> None:
    """Another program was killed while it wrote."""
    request = frame.encode(smp.encode(1, smp.WRITE, 0, 0, 0, {"d": "x" * 50}))
    assert len(request) > 60
    write(counting, request[:kept])
    with Device(counting.port) as device:
        device.identity()
        assert device.smp.repeats == 0


def test_half_a_message_costs_nothing(counting: Bench) -> None:
    request = frame.encode(smp.encode(1, smp.WRITE, 0, 0, 0, {"d": "x" * 400}))
    first, *_ = request.splitlines(keepends=True)
    write(counting, first)
    with Device(counting.port) as device:
        device.identity()
        assert device.smp.repeats == 0


def test_requests_that_nobody_meant(ppmid: Bench, firmware: ReleaseImages) -> None:
    """Well-formed SMP with fields of every type: an answer to each, and nothing is harmed."""
    chance = random.Random(7)
    images = [firmware.image(name).octets for name in ("ppmid/1.0.0", "ppmid/1.1.0", "ihd/1.0.0")]
    commands = [
        *((0, command) for command in (0, 1, 6, 7, 8)),
        *((1, command) for command in (0, 1, 1, 1, 2, 5, 6)),
        *((10, command) for command in range(4)),
        *((65, command) for command in range(8)),
        (64, 0),
        (0xFFFF, 255),
    ]
    starts, heard = ppmid.board.starts, 0
    with Device(ppmid.port) as device:
        for _ in range(1500):
            group, command = chance.choice(commands)
            operation = chance.choice([smp.READ, smp.WRITE])
            fields = _fields(chance)
            if (group, command) == (1, 1) and chance.random() < 0.8:
                fields |= _chunk(chance, images)
            try:
                device.smp.request(operation, group, command, fields)
            except SmpRefusal:
                heard += 1
            assert device.smp.repeats == 0, (group, command, fields)
    assert heard > 500
    assert ppmid.board.starts == starts
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))
    ran = hanboot("upgrade", *firmware.files("ppmid/1.1.0"), "--port", ppmid.port)
    assert ran.code == 0, ran.err


_NAMES = (
    *("d", "len", "off", "sha", "data", "image", "upgrade", "hash", "confirm", "slot", "query"),
    *("format", "head", "signature", "from", "groups", "index"),
)
_NUMBERS = (0, 1, 23, 24, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**64 - 1)


def _fields(chance: random.Random) -> dict[str, object]:
    """At most four fields, and never more than a message may hold."""
    return {name: _value(chance) for name in chance.sample(_NAMES, chance.randrange(5))}


def _value(chance: random.Random, depth: int = 0) -> object:
    kinds = [
        lambda: chance.choice(_NUMBERS),
        lambda: -chance.choice((1, 24, 256, 2**31)),
        lambda: chance.randbytes(chance.choice((0, 1, 31, 32, 33, 64, 176))),
        lambda: "é\0a"[: chance.randrange(4)] * chance.randrange(9),
        lambda: chance.random() < 0.5,
        lambda: None,
    ]
    if depth < 2:
        kinds += [
            lambda: [_value(chance, depth + 2) for _ in range(chance.randrange(2))],
            lambda: {"rc": _value(chance, depth + 2)},
        ]
    return chance.choice(kinds)()


def _chunk(chance: random.Random, images: list[bytes]) -> dict[str, object]:
    octets = chance.choice(images)
    offset = chance.choice((0, 0, 60, 200, chance.randrange(len(octets)), 2**32))
    length = chance.choice((0, 1, 59, 60, 200))
    return {
        "off": offset,
        "len": chance.choice((len(octets), 0, 59, 60, chance.randrange(20_000), 2**40)),
        "data": octets[offset : offset + length],
    }


def test_a_request_longer_than_its_buffer_is_not_answered(ppmid: Bench) -> None:
    with Device(ppmid.port, patience=0.1) as device:
        echoed = device.smp.write(0, 0, {"d": "x" * 1000})
        assert echoed == {"r": "x" * 1000}
        with pytest.raises(LinkError):
            device.smp.write(0, 0, {"d": "x" * 1020})
        assert device.identity().provisioned


# --- the application beside the link


def test_the_application_runs_on_while_an_image_arrives(
    counting: Bench, firmware: ReleaseImages
) -> None:
    image = firmware.own(
        "after-counting",
        0x05000000,
        firmware.own("counting", 0x01000000, app=COUNTING),
        app=COUNTING,
        ballast=60_000,
    )
    answers: list[str] = []
    milestones = [len(image.octets) * part // 8 for part in range(1, 8)]
    with Device(counting.port, answers.append) as device:

        def heard() -> bool:
            device.smp.texts(0.01)
            return bool(answers) and answers[-1].startswith("rounds")

        def advance(done: int, total: int) -> None:
            if milestones and done > milestones[0]:
                milestones.pop(0)
                assert device.progress().state == "receiving"
                answers.append("")
                device.smp.type_line("rounds")
                wait_for(heard, "an answer in the middle of an upload")

        device.upload(image.octets, advance)
        device.wait_verified()
        assert device.smp.repeats == 0
    rounds = [int(answer.split()[1]) for answer in answers if answer]
    assert len(rounds) == 7
    assert all(earlier < later for earlier, later in itertools.pairwise(rounds))
    counting.install(image)


def test_the_display_tells_how_an_upgrade_goes(ppmid: Bench, long: Image) -> None:
    def advance(done: int, total: int) -> None:
        # the display is drawn every tenth of a second: give it one in the middle
        if total // 3 < done < total // 2:
            wait_for(lambda: any("received" in text for text in ppmid.texts), "progress")

    with Device(ppmid.port) as device:
        device.upload(long.octets, advance)
        device.wait_verified()
    wait_for(lambda: "| Update: ready" in ppmid.texts, "the display")
    shown = [text for text in ppmid.texts if text.startswith("| Update: ")]
    percents = [int(text.split()[2]) for text in shown if "received" in text]
    assert percents
    assert percents == sorted(percents)


def test_text_does_not_disturb_the_link(ppmid: Bench, long: Image) -> None:
    """Lines are typed all the while, and the device answers."""
    answers: list[str] = []
    with Device(ppmid.port, answers.append) as device:

        def heard() -> bool:
            device.smp.texts(0.01)
            return any(answer.startswith("Balance") for answer in answers)

        def advance(done: int, total: int) -> None:
            device.smp.type_line("balance")
            device.smp.type_line("what?")
            if total // 3 < done < total // 2:
                wait_for(heard, "the balance")
                answers.clear()

        device.upload(long.octets, advance)
        device.wait_verified()
        assert device.smp.repeats == 0
    ppmid.install(long)
