# The console: SMP requests in, replies out, as a client sees them; typed lines for the application.

import sys
import unittest

import cells
import flows
import images
from memory import Meter
from ramboard import Board, erases

from hanbootloader import VERSION, reasons
from hanbootloader.board import TIERS
from hanbootloader.image import cbor, cose, writer
from hanbootloader.image.manifest import padding_bytes
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer
from hanbootloader.link.groups import hanboot as hanboot_group
from hanbootloader.store import ledger
from hanbootloader.store.slots import SlotWriter
from hanbootloader.trust import p256

READ, WRITE = smp.READ, smp.WRITE
VERSIONS = ".".join([str(number) for number in sys.implementation.version[:3]])
HAN = 65
TUNNEL = 66
HANDLERS = 8  # commands of group 65, those of the network with them
WHOLE_OUTPUT = ("hanboot", ["ram", "hanboot"], 8)  # first, last and number of words


# A client and a device on one line.
class Line:
    def __init__(self, board, confirm=lambda: True):
        self.board = board
        self.device, _ = flows.start(board)
        self.installer = Installer(self.device)
        self.console = ConsoleServer(self.device, self.installer, confirm)
        self._replies = frame.FrameReader()
        self._sequence = 0

    # Puts octets on the line and serves it until it is quiet; returns the messages that came back.
    def exchange(self, octets, quiet=True):
        self.board.console.incoming += octets
        while self.console.poll():
            if not quiet and not self.board.console.incoming and self.board.console.outgoing:
                break
        came, self.board.console.outgoing = self.board.console.outgoing, b""
        return [bytes(each) for each in self._replies.feed(came)]

    # The fields of the reply to a request, whose header must be as asked.
    def ask(self, operation, group, command, fields=None, version=1, quiet=True):
        self._sequence = (self._sequence + 1) & 0xFF
        request = smp.encode(version, operation, group, self._sequence, command, fields or {})
        (reply,) = self.exchange(frame.encode(request), quiet)
        header = smp.parse_header(reply)
        asked = (version, operation + 1, group, self._sequence, command)
        found = (header.version, header.operation, header.group, header.sequence, header.command)
        assert found == asked, (found, asked)
        return cbor.decode(reply[8:])

    def upload(self, octets, piece_bytes=500, sha=b"s" * 32):
        offset = 0
        while True:
            fields = {"off": offset, "data": octets[offset : offset + piece_bytes]}
            if not offset:
                fields.update({"len": len(octets), "sha": sha, "image": 0})
            reply = self.ask(WRITE, 1, 1, fields)
            if "off" not in reply or reply["off"] == len(octets):
                return reply
            offset = reply["off"]


class ConsoleTest(unittest.TestCase):
    def setUp(self):
        self.use(flows.board_with("1.0.0"))

    def use(self, board, **more):
        self.board = board
        self.line = Line(board, **more)
        self.ask = self.line.ask


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


