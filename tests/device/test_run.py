# What runs after the choice, without an application or a link: a stand-in for bootloader/start.py.

import unittest

import flows
from images import V1_0, V1_1, V1_2
from ramboard import MAP

import hanbootloader
from hanbootloader import boot


class RunTest(unittest.TestCase):
    def setUp(self):
        self.board = flows.board_with("1.0.0")
        self.calls = []
        hanbootloader.start = Start(self.calls)

    def tearDown(self):
        del hanbootloader.start

    def run_board(self, hung=False):
        del self.calls[:]
        self.board.hung = hung
        self.board.reset = lambda: self.calls.append("reset")
        boot.run(self.board)
        return list(self.calls)

    def test_starts(self):
        self.assertEqual(self.run_board(), [(0, V1_0, False), "reset"])

    def test_stays(self):
        self.board = flows.board_with()
        self.assertEqual(self.run_board(), ["stay", "reset"])

    # after the watchdog a confirmed application leaves a way in first; not one on trial, nor the
    # one that takes its place
    def test_after_the_watchdog(self):
        self.assertEqual(self.run_board(hung=True), [(0, V1_0, True), "reset"])
        flows.activate(self.board, "1.1.0")
        self.assertEqual(self.run_board(), [(1, V1_1, False), "reset"])
        for _ in range(2):
            self.assertEqual(self.run_board(hung=True), [(1, V1_1, False), "reset"])
        self.assertEqual(self.run_board(hung=True), [(0, V1_0, False), "reset"])

    # the same with the trial in the first slot
    def test_trial_in_the_first_slot(self):
        flows.install(self.board, "1.1.0")
        flows.activate(self.board, "1.2.0")
        self.assertEqual(self.run_board(), [(0, V1_2, False), "reset"])
        self.assertEqual(self.run_board(hung=True), [(0, V1_2, False), "reset"])

    # what is in doubt starts nothing, and asks for another start: the image on trial, the confirmed
    # one, and the journal, of which nothing is acted upon then
    def test_in_doubt(self):
        flows.activate(self.board, "1.1.0")
        octets = bytes(self.board.flash.cells)
        for place, at in (("slot1", 300), ("slot0", 300), ("journal", 4)):
            if place == "slot0":
                # the one on trial has had its starts
                for _ in range(3):
                    self.run_board(hung=True)
                self.assertEqual(self.run_board(hung=True), [(0, V1_0, False), "reset"])
            self.board.flash.cells[MAP[place][0] * 4096 + at] ^= 1
            self.assertEqual((place, self.run_board()), (place, ["reset"]))
            self.board.flash.cells[:] = octets

    # An image on trial in doubt is no reason to look at the confirmed one. With the newest record
    # of the journal in doubt, which counted a start, nothing is looked at, and nothing written.
    def test_nothing_is_chosen_in_doubt(self):
        flows.activate(self.board, "1.1.0")
        self.run_board()
        journal = MAP["journal"][0] * 4096
        newest = max([at for at in range(4096) if self.board.flash.cells[journal + at] != 0xFF])
        for at in (MAP["slot1"][0] * 4096 + 300, journal + newest - 30):
            self.board.flash.cells[at] ^= 1
            device = boot.open_device(self.board)
            is_known, operations = device.doubts.needs_restart, self.board.flash.operations
            self.assertIsNone(boot.choose(device))
            self.assertTrue(device.doubts.needs_restart)
            if is_known:
                self.assertEqual(self.board.flash.operations, operations)
            self.board.flash.cells[at] ^= 1
        self.assertTrue(is_known)


# In place of bootloader/start.py.
class Start:
    def __init__(self, calls):
        self.calls = calls

    def stay(self, device):
        self.calls.append("stay")

    def start(self, device, index, content, needs_grace):
        self.calls.append((index, content.file_version, needs_grace))


if __name__ == "__main__":
    unittest.main()
