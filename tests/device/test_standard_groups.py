# Groups 0 and 10 of SMP as a client sees them, and which groups each tier has.

import unittest

import flows
import images
from console_rig import HAN, READ, TUNNEL, WRITE, ConsoleTest
from ramboard import Board

from hanbootloader import VERSION
from hanbootloader.board import TIERS
from hanbootloader.install import Installer
from hanbootloader.link import frame
from hanbootloader.link.console import ConsoleServer

HANDLERS = 8  # commands of group 65, those of the network with them
WHOLE_OUTPUT = ("hanboot", ["ram", "hanboot"], 8)  # first, last and number of words


class StandardGroupsTest(ConsoleTest):
    # some clients read it, some write it
    def test_echo(self):
        for operation in (READ, WRITE):
            for version in (0, 1):
                for text in ("", "hello", "\u00fc" * 100, "x" * 900):
                    reply = self.ask(operation, 0, 0, {"d": text}, version)
                    self.assertEqual(reply, {"r": text})
                self.assertEqual(self.ask(operation, 0, 0, {}, version), {"r": ""})
                for fields in ({"d": 1}, {"d": b"octets"}):
                    self.assertEqual(self.ask(operation, 0, 0, fields, version), {"rc": 3})

    def test_parameters(self):
        self.assertEqual(self.ask(READ, 0, 6), {"buf_size": frame.BUF_BYTES, "buf_count": 1})

    # exactly the fields that the standard names: some clients take no others
    def test_information(self):
        self.assertEqual(self.ask(READ, 0, 7), {"output": "hanboot on ram"})
        self.assertEqual(self.ask(READ, 0, 7, {"format": ""}), {"output": "hanboot on ram"})
        for letters, output in (
            ("s", "hanboot"),
            ("n", "0001020304050607"),
            ("r", VERSION),
            ("ins", "hanboot 0001020304050607 ram"),
            ("so", "hanboot hanboot"),
            ("ss", "hanboot"),
        ):
            self.assertEqual(self.ask(READ, 0, 7, {"format": letters}), {"output": output})
        everything = self.ask(READ, 0, 7, {"format": "a"})["output"].split()
        self.assertEqual((everything[0], everything[-2:], len(everything)), WHOLE_OUTPUT)
        for letters in ("x", "sx", "b", "S", " ", "s n"):
            error = {"err": {"group": 0, "rc": 2}}
            self.assertEqual(self.ask(READ, 0, 7, {"format": letters}), error)
        self.assertEqual(self.ask(READ, 0, 7, {"format": 1}), {"rc": 3})
        self.assertEqual(self.ask(READ, 0, 8), {"bootloader": "hanboot"})
        error = {"err": {"group": 0, "rc": 3}}
        self.assertEqual(self.ask(READ, 0, 8, {"query": "mode"}), error)

    def test_reset(self):
        for fields in ({}, {"force": 1}, {"boot_mode": 0}):
            self.setUp()
            self.assertFalse(self.line.console.reset_due)
            self.assertEqual(self.ask(WRITE, 0, 5, fields), {})
            self.assertTrue(self.line.console.reset_due)

    # no mode keeps an application from starting, and no reset passes for one that does
    def test_boot_mode(self):
        for mode, rc in ((1, 8), (255, 8), (256, 3), (-1, 3), ("1", 3), (True, 3)):
            self.assertEqual(self.ask(WRITE, 0, 5, {"boot_mode": mode}), {"rc": rc})
            self.assertFalse(self.line.console.reset_due)

    # a verification that is under way goes first
    def test_reset_waits(self):
        installer = self.line.installer
        flows.send(installer, images.ota_image("1.1.0", "supplier"))
        self.assertTrue(installer.busy)
        self.ask(WRITE, 0, 5, quiet=False)
        self.assertFalse(self.line.console.reset_due)
        while self.line.console.poll():
            pass
        self.assertTrue(self.line.console.reset_due)
        self.assertEqual(self.line.device.ledger.held(), 1)

    def test_enumeration(self):
        self.assertEqual(self.ask(READ, 10, 0), {"count": 5})
        self.assertEqual(self.ask(READ, 10, 1), {"groups": [0, 1, 10, HAN, TUNNEL]})

    def test_enumeration_of_one(self):
        for index, group in ((None, 0), (0, 0), (1, 1), (2, 10), (3, HAN)):
            fields = {} if index is None else {"index": index}
            self.assertEqual(self.ask(READ, 10, 2, fields), {"group": group})
        self.assertEqual(self.ask(READ, 10, 2, {"index": 4}), {"group": TUNNEL, "end": True})
        for index in (5, 65535, 1 << 40):
            error = {"err": {"group": 10, "rc": 4}}
            self.assertEqual(self.ask(READ, 10, 2, {"index": index}), error)
        self.assertEqual(self.ask(READ, 10, 2, {"index": "0"}), {"rc": 3})

    def test_enumeration_in_detail(self):
        known = {0: ("os mgmt", 5), 1: ("img mgmt", 4), 10: ("enum mgmt", 4)}
        known[HAN] = ("hanboot", HANDLERS)
        known[TUNNEL] = ("han tunnel", 1)
        for wanted, numbers in (
            (None, (0, 1, 10, HAN, TUNNEL)),
            ([], (0, 1, 10, HAN, TUNNEL)),
            ([1], (1,)),
            ([HAN, 0, 9], (0, HAN)),
            ([9], ()),
        ):
            reply = self.ask(READ, 10, 3, {} if wanted is None else {"groups": wanted})
            found = [(each["group"], each["name"], each["handlers"]) for each in reply["groups"]]
            self.assertEqual(found, [(number,) + known[number] for number in numbers])
        self.assertEqual(self.ask(READ, 10, 3, {"groups": 1}), {"rc": 3})

    def test_not_there(self):
        for operation, group, command in (
            (READ, 0, 1),
            (WRITE, 0, 6),
            (READ, 1, 1),
            (WRITE, 2, 0),
            (READ, 63, 0),
            (READ, HAN, 99),
            (WRITE, HAN, 0),
            (READ, 0xFFFF, 255),
        ):
            for version in (0, 1):
                self.assertEqual(self.ask(operation, group, command, {}, version), {"rc": 8})


class TiersTest(unittest.TestCase):
    # Frames of the network come over the console where nothing depends on the device, and nowhere
    # else: in a product 66 is an unknown group, as are the commands about a network there is not.
    def test_tunnel(self):
        for tier in TIERS:
            ram = Board()
            ram.tier = tier
            console = ConsoleServer(ram.device(), Installer(ram.device()), lambda: True)
            groups = console._dispatcher._groups
            there = tier in ("virtual", "development")
            self.assertEqual(TUNNEL in groups, there, tier)
            self.assertEqual((7 in groups[HAN], 8 in groups[HAN]), (there, there))


if __name__ == "__main__":
    unittest.main()
