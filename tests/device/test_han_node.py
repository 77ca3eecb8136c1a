# The device on its network, with a radio in memory and the simplest hub: a whole transfer, its
# resumption over a restart, and what it takes of the heap.

import unittest

import flows
import images
from images import V1_0, V1_1
from memory import Meter
from ramboard import erases

from hanbootloader.board import Radio
from hanbootloader.han import node, ota_cluster, zcl
from hanbootloader.han.node import Node
from hanbootloader.install import Installer
from hanbootloader.reasons import FLASH_FAULT, Refused
from hanbootloader.store import ledger

HUB = b"\x00\xdb\x12\x34\x56\x78\x90\xaa"
OTHER = b"\x00\xdb\x12\x34\x56\x78\x90\xbb"
BLOCK_BYTES = 50


class MemoryRadio(Radio):
    eui64 = b"\x00\x01\x02\x03\x04\x05\x06\x07"

    def __init__(self):
        self.inbox = []
        self.outbox = []

    def receive(self):
        return self.inbox.pop(0) if self.inbox else None

    def send(self, destination, cluster, frame):
        self.outbox.append((destination, cluster, frame))
        return True

    # a command of the OTA cluster from a hub
    def put(self, command, values, source=HUB, sequence=1):
        payload = ota_cluster.encode(command, values)
        frame = zcl.Frame(False, True, sequence, command, payload).encode()
        self.inbox.append((source, zcl.OTA_CLUSTER, False, memoryview(frame)))


class NodeTest(unittest.TestCase):
    def setUp(self):
        self.ms = 0
        self._ticks = node.ticks_ms
        node.ticks_ms = lambda: self.ms
        self.board = flows.board_with("1.0.0")
        self.restart()

    def tearDown(self):
        node.ticks_ms = self._ticks

    def restart(self):
        self.device = flows.start(self.board)[0]
        self.installer = Installer(self.device)
        self.radio = MemoryRadio()
        self.node = Node(self.device, self.device.network.stores, self.installer, self.radio)

    def work(self):
        while self.node.poll() or self.installer.step():
            pass

    # the next OTA command of the device: (command, values)
    def next(self):
        for _ in range(1000):
            self.work()
            while self.radio.outbox:
                _, cluster, octets = self.radio.outbox.pop(0)
                frame = zcl.parse(octets)
                if cluster == zcl.OTA_CLUSTER and not frame.is_global:
                    return frame.command, ota_cluster.parse(frame.command, frame.payload)
            self.ms += 100
        self.fail("the device is silent")

    # Serves the file of `name` up to the block that begins at `end`, or to Upgrade End, which is
    # returned.
    def serve(self, name, end=1 << 30, look=lambda: None):
        octets = images.ota_image(name)
        identity = {"manufacturer": 0xFFF0, "image_type": 5, "version": V1_1}
        self.radio.put(ota_cluster.IMAGE_NOTIFY, {"payload_type": 0, "jitter": 100})
        self.requests = []
        while True:
            command, values = self.next()
            look()
            if command == ota_cluster.QUERY_NEXT_IMAGE:
                answer = {"status": 0, "image_size": len(octets)}
                answer.update(identity)
                self.radio.put(ota_cluster.QUERY_NEXT_IMAGE_RESPONSE, answer)
            elif command == ota_cluster.IMAGE_BLOCK and values["offset"] < end:
                offset = values["offset"]
                self.requests.append(offset)
                data = octets[offset : offset + values["max_bytes"]]
                answer = {"status": 0, "offset": offset, "data": data}
                answer.update(identity)
                self.radio.put(ota_cluster.IMAGE_BLOCK_RESPONSE, answer)
            else:
                return command, values

    def test_transfer(self):
        command, values = self.serve("1.1.0")
        self.assertEqual((command, values["status"]), (ota_cluster.UPGRADE_END, zcl.SUCCESS))
        states = [(slot.file_version, slot.state) for slot in self.device.ledger.slots]
        self.assertEqual(states, [(V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED)])
        self.assertEqual(self.requests, list(range(0, len(images.ota_image("1.1.0")), BLOCK_BYTES)))

    # The wrong predecessor: the hub knows after the manifest.
    def test_refused(self):
        command, values = self.serve("1.2.0")
        self.assertEqual((command, values["status"]), (ota_cluster.UPGRADE_END, zcl.INVALID_IMAGE))
        self.assertTrue(self.requests[-1] < 1024)
        self.assertEqual(erases(self.board, "slot1"), 0)

    # One sector is there: it is fed again, not fetched again, and not written again.
    def test_resumed(self):
        self.serve("1.1.0", 4500)
        written = erases(self.board, "slot1")
        self.restart()
        self.serve("1.1.0")
        self.assertEqual(self.requests[0], 60 + 4096)
        self.assertEqual(self.device.ledger.held(), 1)
        self.assertEqual(erases(self.board, "slot1") - written, 1)

    # What is kept of an interrupted transfer is no use to another file.
    def test_another_file(self):
        self.serve("1.1.0", 4500)
        self.restart()
        self.serve("1.1.0 rebuilt")
        self.assertEqual(self.requests[0], 0)
        self.assertEqual(self.device.ledger.held(), 1)

    def test_first_server(self):
        self.serve("1.1.0", 100)
        self.radio.put(ota_cluster.IMAGE_NOTIFY, {"payload_type": 0, "jitter": 100}, OTHER, 7)
        self.work()
        destination, _, octets = self.radio.outbox[-1]
        frame = zcl.parse(octets)
        self.assertEqual((destination, frame.sequence), (OTHER, 7))
        self.assertEqual(bytes(frame.payload), bytes((0, zcl.NOT_AUTHORIZED)))

    # Flash that takes no report: the network is silent for a while, and nothing else stops.
    def test_worn_store(self):
        def worn(*arguments):
            raise Refused(FLASH_FAULT)

        self.serve("1.1.0")
        self.node.records.replace_activation = worn
        identity = {"manufacturer": 0xFFF0, "image_type": 5, "version": V1_1}
        end = {"current_time": 0, "upgrade_time": 0}
        end.update(identity)
        self.radio.put(ota_cluster.UPGRADE_END_RESPONSE, end)
        for _ in range(100):
            self.node.poll()
            self.ms += 10
        self.radio.outbox = []
        self.work()
        self.assertEqual(self.device.ledger.slots[1].state, ledger.STAGED)
        self.ms += 3_600_000
        self.assertTrue(self.node.poll())

    # Budget: 24 KiB above idle, over the network, too; the same for a small and a larger image.
    def test_memory(self):
        peaks = []
        for name in ("1.1.0", "1.1.0 rebuilt", "1.1.0"):
            self.board = flows.board_with("1.0.0")
            self.restart()
            images.ota_image(name)
            with Meter() as meter:
                self.serve(name, look=meter.look)
            peaks.append(meter.peak)
            self.assertEqual(self.device.ledger.held(), 1)
        # the first imports what is imported late
        self.assertTrue(max(peaks[1:]) < 24 * 1024, peaks)


if __name__ == "__main__":
    unittest.main()
