# Group 1 of SMP, images, as a client sees it.

import unittest

import flows
import images
from console_rig import HAN, READ, WRITE, ConsoleTest
from ramboard import Board

from hanbootloader import reasons
from hanbootloader.store import ledger


class ImageGroupTest(ConsoleTest):
    HASH = images.image_hash("1.1.0")
    RUNNING = {
        "slot": 0,
        "version": "1.0.0",
        "hash": images.image_hash("1.0.0"),
        "bootable": True,
        "active": True,
        "confirmed": True,
    }

    def other(self, **more):
        entry = {"slot": 1, "version": "1.1.0", "hash": self.HASH, "bootable": True}
        entry.update(more)
        return entry

    def state(self):
        return self.ask(READ, 1, 0)["images"]

    def test_empty(self):
        for board in (Board(), flows.board_with()):
            self.use(board)
            self.assertEqual(self.state(), [])

    def test_whole_way(self):
        self.assertEqual(self.state(), [self.RUNNING])
        octets = images.ota_image("1.1.0")
        reply = self.line.upload(octets, sha=images.sha256(octets))
        self.assertEqual(reply, {"off": len(octets), "match": True})
        self.assertEqual(self.state(), [self.RUNNING, self.other()])
        reply = self.ask(WRITE, 1, 0, {"hash": self.HASH})
        self.assertEqual(reply, {"images": [self.RUNNING, self.other(pending=True)]})
        self.assertEqual(self.ask(WRITE, 0, 5), {})
        # after the reset it is on trial
        confirmed = []
        self.use(self.board, confirm=lambda: confirmed.append(1) or True)
        running = dict(self.RUNNING, slot=1)
        del running["active"]
        active = self.other(slot=0, active=True)
        self.assertEqual(self.state(), [active, running])
        self.assertEqual(self.ask(WRITE, 1, 0, {"confirm": True})["images"][0], active)
        self.assertEqual(confirmed, [1])

    # a client that asks at once: the image is there, though it is still being verified
    def test_while_it_is_verified(self):
        flows.send(self.line.installer, images.ota_image("1.1.0", "supplier"))
        reply = self.ask(READ, 1, 0, quiet=False)
        self.assertEqual(reply["images"], [self.RUNNING, self.other(bootable=False)])
        reply = self.ask(WRITE, 1, 0, {"hash": self.HASH}, quiet=False)
        self.assertEqual(reply["images"][1], self.other(bootable=False, pending=True))
        self.assertTrue(self.line.installer.busy)
        while self.line.console.poll():
            pass
        self.assertEqual(self.state()[1], self.other(pending=True))

    def test_versions(self):
        from hanbootloader.link.groups.image import version_text

        for version, text in (
            (0, "0.0.0"),
            (0x01020300, "1.2.3"),
            (0x01020304, "1.2.3.4"),
            (0xFFFFFFFF, "255.255.255.255"),
        ):
            self.assertEqual(version_text(version), text)

    # What the standard's errors can say of a refusal: (release, error of group 1); all of it is
    # said by group 65.
    def test_refused(self):
        for name, rc, reason in (
            ("2.0.0", 22, reasons.BELOW_MINIMUM_BASE),
            ("1.2.0", 22, reasons.NOT_A_PREDECESSOR),
            ("1.0.0", 22, reasons.ALREADY_RUNNING),
            ("forged", 22, reasons.MANUFACTURER_SIGNATURE),
        ):
            octets = images.ota_image(name)
            for version in (1, 0):
                fields = {"off": 0, "data": octets[:600], "len": len(octets)}
                error = {"err": {"group": 1, "rc": rc}} if version else {"rc": 1}
                self.assertEqual((name, self.ask(WRITE, 1, 1, fields, version)), (name, error))
            self.assertEqual(self.ask(READ, HAN, 1)["reason"], reason)

    def test_nearest_errors(self):
        octets = images.ota_image("1.1.0")
        for changed, announced, rc in (
            (b"\0" + octets[1:], len(octets), 23),
            (octets, len(octets) + 1, 21),
            (octets, 10, 23),
            (octets, 0, 23),
        ):
            fields = {"off": 0, "data": changed[:600], "len": announced}
            self.assertEqual(self.ask(WRITE, 1, 1, fields), {"err": {"group": 1, "rc": rc}})
        self.assertEqual(self.ask(WRITE, 1, 0, {"hash": bytes(32)})["err"]["rc"], 3)
        self.line.upload(octets)
        self.assertEqual(self.ask(WRITE, 1, 0, {"hash": bytes(32)})["err"]["rc"], 8)
        self.ask(WRITE, 1, 0, {"hash": self.HASH})
        self.use(self.board)
        fields = {"off": 0, "data": octets[:600], "len": len(octets)}
        self.assertEqual(self.ask(WRITE, 1, 1, fields)["err"]["rc"], 9)

    def test_malformed_requests(self):
        for command, fields in (
            (1, {}),
            (1, {"off": 0, "len": 100}),
            (1, {"off": 0, "data": b"x"}),
            (1, {"data": b"x", "len": 100}),
            (1, {"off": -1, "data": b"x", "len": 100}),
            (1, {"off": "0", "data": b"x", "len": 100}),
            (1, {"off": 0, "data": "x", "len": 100}),
            (1, {"off": 0, "data": b"x", "len": True}),
            (1, {"off": 0, "data": b"x", "len": 100, "sha": "text"}),
            (1, {"off": 0, "data": b"x", "len": 100, "sha": b"s" * 33}),
            (0, {"hash": "text"}),
            (0, {"hash": 1}),
            (0, {"hash": b""}),
            (0, {"hash": bytes(31)}),
            (0, {"hash": bytes(33)}),
        ):
            for version in (0, 1):
                self.assertEqual(self.ask(WRITE, 1, command, fields, version), {"rc": 3})

    # lengths and offsets as large as integers go
    def test_large_numbers(self):
        most = 0xFFFFFFFFFFFFFFFF
        octets = images.ota_image("1.1.0")
        fields = {"off": 0, "data": octets[:600], "len": most}
        self.assertEqual(self.ask(WRITE, 1, 1, fields)["err"]["rc"], 21)
        self.ask(WRITE, 1, 1, {"off": 0, "data": octets[:600], "len": len(octets)})
        self.assertEqual(self.ask(WRITE, 1, 1, {"off": most, "data": b"x"}), {"off": 600})

    def test_resume(self):
        octets = images.ota_image("1.1.0")
        fields = {"off": 0, "data": octets[:600], "len": len(octets), "sha": b"s" * 32}
        self.assertEqual(self.ask(WRITE, 1, 1, fields), {"off": 600})
        self.assertEqual(self.ask(WRITE, 1, 1, fields), {"off": 600})
        # the name that was given is not the file's SHA-256; what is there already is not sent again
        self.assertEqual(self.line.upload(octets), {"off": len(octets), "match": False})
        self.assertEqual(self.line.upload(octets), {"off": len(octets)})
        self.assertEqual(self.state()[1], self.other())

    # `match` comes with the last bytes, where the sender named the SHA-256: of the file as it came
    def test_match(self):
        octets = images.ota_image("1.1.0")
        digest = images.sha256(octets)
        changed = octets[:20] + b"x" + octets[21:]  # the header string, which is not signed
        for file, sha, more in (
            (octets, digest, {"match": True}),
            (changed, digest, {"match": False}),
            (changed, images.sha256(changed), {"match": True}),
            (octets, b"", {}),
        ):
            self.use(flows.board_with("1.0.0"))
            expected = dict(more, off=len(file))
            self.assertEqual(self.line.upload(file, 333, sha), expected)
        # some of it twice, and some too early
        self.use(flows.board_with("1.0.0"))
        pieces = [(at, at + 900) for at in range(900, len(octets), 900)]
        for offset, end in [(0, 500), (0, 600), (901, 1000), (300, 900)] + pieces:
            fields = {"off": offset, "data": octets[offset:end]}
            if not offset:
                fields.update({"len": len(octets), "sha": digest})
            reply = self.ask(WRITE, 1, 1, fields)
        self.assertEqual(reply, {"off": len(octets), "match": True})

    def test_erase(self):
        self.line.upload(images.ota_image("1.1.0"))
        self.assertEqual(self.ask(WRITE, 1, 5), {})
        self.assertEqual(self.state(), [self.RUNNING])
        self.assertEqual(self.ask(WRITE, 1, 5, {"slot": 1}), {})

    # naming what runs activates nothing
    def test_state_of_what_runs(self):
        for fields in ({}, {"hash": self.RUNNING["hash"]}, {"hash": None}, {"confirm": False}):
            self.assertEqual(self.ask(WRITE, 1, 0, fields), {"images": [self.RUNNING]})

    def test_confirmation_denied(self):
        self.use(self.board, confirm=lambda: False)
        reply = self.ask(WRITE, 1, 0, {"confirm": True})
        self.assertEqual(reply, {"err": {"group": 1, "rc": 32}})

    # a product leaves it to the self-test; what is confirmed already is, all the same
    def test_confirmation_in_a_trial(self):
        flows.activate(self.board, "1.1.0")
        for may, denied in ((False, True), (True, False), (False, False)):
            self.board.confirms_over_link = may
            self.use(self.board, confirm=self.confirm)
            reply = self.ask(WRITE, 1, 0, {"confirm": True})
            self.assertEqual((may, "err" in reply), (may, denied))
            if denied:
                self.assertEqual(reply["err"], {"group": 1, "rc": 32})

    def confirm(self):
        device = self.line.device
        if device.ledger.slots[device.started].state == ledger.TRIAL:
            device.ledger.confirm(device.started)
        return True

    def test_slot_info(self):
        slots = [{"slot": 0, "size": 16384}, {"slot": 1, "size": 16384}]
        self.assertEqual(self.ask(READ, 1, 6), {"images": [{"image": 0, "slots": slots}]})


if __name__ == "__main__":
    unittest.main()
