"""Targets of the fuzzer on the Home Area Network: ZCL payloads, GBCS messages, and frames to a
device that has them all."""

from __future__ import annotations

import flows
import images
import ramboard

from hanbootloader.board import Radio
from hanbootloader.han import node as node_module
from hanbootloader.han import ota_cluster, tunneling, zcl
from hanbootloader.han.gbcs import message, use_cases
from hanbootloader.han.node import Node
from hanbootloader.install import Installer
from hanbootloader.reasons import Refused
from nor import NorFlash, Partition

_HUB = bytes.fromhex("00db1234567890aa")
_COMMANDS = sorted(ota_cluster._LAYOUTS)


def zcl_frames(data: bytes) -> None:
    """What is taken encodes to the same bytes; the rest is malformed, and nothing else."""
    try:
        frame = zcl.parse(data)
    except zcl.Malformed:
        return
    assert frame.encode() == data
    for command in _COMMANDS:
        try:
            values = ota_cluster.parse(command, frame.payload)
        except zcl.Malformed:
            continue
        assert ota_cluster.encode(command, values) == bytes(frame.payload)
    for parse in (zcl.parse_read_response, zcl.parse_read, zcl.parse_default_response):
        try:
            parse(frame.payload)
        except zcl.Malformed:
            pass


def gbcs_messages(data: bytes) -> None:
    """One message has one encoding."""
    try:
        found = message.parse(data)
        use_case = use_cases.find(found)
        values = use_case.decode(found)
    except Refused:
        return
    assert found.encode() == data
    assert use_case.encode(values) == bytes(found.payload)


class _FuzzRadio(Radio):
    eui64 = ramboard.Board.serial

    def __init__(self) -> None:
        self.inbox: list[tuple[bytes, int, bool, memoryview]] = []
        self.sent = 0

    def receive(self) -> tuple[bytes, int, bool, memoryview] | None:
        return self.inbox.pop(0) if self.inbox else None

    def send(self, destination: bytes, cluster: int, frame: bytes) -> bool:
        self.sent += 1
        return True


class _LenientFlash(NorFlash):
    """As chips are: programming a one over a zero is no error, and does nothing."""

    def partition(self, first: int, count: int) -> Partition:
        return Partition(self, first, count)


_flash: list[bytes] = []


def frames_to_a_device(data: bytes) -> None:
    """Frames with a length, a cluster and a source each; the clock runs between them.

    Whatever comes, the device runs what it ran, and answers a good question at the end.
    """
    if not _flash:
        _flash.append(bytes(flows.board_with("1.0.0").flash.cells))
    board = ramboard.Board()
    board.flash = _LenientFlash(bytearray(_flash[0]))
    device, _ = flows.start(board)
    before = device.running()
    radio, installer = _FuzzRadio(), Installer(device)
    clock = [0]
    ticks, node_module.ticks_ms = node_module.ticks_ms, lambda: clock[0]
    try:
        node = Node(device, device.network.stores, installer, radio)
        at, count = 0, 0
        while at + 3 <= len(data):
            length, cluster, source = data[at : at + 3]
            octets = memoryview(data)[at + 3 : at + 3 + length]
            at += 3 + length
            count += 1
            clusters = (zcl.OTA_CLUSTER, zcl.TIME_CLUSTER, zcl.TUNNELING_CLUSTER, 0)
            sender = _HUB if source & 1 else bytes(8)
            radio.inbox.append((sender, clusters[cluster % 4], bool(source & 2), octets))
            _work(node, installer)
            clock[0] += 100 * (source >> 2)
        # an answer or two for each frame, and what is due by itself
        assert radio.sent <= 4 * count + 400
        question = zcl.Frame(True, True, 1, zcl.READ_ATTRIBUTES, zcl.encode_read((6,)))
        node.server = _HUB
        sent = radio.sent
        radio.inbox.append((_HUB, zcl.OTA_CLUSTER, False, memoryview(question.encode())))
        _work(node, installer)
        assert radio.sent > sent, "the device does not answer any more"
    finally:
        node_module.ticks_ms = ticks
    after = flows.start(board)[0].running()
    assert (after.file_version, after.image_hash) == (before.file_version, before.image_hash)


def _work(node: Node, installer: Installer) -> None:
    for _ in range(20_000):
        if not (node.poll() or installer.step()):
            return
    raise AssertionError("the device comes to no end")


# --- seeds


def _frame(command: int, values: dict[str, object]) -> bytes:
    return zcl.Frame(False, True, 1, command, ota_cluster.encode(command, values)).encode()


def _to_device(*frames: tuple[int, bytes]) -> bytes:
    return b"".join(bytes((len(octets), cluster, 1)) + octets for cluster, octets in frames)


def seeds() -> dict[str, list[bytes]]:
    identity = {"manufacturer": 0xFFF0, "image_type": 5, "version": images.V1_1}
    file = images.ota_image("1.1.0")
    notify = _frame(ota_cluster.IMAGE_NOTIFY, {"payload_type": 0, "jitter": 100})
    offer = {"status": 0, "image_size": len(file)} | identity
    query = _frame(ota_cluster.QUERY_NEXT_IMAGE_RESPONSE, offer)
    blocks = [
        _frame(
            ota_cluster.IMAGE_BLOCK_RESPONSE,
            {"status": 0, "offset": at, "data": file[at : at + 50]} | identity,
        )
        for at in range(0, 600, 50)
    ]
    end = _frame(
        ota_cluster.UPGRADE_END_RESPONSE, {"current_time": 0, "upgrade_time": 5} | identity
    )
    wait = _frame(
        ota_cluster.IMAGE_BLOCK_RESPONSE,
        {"status": 0x97, "current_time": 0, "request_time": 1, "block_period": 9},
    )
    time = zcl.Frame(
        True, True, 1, 1, zcl.encode_read_response([(0, zcl.UTC, 800_000_000)])
    ).encode()
    command = message.Message(
        message.COMMAND,
        0x0012,
        1000,
        bytes(8),
        ramboard.Board.serial,
        use_cases.CS06_COMMAND.encode({"image_hash": bytes(32), "counter": 1000}),
        signature=bytes(64),
        mac=bytes(12),
    ).encode()
    transfer = zcl.Frame(
        False, True, 2, tunneling.TO_CLIENT, tunneling.encode_transfer(command)
    ).encode()
    return {
        "zcl": [notify, query, *blocks[:3], end, wait, time],
        "gbcs": [command],
        "network": [
            _to_device((0, notify), (0, query), *((0, block) for block in blocks), (0, end)),
            _to_device((0, notify), (0, query), (0, wait), (0, blocks[0])),
            _to_device((0, notify), (1, time), (2, transfer), (0, end)),
        ],
    }