class LineTest(ConsoleTest):
    GOOD = frame.encode(smp.encode(1, READ, 0, 200, 0, {"d": "still there"}))

    # Whatever was on the line, the next good request is answered.
    def check_alive(self):
        replies = self.line.exchange(self.GOOD)
        self.assertTrue(replies, "no reply")
        self.assertEqual(cbor.decode(replies[-1][8:]), {"r": "still there"})

    def test_malformed_bodies(self):
        for body in (b"\xff", b"\xbf\0\xff", b"\xa1", b"\x80", b"\x9b" + b"\xff" * 8):
            for group, command in ((0, 0), (1, 0), (1, 1), (HAN, 1)):
                for version in (0, 1):
                    for operation in (READ, WRITE):
                        header = smp.SmpHeader(version, operation, len(body), group, 1, command)
                        (reply,) = self.line.exchange(frame.encode(header.encode() + body))
                        fields = cbor.decode(reply[8:])
                        self.assertTrue(fields in ({"rc": smp.EINVAL}, {"rc": smp.NOTSUP}))
        self.check_alive()

    def test_what_is_no_request(self):
        for message in (
            bytes(8)[:-1] + b"\x05" + b"more",  # not the length that it says
            smp.encode(1, 1, 0, 1, 0, {"r": "a reply"}),
            smp.encode(1, 3, 0, 1, 0, {}),
        ):
            self.assertEqual(self.line.exchange(frame.encode(message)), [])
            self.check_alive()

    def test_rubbish(self):
        every = bytes(range(256))
        for noise in (
            every,
            every * 10,
            b"\xff" * 5000,
            b"\x00" * 5000,
            b"\x06\x09" * 600,
            b"\x06\x09\x04\x14\n" * 100,
            b"\x06\x09" + b"A" * 600,
            b"\n" * 1000,
            images.payload_octets("noise", 4000),
            self.GOOD[:-3],
            self.GOOD[:10],
        ):
            for end in (b"\n", b""):
                self.line.exchange(noise + end)
                self.check_alive()
                # in one go with it
                replies = self.line.exchange(noise + end + self.GOOD)
                self.assertEqual(cbor.decode(replies[-1][8:]), {"r": "still there"})

    # Each octet of each kind of request changed: no crash, an answer or none, and life goes on.
    def test_damaged_requests(self):
        octets = images.ota_image("1.1.0")
        for message in (
            smp.encode(1, WRITE, 1, 7, 1, {"off": 0, "len": len(octets), "data": octets[:60]}),
            smp.encode(1, WRITE, 1, 7, 0, {"hash": bytes(32), "confirm": True}),
            smp.encode(1, READ, HAN, 7, 2, {"from": 0}),
            smp.encode(0, WRITE, HAN, 7, 4, {"head": cells.head("stranger")[:40]}),
        ):
            for at in range(len(message)):
                for flip in (0x01, 0x20, 0x80):
                    changed = bytearray(message)
                    changed[at] ^= flip
                    self.line.exchange(frame.encode(bytes(changed)))
            self.check_alive()
        self.assertEqual(flows.confirmed(self.line.device)[0], images.V1_0)

    # several requests in one go, and requests in any pieces
    def test_pieces(self):
        requests = [smp.encode(1, READ, 0, n, 0, {"d": "x" * 100}) for n in range(10)]
        octets = b"".join([frame.encode(request) for request in requests])
        for piece_bytes in (1, 3, 100, 256, 5000):
            replies = []
            for at in range(0, len(octets), piece_bytes):
                replies += self.line.exchange(octets[at : at + piece_bytes])
            self.assertEqual([reply[6] for reply in replies], list(range(10)))

    # a flash that takes nothing any more is an error, not an end
    def test_flash_fault(self):
        self.line.upload(images.ota_image("1.1.0"))
        self.board.flash.stuck = range(27)
        self.assertTrue("off" not in self.ask(WRITE, 1, 5))
        octets = images.ota_image("1.1.0 rebuilt")
        reply = self.ask(WRITE, 1, 1, {"off": 0, "len": len(octets), "data": octets[:900]})
        self.assertTrue("off" not in reply, reply)
        self.check_alive()

    def test_memory(self):
        every = bytes(range(256))
        with Meter() as meter:
            for round_ in range(30):
                self.board.console.incoming = every
                while self.line.console.poll():
                    pass
                self.board.console.incoming = self.GOOD
                while self.line.console.poll():
                    pass
                self.board.console.outgoing = b""
                meter.look()
                if round_ == 2:
                    early = meter.peak
        self.assertTrue(meter.peak - early < 256, (early, meter.peak))


class TypedLinesTest(ConsoleTest):
    def test_lines(self):
        self.assertIsNone(self.line.console.readline())
        self.line.exchange(b"balance\r\ntop-up 10.00\n")
        self.assertEqual(self.line.console.readline(), "balance")
        self.assertEqual(self.line.console.readline(), "top-up 10.00")
        self.assertIsNone(self.line.console.readline())

    # an application that does not read does not fill the memory
    def test_last_ones_are_kept(self):
        self.line.exchange(b"".join([b"line %d\n" % n for n in range(10)]))
        kept = []
        while True:
            line = self.line.console.readline()
            if line is None:
                break
            kept.append(line)
        self.assertEqual(kept, ["line 6", "line 7", "line 8", "line 9"])

    def test_between_requests(self):
        replies = self.line.exchange(b"balance\n" + LineTest.GOOD + b"help\n")
        self.assertEqual(len(replies), 1)
        self.assertEqual(self.line.console.readline(), "balance")
        self.assertEqual(self.line.console.readline(), "help")

    def test_say(self):
        self.line.console.say("Balance 12.34")
        self.assertEqual(self.board.console.outgoing, b"Balance 12.34\n")


if __name__ == "__main__":
    unittest.main()
