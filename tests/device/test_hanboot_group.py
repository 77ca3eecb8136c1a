# Group 65 of SMP, hanboot's own, as a client sees it.

import sys
import unittest

import cells
import flows
import images
from console_rig import HAN, READ, WRITE, ConsoleTest
from ramboard import Board, erases

from hanbootloader import VERSION, reasons
from hanbootloader.image import cose, writer
from hanbootloader.image.manifest import padding_bytes
from hanbootloader.link.groups import hanboot as hanboot_group
from hanbootloader.store import ledger
from hanbootloader.store.slots import SlotWriter
from hanbootloader.trust import p256

VERSIONS = ".".join([str(number) for number in sys.implementation.version[:3]])


class HanbootGroupTest(ConsoleTest):
    def test_identity(self):
        identity = self.ask(READ, HAN, 0)
        slots = identity.pop("slots")
        self.assertEqual(
            identity,
            {
                "board": "ram",
                "tier": "virtual",
                "role": "ppmid",
                "versions": {"hanboot": VERSION, "micropython": VERSIONS},
                "line_bytes": 0,
                "line_pause_ms": 0,
                "serial": self.board.serial,
                "manufacturer_code": 0xFFF0,
                "image_type": 5,
                "hardware_version": 0x0102,
                "device_type": 5,
                "slot_bytes": 16384,
                "security_counter": 1,
                "provisioned": True,
                "started": 0,
                "attempts": 0,
            },
        )
        self.assertEqual([slot["state"] for slot in slots], ["confirmed", "empty"])
        self.assertEqual(slots[0]["version"], images.V1_0)
        self.assertEqual(slots[0]["hash"], images.image_hash("1.0.0"))
        self.assertEqual(slots[0]["bytes"], len(images.manufacturer_image("1.0.0")))

    def test_version_of_features(self):
        device = self.line.device
        self.assertFalse("feature_version" in self.ask(READ, HAN, 0)["slots"][0])
        release = images.Release(images.V1_1, (), 16, feature_version="2.1")
        front = writer.encode_envelope(
            images.kid("manufacturer"), writer.encode_manifest(release.manifest()), bytes(64)
        )
        image = front + bytes(padding_bytes(len(front))) + release.payload()
        slot_writer = SlotWriter(device.slots[1])
        slot_writer.write(memoryview(image))
        slot_writer.finish()
        device.ledger.slots[1] = ledger.SlotRecord(ledger.STAGED, image_bytes=len(image))
        self.assertEqual(self.ask(READ, HAN, 0)["slots"][1]["feature_version"], "2.1")
        # an image that cannot be read says nothing, and the rest is reported all the same
        for image_bytes in (0, cose.HEAD_BYTES - 1, cose.HEAD_BYTES, len(front) - 1):
            device.ledger.slots[1].image_bytes = image_bytes
            slots = self.ask(READ, HAN, 0)["slots"]
            self.assertEqual([len(slot) for slot in slots], [4, 4])

    def test_no_memory_for_a_manifest(self):
        def read_envelope(image):
            raise MemoryError

        right, hanboot_group.read_envelope = hanboot_group.read_envelope, read_envelope
        try:
            self.assertEqual(len(self.ask(READ, HAN, 0)["slots"][0]), 4)
        finally:
            hanboot_group.read_envelope = right

    def test_every_state_has_a_name(self):
        record = self.line.device.ledger.slots[0]
        names = []
        for state in range(ledger.DAMAGED + 1):
            record.state = state
            names.append(self.ask(READ, HAN, 0)["slots"][0]["state"])
        self.assertEqual(names[:4], ["empty", "staged", "pending", "trial"])
        self.assertEqual(names[4:], ["confirmed", "previous", "reverted", "damaged"])

    def test_verdict(self):
        self.use(flows.board_with())
        self.assertEqual(self.ask(READ, HAN, 1), {})
        self.line.upload(images.ota_image("2.0.0"))
        expected = {
            "reason": reasons.BELOW_MINIMUM_BASE,
            "offset": -1,
            "offered": {
                "version": images.V2_0,
                "hash": None,
                "manufacturer_code": 0xFFF0,
                "image_type": 5,
                "hardware": [0x0100, 0x01FF],
            },
            "device": {
                "manufacturer_code": 0xFFF0,
                "image_type": 5,
                "hardware_version": 0x0102,
            },
            "running": None,
            "minimum_base_version": images.V1_1,
            "accepts": [{"version": images.V1_1, "hash": None}],
            "accepts_total": 1,
        }
        self.assertEqual(self.ask(READ, HAN, 1), expected)
        # power is lost; the verdict is not
        self.use(self.board)
        self.assertEqual(self.ask(READ, HAN, 1), expected)
        # a stray activation is an event of its own, reported until the next start
        self.assertIn("err", self.ask(WRITE, 1, 0, {"hash": b"\x11" * 32}))
        reply = self.ask(READ, HAN, 1)
        event = reply.pop("event")
        self.assertEqual(reply, expected)
        self.assertEqual(event, {"kind": "not activated", "reason": reasons.NO_IMAGE_HELD})
        event = self.ask(READ, HAN, 1, {"event": True})
        self.assertEqual((event["kind"], event["reason"]), ("not activated", reasons.NO_IMAGE_HELD))
        self.assertEqual(event["offered"]["hash"], b"\x11" * 32)
        self.use(self.board)
        self.assertEqual(self.ask(READ, HAN, 1), expected)

    # what failed its trial was accepted, and then reverted: it was not refused
    def test_reverted(self):
        flows.activate(self.board, "1.1.0")
        for _ in range(4):
            self.use(self.board)
        for _ in range(2):
            reply = self.ask(READ, HAN, 1)
            self.assertEqual(reply["reason"], reasons.ACCEPTED)
            event = self.ask(READ, HAN, 1, {"event": True})
            self.assertEqual(reply["event"], {"kind": "reverted", "reason": event["reason"]})
            self.assertEqual(event["kind"], "reverted")
            self.assertEqual(event["reason"], reasons.TRIAL_NOT_STARTED)
            self.assertEqual(event["offered"]["hash"], images.image_hash("1.1.0"))
            self.use(self.board)
        # until the next image
        self.line.upload(images.ota_image("2.0.0"))
        reply = self.ask(READ, HAN, 1)
        self.assertEqual((reply["reason"], "event" in reply), (reasons.BELOW_MINIMUM_BASE, False))

    def test_history(self):
        self.use(flows.board_with())
        self.assertEqual(self.ask(READ, HAN, 2), {"events": [], "more": False})
        self.use(flows.board_with("1.0.0", "1.1.0", "1.2.0"))
        history = self.ask(READ, HAN, 2)
        self.assertIs(history["more"], False)
        found = [(event["index"], event["event"], event["reason"]) for event in history["events"]]
        self.assertEqual(found, [(0, 1, 0), (1, 1, 0), (2, 1, 0)])
        first, second = history["events"][:2]
        one = {"version": images.V1_0, "hash": images.image_hash("1.0.0")}
        self.assertEqual((first["from"], first["to"]), (None, one))
        self.assertEqual((second["from"], second["to"]["version"]), (one, images.V1_1))
        self.assertEqual((first["chain"], len(second["chain"])), (bytes(32), 32))

    # a few at a time
    def test_history_in_parts(self):
        book = self.line.device.ledger
        for _ in range(20):
            book.slots[1].state = ledger.TRIAL
            book.revert(1, ledger.VerdictRecord(1, 0, 0, None, 0, None))
        indexes, first = [], 0
        while True:
            reply = self.ask(READ, HAN, 2, {"from": first})
            indexes += [event["index"] for event in reply["events"]]
            if not reply["more"]:
                break
            first = indexes[-1] + 1
        self.assertEqual(indexes, list(range(5, 21)))
        self.assertEqual(self.ask(READ, HAN, 2, {"from": 1 << 60})["events"], [])
        self.assertEqual(self.ask(READ, HAN, 2, {"from": -1}), {"rc": 3})

    def test_progress(self):
        octets = images.ota_image("1.1.0", "supplier")
        idle = {"state": "idle", "received": 0, "total": 0}
        self.assertEqual(self.ask(READ, HAN, 3), idle)
        self.ask(WRITE, 1, 1, {"off": 0, "data": octets[:700], "len": len(octets)})
        expected = {"state": "receiving", "received": 700, "total": len(octets)}
        self.assertEqual(self.ask(READ, HAN, 3), expected)
        flows.send(self.line.installer, octets)
        expected = {"state": "verifying", "received": len(octets), "total": len(octets)}
        self.assertEqual(self.ask(READ, HAN, 3, quiet=False), expected)

    # A reply is never longer than what parameters promise, whatever is in it.
    def test_longest_replies(self):
        book = self.line.device.ledger
        most, digest = 0xFFFFFFFF, b"\xff" * 32
        accepts = tuple([(most, digest)] * ledger.ACCEPTS_KEPT)
        model = (0xFFFF,) * 4
        verdict = ledger.VerdictRecord(
            255, most, most, digest, most, digest, most, accepts, 255, model
        )
        book.record(verdict)
        for slot in book.slots:
            slot.state, slot.file_version, slot.image_bytes = ledger.REVERTED, most, most
            slot.image_hash = digest
        for _ in range(8):
            book.revert(1, verdict)
        for command in (0, 1, 2, 3, 4):
            self.ask(READ, HAN, command)
        self.ask(READ, HAN, 1, {"event": True})
        self.ask(READ, 1, 0)


