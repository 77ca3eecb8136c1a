# The check of a board against its interface: a right one has no faults, and each thing that is
# missing or wrong is one.

import unittest

import ramboard
from ramboard import Board

import board_check
from hanbootloader import board


class Flash:
    def __init__(self, block_bytes, count):
        self.sizes = {4: count, 5: block_bytes}

    def ioctl(self, operation, argument):
        return self.sizes[operation]


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.board = Board()
        self.board.serial = b"\x00" * 8

    def test_right(self):
        self.assertEqual(board_check.faults_of(self.board), [])

    # a board with nothing has every fault there is; None of them is an exception
    def test_nothing(self):
        faults = board_check.faults_of(board.Board())
        for name in ("name", "tier", "role", "serial", "hung", "data", "image_type"):
            self.assertTrue(any([fault.startswith(name + " is missing") for fault in faults]), name)
        for name in ("region", "watchdog", "idle", "display", "report", "reset"):
            self.assertTrue(name + "() is missing" in faults, name)
        for name in ("readinto", "write"):
            self.assertTrue("console has no %s()" % name in faults, name)

    def test_wrong(self):
        for name, value in (
            ("name", ""),
            ("name", None),
            ("tier", "toy"),
            ("role", "PPMID"),
            ("role", "ihd"),  # and the device type of another
            ("serial", b"1234567"),
            ("serial", "12345678"),
            ("manufacturer_code", -1),
            ("manufacturer_code", 0x10000),
            ("manufacturer_code", True),
            ("image_type", "5"),
            ("hardware_version", 0x10000),
            ("hardware_version", None),
            ("device_type", 2),
            ("trial_ms", 0),
            ("trial_ms", 1.5),
            ("confirms_over_link", 1),
            ("tier", "product"),  # which confirms over the link
            ("cpl_key", b"key"),
            ("cpl_key", bytes(64)),
            ("line_bytes", -1),
            ("line_pause_ms", None),
            ("hung", "watchdog"),
            ("console", None),
            ("console", object()),
            ("han", object()),
        ):
            self.setUp()
            setattr(self.board, name, value)
            faults = board_check.faults_of(self.board)
            self.assertTrue(faults, (name, value))
            self.assertTrue(all(["\n" not in fault for fault in faults]), faults)

    def test_regions(self):
        right = self.board.region
        for name, flash, view_bytes in (
            ("anchors", Flash(4096, 15), 15 * 4096),
            ("journal", Flash(4096, 1), 4096),
            ("slot0", Flash(4096, 5), 5 * 4096),
            ("slot1", Flash(4096, 4), 4 * 4096 - 1),
            ("slot1", Flash(4000, 4), 16000),
            ("journal", object(), 8192),
            ("backup", Flash(4096, 1), 4096),
            ("keys", Flash(4096, 1), 4096),
            ("transfer", Flash(4096, 1), 4096),
            ("han", Flash(4096, 3), 3 * 4096),
        ):
            wrong = flash, memoryview(bytes(view_bytes))
            self.board.region = lambda asked, n=name, w=wrong: w if asked == n else right(asked)
            faults = board_check.faults_of(self.board)
            self.assertTrue(any([name in fault for fault in faults]), name)

    # every region that a device opens is asked for
    def test_every_region(self):
        asked = []
        right = self.board.region
        self.board.region = lambda name: asked.append(name) or right(name)
        board_check.faults_of(self.board)
        self.assertEqual(sorted(asked), sorted(ramboard.MAP))


if __name__ == "__main__":
    unittest.main()
