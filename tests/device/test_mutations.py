# Every change of a good image gives its reason (mutations.py), the same through the parser and
# decision that host tools use and on a device that receives the file. One device gets them all,
# and takes the good one at last.

import unittest

import flows
import images
import mutations
from outcome import reason_of
from ramboard import erases

from bootloader import policy, verify
from bootloader.image import ota
from bootloader.image.reader import ImageReader, Sink
from bootloader.install import IDLE, Installer
from bootloader.reasons import (
    ACCEPTED,
    PADDING,
    PAYLOAD_HASH,
    SUPPLIER_SIGNATURE,
    TRAILER,
    Refused,
)

BEHIND_THE_MANIFEST = (ACCEPTED, PADDING, PAYLOAD_HASH, SUPPLIER_SIGNATURE, TRAILER)


# Reads and judges a file as host tools do: without flash, early and late.
class Host(Sink):
    def __init__(self, device):
        self._facts = device.facts()
        self._running = device.running()
        self._anchors = device.anchors

    def judge(self, octets):
        self._reader = ImageReader(len(octets), self)
        return reason_of(self._read, octets)

    def on_header(self, header):
        must(policy.judge_header(header, self._reader.total_bytes, self._facts))

    def on_manifest(self, envelope, content):
        header, image_bytes = self._reader.header, self._reader.image_bytes
        must(policy.judge_manifest(header, content, image_bytes, None, self._running, self._facts))
        self._proofs = policy.Proofs()
        flows.finish(verify.signature_steps(envelope, self._anchors, self._proofs))
        must(policy.judge_signature(self._proofs))

    def _read(self, octets):
        reader = self._reader
        reader.feed(octets)
        reader.finish()
        proofs = self._proofs
        image_hash = reader.image_hash()
        proofs.padding_is_zero = reader.padding_is_zero
        proofs.payload_hash_matches = reader.payload_hash() == reader.manifest.payload_hash
        signature = None
        if reader.trailer is not None:
            signature = ota.parse_trailer(reader.trailer).signature
        flows.finish(verify.supplier_steps(image_hash, signature, self._anchors, proofs))
        must(
            policy.decide(
                reader.header,
                reader.manifest,
                reader.total_bytes,
                reader.image_bytes,
                image_hash,
                proofs,
                self._running,
                self._facts,
            )
        )


def must(reason):
    if reason:
        raise Refused(reason)


class MutationTest(unittest.TestCase):
    def setUp(self):
        self.board = flows.board_with("1.0.0")
        self.device, _ = flows.start(self.board)
        self.installer = Installer(self.device)
        self.before = flows.confirmed(self.device)

    # Sends a file to the device; returns the verdict that it keeps.
    def offer(self, name, octets):
        reason = reason_of(flows.send, self.installer, octets)
        flows.verify(self.installer)
        verdict = self.device.ledger.verdict()
        if reason:
            self.assertEqual((name, verdict.reason), (name, reason))
        return verdict

    def check_on_device(self, name, octets, reason, offset=None):
        erased = erases(self.board, "slot1")
        verdict = self.offer(name, octets)
        self.assertEqual((name, verdict.reason), (name, reason))
        if offset is not None:
            # a verdict keeps the offset in 32 bits
            self.assertEqual((name, verdict.offset), (name, min(offset, 0x7FFFFFFF)))
        # what header, manifest or its signature tell is told before anything is erased
        if reason not in BEHIND_THE_MANIFEST:
            self.assertEqual((name, erases(self.board, "slot1")), (name, erased))
        self.assertEqual(self.installer.state, IDLE)
        if reason == ACCEPTED:
            self.installer.erase()

    def test_on_the_host(self):
        host = Host(self.device)
        for name, octets, reason, _ in mutations.files():
            self.assertEqual((name, host.judge(octets)), (name, reason))
        for name, octets, reason in mutations.boundary_files(self.device.slots[1].size):
            self.assertEqual((name, host.judge(octets)), (name, reason))

    def test_on_the_device(self):
        for name, octets, reason, offset in mutations.files():
            self.check_on_device(name, octets, reason, offset)
        for name, octets, reason in mutations.boundary_files(self.device.slots[1].size):
            self.check_on_device(name, octets, reason)
        # nothing of it touched what runs
        self.assertEqual(erases(self.board, "slot0"), 1)
        self.assertEqual(flows.confirmed(self.board.device()), self.before)
        # nor stands in the way of the next
        verdict = self.offer("the good one", images.ota_image("1.1.0"))
        self.assertEqual(verdict.reason, ACCEPTED)


if __name__ == "__main__":
    unittest.main()