class ProvisioningTest(ConsoleTest):
    def setUp(self):
        self.use(Board())

    def put(self, name, signature=None):
        fields = {"head": cells.head(name)}
        if signature is not None:
            fields["signature"] = signature
        return self.ask(WRITE, HAN, 4, fields)

    def refusal(self, reason):
        return {"err": {"group": HAN, "rc": 256 + reason}}

    def test_provision(self):
        self.assertEqual(self.ask(READ, HAN, 4), {"cells": [], "more": False})
        self.assertEqual(self.put("supplier"), {"written": True})
        self.assertIs(self.ask(READ, HAN, 0)["provisioned"], False)
        self.assertEqual(self.put("manufacturer"), {"written": True})
        self.assertEqual(self.put("manufacturer"), {"written": False})
        self.assertIs(self.ask(READ, HAN, 0)["provisioned"], True)
        found = self.ask(READ, HAN, 4)["cells"]
        found.sort(key=lambda cell: cell["role"])
        for cell, name in zip(found, ("supplier", "manufacturer")):
            self.assertEqual(
                cell,
                {
                    "role": cells.ROLES[name],
                    "usage": 0,
                    "kid": images.kid(name),
                    "sequence": 1,
                    "development": True,
                    "manufacturer_code": 0xFFFF,
                    "image_type": 0xFFFF,
                    "entity": b"\xff" * 8,
                    "label": name.encode(),
                    # of every byte, as can be computed from the public key
                    "fingerprint": images.sha256(
                        cells.head(name) + cells.finish(p256.table_steps(images.key(name), 6))
                    ),
                },
            )
        # from here on it takes images, and no other anchor
        octets = images.ota_image("1.0.0")
        self.assertEqual(self.line.upload(octets), {"off": len(octets), "match": False})
        for name in ("next supplier", "stranger"):
            refusal = self.put(name)
            self.assertEqual(refusal, self.refusal(reasons.ANCHORS_LOCKED))
        # also after a reset, and after the cells were lost
        for sector in range(16):
            self.board.flash.erase(sector)
        self.use(self.board)
        self.assertIs(self.ask(READ, HAN, 0)["provisioned"], False)
        self.assertEqual(self.put("stranger"), self.refusal(reasons.ANCHORS_LOCKED))

    def test_update(self):
        self.put("supplier")
        self.put("manufacturer")
        wrong = images.signature("next supplier, stranger")
        refusal = self.put("next supplier", wrong)
        self.assertEqual(refusal, self.refusal(reasons.ANCHOR_SIGNATURE))
        right = images.signature("next supplier, manufacturer")
        self.assertEqual(self.put("next supplier", right), {"written": True})
        sequences = [cell["sequence"] for cell in self.ask(READ, HAN, 4)["cells"]]
        self.assertEqual(sorted(sequences), [1, 2])

    def test_cpl_entry(self):
        self.assertEqual(self.ask(WRITE, HAN, 9, {"entry": b""}), {"taken": False})
        self.board.cpl_key = images.key("supplier")
        refusal = self.refusal(reasons.CPL_ENTRY)
        self.assertEqual(self.ask(WRITE, HAN, 9, {"entry": b""}), refusal)
        # of an upload without one, group 65 says why
        self.use(flows.board_with("1.0.0"))
        self.board.cpl_key = images.key("supplier")
        self.line.upload(images.ota_image("1.1.0"))
        self.assertEqual(self.ask(READ, HAN, 1)["reason"], reasons.CPL_ENTRY_MISSING)

    def test_refused(self):
        for command, fields, reply in (
            (4, {}, {"rc": 3}),
            (4, {"head": "text"}, {"rc": 3}),
            (4, {"head": b""}, self.refusal(reasons.ANCHOR_MALFORMED)),
            (4, {"head": bytes(176)}, self.refusal(reasons.ANCHOR_MALFORMED)),
            # commands of the format before
            (5, {"off": 0, "data": b"x"}, {"rc": 8}),
            (6, {}, {"rc": 8}),
            (9, {}, {"rc": 3}),
            (9, {"entry": "text"}, {"rc": 3}),
        ):
            self.assertEqual((command, self.ask(WRITE, HAN, command, fields)), (command, reply))
        self.assertEqual(erases(self.board, "anchors"), 0)


if __name__ == "__main__":
    unittest.main()
