"""What is fuzzed: each target takes octets, and raises if something is wrong.

Nothing but `Refused` may come out of a parser. What it takes must encode to what was read, where
the encoding is deterministic, and cbor2 must read the same in it. A device may raise nothing at
all. It must answer an echo afterwards, and after a restart run what it ran, or what it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cbor2
import cells
import flows
import fuzz_network
import images
import ramboard
import signatures
from simulation import is_alive

from hanbootloader import policy
from hanbootloader.image import cbor, cose, manifest, ota, writer
from hanbootloader.image.reader import ImageReader, Sink
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer
from hanbootloader.reasons import Refused
from hanbootloader.trust import cell as cell_format
from nor import NorFlash, Partition

#: Inputs that crashed a target once: its name, a hyphen, anything.
CRASHES = Path(__file__).parent / "crashes"

_FACTS = policy.DeviceFacts(images.MANUFACTURER_CODE, images.IMAGE_TYPE, 0x0102, 5, 8192, 1)


class _Checked(Sink):
    def on_header(self, header: ota.Header) -> None:
        self.header = header
        assert isinstance(policy.check_header(header, header.total_bytes, _FACTS), int)
        octets = writer.encode_header(header)
        assert writer.encode_header(ota.parse_header(octets)) == octets

    def on_manifest(self, envelope: cose.Envelope, found: manifest.Manifest) -> None:
        running = policy.RunningFirmware(images.V1_0, bytes(32))
        policy.check_manifest(self.header, found, 4096, None, running, _FACTS)


def reader(data: bytes) -> None:
    if len(data) < 2:
        return
    step = data[0] + 1
    octets = data[1:]
    try:
        parsing = ImageReader(len(octets), _Checked())
    except Refused:
        return
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
    theirs = _by_cbor2(data)
    for strict in (True, False):
        try:
            value = cbor.decode(data, strict)
        except Refused:
            # what is in the subset, and encoded as we do, is taken
            assert theirs is None or cbor.encode(theirs[0]) != data, "refused what we would write"
            continue
        encoded = cbor.encode(value)
        # one content has one encoding
        assert _same(cbor.decode(encoded), value)
        if strict:
            assert encoded == data, "took what we would write otherwise"
        assert theirs is not None, "took what cbor2 does not"
        assert _same(theirs[0], value), f"cbor2 reads {theirs[0]!r}, we {value!r}"


def _by_cbor2(data: bytes) -> tuple[object] | None:
    """What cbor2 reads, if that is one item of our subset."""
    try:
        value = cbor2.loads(data)
    except Exception:
        return None
    return (value,) if _in_subset(value, 6) else None


def _in_subset(value: object, depth: int) -> bool:
    if not depth:
        return False
    if isinstance(value, list):
        return all(_in_subset(item, depth - 1) for item in value)
    if isinstance(value, dict):
        return all(
            isinstance(key, (int, str))
            and not isinstance(key, bool)
            and _in_subset(key, depth - 1)
            and _in_subset(item, depth - 1)
            for key, item in value.items()
        )
    if isinstance(value, int):
        return -(1 << 64) <= value < 1 << 64
    return value is None or type(value) in (str, bytes)


def _same(one: object, other: object) -> bool:
    """Equal, and of equal types: 1 is not true."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other


def envelope(data: bytes) -> None:
    try:
        found = cose.Envelope(data)
    except Refused:
        return
    assert len(data) <= cose.ENVELOPE_MAX_BYTES
    content, signature = bytes(found.content), bytes(found.signature)
    assert found.digest() == images.sha256(writer.to_be_signed(content))
    assert writer.encode_envelope(found.kid, content, signature) == data
    assert cose.envelope_bytes(data[: cose.HEAD_BYTES]) == len(data)
    # RFC 9052 4.2
    theirs = cbor2.loads(data)
    protected, unprotected, *rest = theirs.value
    assert (theirs.tag, protected, rest) == (18, b"\xa1\x01\x26", [content, signature])
    assert dict(unprotected) == {4: found.kid}


