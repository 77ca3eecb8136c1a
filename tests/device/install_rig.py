# An installer on a device in memory, as its tests use it.

import unittest

import flows
import images
from outcome import reason_of

from hanbootloader.install import IDLE, Installer

SHA = b"s" * 32  # a sender's name for a file: anything
V1_0, V1_1, V2_0 = images.V1_0, images.V1_1, images.V2_0


class InstallTest(unittest.TestCase):
    def setUp(self):
        self.use(flows.board_with("1.0.0"))

    def use(self, board):
        self.board = board
        self.device, _ = flows.start(board)
        self.installer = Installer(self.device)

    def write(self, offset, octets):
        return flows.write(self.installer, offset, octets)

    # Offers a release; returns the reason.
    def offer(self, name, supplier=None, sha=None):
        octets = images.ota_image(name, supplier)
        reason = reason_of(flows.send, self.installer, octets, 512, None, sha)
        flows.verify(self.installer)
        verdict = self.device.ledger.verdict()
        if reason:
            self.assertEqual(verdict.reason, reason)
        self.assertEqual(self.installer.state, IDLE)
        return verdict.reason

    def check_slots(self, *expected):
        self.assertEqual(tuple(flows.slots(self.device)), expected)
        # and after a reset
        self.assertEqual(tuple(flows.slots(self.board.device())), expected)
