# Starts of the confirmed application that did not last: counted, forgiven, and what they lead to.

import unittest

import flows
from ramboard import PowerCut

from hanbootloader.lives import SHORT_LIVES, Lives


class LivesTest(unittest.TestCase):
    def setUp(self):
        self.board = flows.board_with("1.0.0")

    # A start as start.py does it: whether the link was served alone first.
    def start(self, *ends):
        device, _ = flows.start(self.board)
        lives = Lives(device.ledger)
        needed = lives.needs_grace
        lives.begin()
        for end in ends:
            getattr(lives, end)()
        return needed

    def test_three_in_a_row(self):
        found = [self.start() for _ in range(6)]
        self.assertEqual(found, [False, False, False, True, True, True])

    def test_one_that_lasts(self):
        for _ in range(SHORT_LIVES):
            self.start()
        self.assertTrue(self.start("lasted"))
        self.assertFalse(self.start())

    def test_interrupted(self):
        found = [self.start(), self.start(), self.start("lasted"), self.start(), self.start()]
        self.assertEqual(found, [False] * 5)
        self.assertFalse(self.start())
        self.assertTrue(self.start())

    # any number of them: neither a short life nor one that lasted
    def test_what_a_client_resets(self):
        self.start()
        for _ in range(9):
            self.assertFalse(self.start("excuse"))
        self.assertFalse(self.start())
        self.assertFalse(self.start())
        self.assertTrue(self.start("excuse"))
        self.assertTrue(self.start())

    # a reset after it had lasted
    def test_lasted_and_reset(self):
        for _ in range(SHORT_LIVES):
            self.start()
        self.assertTrue(self.start("lasted", "excuse"))
        self.assertFalse(self.start())

    # its successor begins afresh
    def test_an_upgrade(self):
        for _ in range(SHORT_LIVES):
            self.start()
        flows.install(self.board, "1.1.0")
        self.assertFalse(self.start())

    # Power fails while a start is counted, forgiven or ended by a client: the count is the one
    # before or the one after, and everything else as it was.
    def test_power_cut(self):
        for before, acts in (
            (0, ("begin",)),
            (2, ("begin",)),
            (3, ("lasted",)),
            (1, ("begin", "excuse")),
        ):
            self.board.device().ledger.keep_short_lives(before)
            octets = bytes(self.board.flash.cells)
            counts = {before, min(before + 1, SHORT_LIVES) if "begin" in acts else 0}
            slots = flows.slots(self.board.device())
            operation, is_done = 0, False
            while not is_done:
                for cut_bytes in (0, 1, 8):
                    self.board.flash.cells[:] = octets
                    device, _ = flows.start(self.board)
                    lives = Lives(device.ledger)
                    self.board.flash.operations = 0
                    self.board.flash.cut_at, self.board.flash.cut_bytes = operation, cut_bytes
                    try:
                        for act in acts:
                            getattr(lives, act)()
                        is_done = True
                    except PowerCut:
                        pass
                    self.board.flash.cut_at = -1
                    device, chosen = flows.start(self.board)
                    self.assertTrue(device.ledger.short_lives in counts)
                    self.assertTrue(chosen is not None)
                    self.assertEqual(flows.slots(device), slots)
                operation += 1
            self.assertTrue(operation > 2)

    # a loop wears nothing
    def test_no_flash_beyond_three(self):
        for _ in range(SHORT_LIVES):
            self.start()
        before = len(self.board.flash.erased)
        for _ in range(300):
            self.assertTrue(self.start())
        self.assertEqual(len(self.board.flash.erased), before)


if __name__ == "__main__":
    unittest.main()