def manifest_alone(data: bytes) -> None:
    try:
        found = manifest.parse_manifest(data)
    except Refused:
        return
    again = manifest.parse_manifest(writer.encode_manifest(found))
    assert again.__dict__ == found.__dict__
    theirs = cbor2.loads(data)
    assert (theirs[2], theirs[4], theirs[6]) == (
        found.manufacturer_code,
        found.image_type,
        found.file_version,
    )
    assert tuple(theirs[8]) == found.hardware
    assert theirs[10] == [0, found.payload_bytes, found.payload_hash]
    assert tuple(map(tuple, theirs[12])) == found.predecessors
    assert (theirs[14], theirs[16]) == (found.minimum_base_version, found.security_counter)
    assert (theirs.get(18) is True) == found.point_of_no_return
    assert all(key & 1 or key <= 18 for key in theirs)


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
    prepare()
    board = ramboard.Board()
    board.flash = _LenientFlash(bytearray(_devices[data[0] % len(_devices)]))
    device, chosen = flows.start(board)
    before = Memory(device)
    installer = Installer(device)
    console = ConsoleServer(device, installer, lambda: chosen is not None)
    at, number = 1, 0
    while at + 4 <= len(data):
        length = data[at] << 8 | data[at + 1]
        octets = data[at + 4 : at + 4 + length % 900]
        board.console.incoming += _as_request(data[at + 2], data[at + 3], octets, number & 0xFF)
        at += 4 + len(octets)
        number += 1
        _serve(board, console, 60)
        # one reply at most for each request, and none longer than a frame
        assert len(board.console.outgoing) <= number * 2048
    _serve(board, console, 1000)
    board.console.incoming += b"\n"
    assert is_alive(board, console), "the link does not answer any more"
    # whatever was sent: after a restart what was on it starts, or what it may follow
    again, chosen_again = flows.start(board)
    before.check(Memory(again))
    assert (chosen_again is None) == (chosen is None), "what started before starts no longer"


class Memory:
    """What of a device nobody at its console may change, who has nothing signed but release 1.2.0
    and the next supplier's cell."""

    def __init__(self, device: object) -> None:
        held = device.anchors  # type: ignore[attr-defined]
        self.manufacturer = held.cell(cell_format.MANUFACTURER)
        self.supplier = held.cell(cell_format.SUPPLIER)
        self.counter = device.ledger.security_counter  # type: ignore[attr-defined]
        self.confirmed = flows.confirmed(device)
        self.history = [event.chain for event in device.ledger.history()]  # type: ignore[attr-defined]

    def check(self, after: Memory) -> None:
        if self.manufacturer is not None:
            assert after.manufacturer.kid == self.manufacturer.kid
            assert after.supplier.kid in (self.supplier.kid, images.kid("next supplier"))
        else:
            assert after.manufacturer is None or after.confirmed is None
        assert after.counter == self.counter
        assert after.confirmed == self.confirmed
        assert after.history[: len(self.history)] == self.history


def as_line(data: bytes) -> bytes:
    """An input of `commands` as octets of the line."""
    at, line = 1, b""
    while at + 4 <= len(data):
        length = (data[at] << 8 | data[at + 1]) % 900
        line += _as_request(data[at + 2], data[at + 3], data[at + 4 : at + 4 + length], at & 0xFF)
        at += 4 + length
    return line


def _serve(board: ramboard.Board, console: ConsoleServer, most: int) -> None:
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
    header = smp.SmpHeader(kind >> 2 & 1, kind & 2, len(octets), group, number, command)
    return frame.encode(header.encode() + octets)


def prepare() -> None:
    """Makes the devices that commands are sent to, once."""
    if _devices:
        return
    signatures.remember()
    blank = ramboard.Board()
    _devices.append(bytes(blank.flash.cells))
    cells.provision(blank.device())
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
    new_cells = [
        _request(2, 15, {"head": head}),
        _request(2, 15, {"head": cells.head("manufacturer")}),
        _request(2, 15, {"head": cells.head("next supplier"), "signature": _update_signature()}),
    ]
    reads = [_request(kind, which, {}) for which in range(len(_COMMANDS)) for kind in (0, 4)]
    return [
        bytes((device,)) + b"".join(requests)
        for device in range(6)
        for requests in (
            upload,
            [*upload, state],
            [_request(2, 6, {"off": 0, "len": len(wrong), "data": wrong[:500]}), reads[24]],
            new_cells,
            [_request(6, 7, {}), state, _request(2, 5, {"confirm": True})],
            reads[::5],
        )
    ]


def _update_signature() -> bytes:
    return images.signature("next supplier, manufacturer")


def _seeds_of_manifest() -> list[bytes]:
    return [writer.encode_manifest(release.manifest()) for release in images.RELEASES.values()]


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
    } | fuzz_network.seeds()


def beginnings(target: str) -> Iterator[bytes]:
    """What the target is first tried on: good inputs, and those that crashed it once."""
    yield from seeds()[target]
    for path in sorted(CRASHES.glob(f"{target}-*")):
        yield path.read_bytes()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": reader,
    "cbor": cbor_items,
    "envelope": envelope,
    "manifest": manifest_alone,
    "frames": frames,
    "commands": commands,
    "zcl": fuzz_network.zcl_frames,
    "gbcs": fuzz_network.gbcs_messages,
    "network": fuzz_network.frames_to_a_device,
}
