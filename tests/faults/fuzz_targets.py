"""What is fuzzed: each target takes octets, and raises if something is wrong.

Nothing but `Refused` may come out of a parser. What is parsed must encode to what was read, where
the encoding is deterministic. A device may raise nothing at all, must answer an echo afterwards,
and start what it started before.
"""

from __future__ import annotations

from collections.abc import Callable

import cells
import flows
import images
import ramboard
import signatures
from world import is_alive

from bootloader import policy
from bootloader.image import cbor, cose, manifest, ota
from bootloader.image.reader import ImageReader, Sink
from bootloader.install import Installer
from bootloader.link import frame, smp
from bootloader.link.console import Console
from bootloader.reasons import Refused
from nor import NorFlash, Partition

_FACTS = policy.DeviceFacts(images.MANUFACTURER_CODE, images.IMAGE_TYPE, 0x0102, 5, 8192, 1)


class _Judge(Sink):
    def on_header(self, header: ota.Header) -> None:
        self.header = header
        assert isinstance(policy.judge_header(header, header.total_bytes, _FACTS), int)
        assert header.encode() == ota.parse_header(header.encode()).encode()

    def on_manifest(self, envelope: cose.Envelope, content: manifest.Manifest) -> None:
        running = policy.Firmware(images.V1_0, bytes(32))
        policy.judge_manifest(self.header, content, 4096, None, running, _FACTS)


def reader(data: bytes) -> None:
    if len(data) < 2:
        return
    step = data[0] + 1
    octets = data[1:]
    parsing = ImageReader(len(octets), _Judge())
    try:
        for at in range(0, len(octets), step):
            piece = memoryview(octets)[at : at + step]
            while piece:
                piece = piece[parsing.read(piece) :]
        parsing.finish()
    except Refused:
        pass
    assert parsing.position <= len(octets)


def cbor_items(data: bytes) -> None:
    for strict in (True, False):
        try:
            value = cbor.decode(data, strict)
        except Refused:
            continue
        encoded = cbor.encode(value)
        # one content has one encoding
        assert cbor.decode(encoded) == value
        if strict:
            assert encoded == data


def envelope(data: bytes) -> None:
    try:
        found = cose.Envelope(data)
    except Refused:
        return
    assert len(data) <= cose.ENVELOPE_MAX_BYTES
    found.digest()
    assert cose.assemble(found.kid, bytes(found.content), bytes(found.signature)) == data


def manifest_alone(data: bytes) -> None:
    try:
        found = manifest.parse(data)
    except Refused:
        return
    again = manifest.parse(found.encode())
    assert again.__dict__ == found.__dict__


def frames(data: bytes) -> None:
    taking = frame.FrameReader()
    for at in range(0, len(data), 64):
        for found in taking.feed(memoryview(data)[at : at + 64]):
            assert len(found) <= frame.BUF_BYTES
            assert isinstance(found, str) or len(found) >= smp.HEADER_BYTES
    # noise costs what it damaged and nothing else
    message = smp.encode(1, smp.WRITE, 0, 1, 0, {"d": "x"})
    found = [
        bytes(each)
        for each in taking.feed(b"\n" + frame.encode(message))
        if not isinstance(each, str)
    ]
    assert found[-1] == message


class _LenientFlash(NorFlash):
    """As chips are: programming a one over a zero is no error, and does nothing."""

    def partition(self, first: int, count: int) -> Partition:
        return Partition(self, first, count)

    def program(self, offset: int, octets: bytes) -> None:
        kept = bytes(a & b for a, b in zip(octets, self.cells[offset:], strict=False))
        NorFlash.program(self, offset, kept)


_devices: list[bytes] = []


def commands(data: bytes) -> None:
    """First octet: the device; then requests, each with a length, an operation and a command."""
    if len(data) < 4:
        return
    if not _devices:
        _prepare_devices()
    board = ramboard.Board()
    board.flash = _LenientFlash(bytearray(_devices[data[0] % len(_devices)]))
    device, chosen = flows.start(board)
    installer = Installer(device)
    console = Console(device, installer, lambda: chosen is not None)
    at, number = 1, 0
    while at + 4 <= len(data):
        length = data[at] << 8 | data[at + 1]
        octets = data[at + 4 : at + 4 + length % 900]
        board.console.incoming += _as_request(data[at + 2], data[at + 3], octets, number & 0xFF)
        at += 4 + len(octets)
        number += 1
        _serve(board, console, 60)
    _serve(board, console, 1000)
    board.console.incoming += b"\n"
    assert is_alive(board, console), "the link does not answer any more"
    # whatever was sent: what is on it starts
    again = flows.start(board)[1]
    assert (again is None) == (chosen is None), "what started before starts no longer"


