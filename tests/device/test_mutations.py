# Every change of a good image gives its reason (mutations.py), the same through the parser and
# decision that host tools use and on a device that receives the file. One device gets them all,
# and takes the good one at last.

import unittest

import flows
import images
import mutations
from outcome import reason_of
from ramboard import erases

from hanbootloader.admission import Admission, Target
from hanbootloader.install import IDLE, Installer
from hanbootloader.reasons import ACCEPTED, PADDING, PAYLOAD_HASH, SUPPLIER_SIGNATURE, TRAILER
from hanbootloader.verify import AnchorKeys

BEHIND_THE_MANIFEST = (ACCEPTED, PADDING, PAYLOAD_HASH, SUPPLIER_SIGNATURE, TRAILER)


# Asks about a file as host tools do: without flash.
class Host:
    def __init__(self, device):
        self._device = device

    def reason(self, octets):
        return reason_of(self._admit, octets)

    def _admit(self, octets):
        keys = AnchorKeys(self._device.anchors)
        admission = Admission(len(octets), self._device, keys, Target())
        flows.finish(admission.feed_steps(memoryview(octets)))
        flows.finish(admission.decide_steps())


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
        # what header, manifest or its signature show is reported before anything is erased
        if reason not in BEHIND_THE_MANIFEST:
            self.assertEqual((name, erases(self.board, "slot1")), (name, erased))
        self.assertEqual(self.installer.state, IDLE)
        if reason == ACCEPTED:
            self.installer.erase()

    def test_on_the_host(self):
        host = Host(self.device)
        for name, octets, reason, _ in mutations.files():
            self.assertEqual((name, host.reason(octets)), (name, reason))
        for name, octets, reason in mutations.boundary_files(self.device.slots[1].size):
            self.assertEqual((name, host.reason(octets)), (name, reason))

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