def _serve(board: ramboard.Board, console: Console, most: int) -> None:
    for _ in range(most):
        if not console.poll() and not board.console.incoming:
            return


_COMMANDS = (
    [(0, command) for command in (0, 5, 6, 7, 8)]
    + [(1, command) for command in (0, 1, 5, 6)]
    + [(10, 0), (10, 1)]
    + [(65, command) for command in range(7)]
)


def _as_request(kind: int, which: int, octets: bytes, number: int) -> bytes:
    if kind == 0xFF:
        return octets  # raw, as noise on the line
    group, command = _COMMANDS[which % len(_COMMANDS)]
    if kind == 0xFE:
        group, command = which, kind
    header = smp.Header(kind >> 2 & 1, kind & 2, len(octets), group, number, command)
    return frame.encode(header.encode() + octets)


def _prepare_devices() -> None:
    signatures.remember()
    blank = ramboard.Board()
    _devices.append(bytes(blank.flash.cells))
    cells.provision(blank.device().anchors)
    _devices.append(bytes(blank.flash.cells))
    board = flows.board_with("1.0.0", "1.1.0")
    _devices.append(bytes(board.flash.cells))
    device, _ = flows.start(board)
    installer = Installer(device)
    flows.send(installer, images.ota_image("1.2.0"))
    flows.verify(installer)
    _devices.append(bytes(board.flash.cells))
    installer.activate(images.image_hash("1.2.0"))
    _devices.append(bytes(board.flash.cells))
    flows.start(board)
    _devices.append(bytes(board.flash.cells))


# --- seeds


def _request(kind: int, which: int, body: object) -> bytes:
    octets = cbor.encode(body)
    return bytes((len(octets) >> 8, len(octets) & 0xFF, kind, which)) + octets


def _seeds_of_commands() -> list[bytes]:
    image = images.ota_image("1.2.0")
    upload = [_request(6, 6, {"off": 0, "len": len(image), "sha": bytes(32), "data": image[:400]})]
    upload += [_request(6, 6, {"off": at, "data": image[at : at + 400]}) for at in (400, 800)]
    wrong = images.ota_image("2.0.0")
    state = _request(6, 5, {"hash": images.image_hash("1.2.0"), "confirm": False})
    head = cells.head("supplier")
    anchors = [
        _request(2, 15, {"head": head}),
        _request(2, 16, {"off": 0, "data": bytes(64)}),
        _request(2, 17, {}),
    ]
    reads = [_request(kind, which, {}) for which in range(len(_COMMANDS)) for kind in (0, 4)]
    return [
        bytes((device,)) + b"".join(requests)
        for device in range(6)
        for requests in (
            upload,
            [*upload, state],
            [_request(2, 6, {"off": 0, "len": len(wrong), "data": wrong[:500]}), reads[24]],
            anchors,
            [_request(6, 7, {}), state, _request(2, 5, {"confirm": True})],
            reads[::5],
        )
    ]


def _seeds_of_manifest() -> list[bytes]:
    return [release.manifest().encode() for release in images.RELEASES.values()]


def seeds() -> dict[str, list[bytes]]:
    files = [images.ota_image(name) for name in images.RELEASES]
    fronts = [file[ota.HEADER_BYTES :] for file in files]
    message = smp.encode(1, smp.WRITE, 0, 1, 0, {"d": "echo"})
    return {
        "reader": [bytes((step,)) + file[:1200] for file in files for step in (0, 63, 255)],
        "cbor": _seeds_of_manifest() + [cbor.encode({"off": 0, "data": b"x", "l": [1, -2, None]})],
        "envelope": [front[: cose.envelope_bytes(front)] for front in fronts],
        "manifest": _seeds_of_manifest(),
        "frames": [frame.encode(message), b"text\n", frame.encode(message + bytes(300))],
        "commands": _seeds_of_commands(),
    }


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": reader,
    "cbor": cbor_items,
    "envelope": envelope,
    "manifest": manifest_alone,
    "frames": frames,
    "commands": commands,
}
