# What an earlier hanboot left in flash: journals of each format, trust anchor cells of format 1
# beside those of format 2. Power may fail at each operation of the first starts.

import unittest

import cells
import flows
import images
import state_before
from outcome import refusal_of
from ramboard import MAP, Board, PowerCut

from hanbootloader import boot
from hanbootloader.device import Device
from hanbootloader.reasons import (
    ANCHOR_MALFORMED,
    ANCHOR_SIGNATURE,
    ANCHORS_LOCKED,
    NOT_A_PREDECESSOR,
)
from hanbootloader.store import ledger
from hanbootloader.store.flash import Region
from hanbootloader.trust import p256
from hanbootloader.trust.anchors import TABLE_ROWS
from hanbootloader.trust.cell import MANUFACTURER, SUPPLIER
from nor import SECTOR_BYTES


# Everything that a ledger remembers.
def all_of(device):
    store = device.ledger
    verdict = store.verdict()
    return (
        [slot.pack() for slot in store.slots],
        (store.attempts, store.security_counter, store.is_locked, store.short_lives),
        [event.chain for event in store.history()],
        verdict and (verdict.reason, verdict.offered_version, verdict.running_version),
    )


_table_steps, _tables = p256.table_steps, {}


# The comb table of a key, computed once: a device computes it again after each cut.
def _remembered_table_steps(key, rows):
    if (key, rows) not in _tables:
        _tables[key, rows] = yield from _table_steps(key, rows)
    return _tables[key, rows]


class EarlierTest(unittest.TestCase):
    def setUp(self):
        p256.table_steps = _remembered_table_steps

    def tearDown(self):
        p256.table_steps = _table_steps

    # Without a copy of all that follows, for which a small heap has no room.
    def octets_at(self, board, start, count):
        return bytes(memoryview(board.flash.cells)[start : start + count])

    # A board whose flash is `octets`.
    def board_of(self, octets):
        board = Board()
        board.flash.cells[:] = octets
        return board

    # Does `act` on boards of `octets`, with power that fails at each operation of it in turn, and
    # `check`s each, then what `act` makes of it with power that holds. How many there were.
    def cut_everywhere(self, octets, act, check):
        operation = 0
        while True:
            board = self.board_of(octets)
            board.flash.cut_at, board.flash.cut_bytes = operation, 100 * (operation % 2)
            try:
                act(board)
                return operation
            except PowerCut:
                board.flash.cut_at = -1
            check(board, False)
            act(board)
            check(board, True)
            operation += 1


class JournalTest(EarlierTest):
    def leave(self, name):
        board = flows.board_with("1.0.0", "1.1.0")
        device = board.device()
        if name == "bad4c36":
            device.ledger.keep_short_lives(2)
        refusal_of(flows.send, flows.Installer(device), images.ota_image("stranger's"))
        state_before.leave_journal(board, board.device(), name)
        return bytes(board.flash.cells)

    # It is read as it was, and everything goes on from there.
    def test_each(self):
        for name in state_before.JOURNALS:
            octets = self.leave(name)
            device = self.board_of(octets).device()
            self.assertEqual(
                [(slot.file_version, slot.state) for slot in device.ledger.slots],
                [(images.V1_0, ledger.PREVIOUS), (images.V1_1, ledger.CONFIRMED)],
            )
            self.assertEqual(device.ledger.short_lives, 2 if name == "bad4c36" else 0)
            self.assertEqual((device.ledger.security_counter, device.ledger.is_locked), (1, True))
            verdict = device.ledger.verdict()
            # what was offered is not known of it
            self.assertEqual((verdict.reason, verdict.offered_model), (NOT_A_PREDECESSOR, None))
            self.assertEqual(len(device.ledger.history()), 2)

    def test_power_cut(self):
        for name in state_before.JOURNALS:
            octets = self.leave(name)
            before = all_of(self.board_of(octets).device())
            after = self.board_of(octets)
            self.refuse(after)
            after = all_of(after.device())
            # the verdict is another one, and nothing else is
            self.assertEqual(before[:3], after[:3])
            self.assertTrue(before[3] != after[3])

            def check(board, is_done, before=before, after=after):
                found = all_of(board.device())
                self.assertTrue(found == after or (found == before and not is_done), found)

            self.assertTrue(self.cut_everywhere(octets, self.refuse, check) >= 4)

    # One more refusal, under a verdict of today's.
    def refuse(self, board):
        device = Device(board)
        refusal_of(flows.send, flows.Installer(device), images.ota_image("1.0.0"))
        # the older verdict is gone from the journal
        self.assertFalse(device.ledger._journal.latest(state_before.VERDICT))

    # An upgrade over it, with each of its records the first that today's bootloader writes.
    def test_upgrade(self):
        for name in state_before.JOURNALS:
            board = self.board_of(self.leave(name))
            flows.install(board, "2.0.0")
            device = board.device()
            self.assertEqual(flows.confirmed(device)[0], images.V2_0)
            self.assertEqual(device.ledger.security_counter, 2)
            self.assertEqual(len(device.ledger.history()), 3)


# What is in the anchors before: (name, format, where it begins, sequence); a sector for format 1, a
# place for format 2. And what counts: (name, sequence) of supplier and manufacturer.
MIXED = (
    # all of the state before
    ((("supplier", 1, 0, 3), ("manufacturer", 1, 5, 1)), ("supplier", 3), ("manufacturer", 1)),
    # one of two is migrated, and the old one still there
    (
        (("supplier", 1, 0, 1), ("manufacturer", 1, 5, 1), ("supplier", 2, 3, 1)),
        ("supplier", 1),
        ("manufacturer", 1),
    ),
    ((("supplier", 2, 0, 1), ("manufacturer", 1, 5, 1)), ("supplier", 1), ("manufacturer", 1)),
    ((("manufacturer", 2, 0, 1), ("supplier", 1, 5, 1)), ("supplier", 1), ("manufacturer", 1)),
    # a successor of either format, and the cell before it of the other
    (
        (("supplier", 1, 0, 1), ("manufacturer", 1, 5, 1), ("next supplier", 2, 1, 2)),
        ("next supplier", 2),
        ("manufacturer", 1),
    ),
    (
        (("supplier", 2, 0, 1), ("manufacturer", 1, 5, 1), ("next supplier", 1, 10, 2)),
        ("next supplier", 2),
        ("manufacturer", 1),
    ),
)


class MixedTest(EarlierTest):
    def leave(self, held):
        board = flows.board_with("1.0.0")
        first, count = MAP["anchors"]
        for sector in range(first, first + count):
            board.flash.erase(sector)
        region = Region(*board.region("anchors"))
        for name, form, at, sequence in held:
            if form == 1:
                state_before.write_cell(region, name, at, sequence=sequence)
            else:
                start = 2 * at * SECTOR_BYTES
                region.program(start, cells.head(name, sequence=sequence))
                region.program(start + 255, b"\0")
        # nothing is remembered of them
        state_before.leave_journal(board, board.device(), "feaa8b5")
        for sector in range(MAP["backup"][0], sum(MAP["backup"])):
            board.flash.erase(sector)
        return bytes(board.flash.cells)

    def held(self, device):
        return [
            (cell.kid, cell.sequence)
            for cell in [device.anchors.cell(SUPPLIER), device.anchors.cell(MANUFACTURER)]
        ]

    def start(self, board):
        device = Device(board)
        boot.choose(device)
        return device

    def test_what_counts(self):
        for held, *expected in MIXED:
            board = self.board_of(self.leave(held))
            expected = [(images.kid(name), sequence) for name, sequence in expected]
            self.assertEqual(self.held(board.device()), expected)
            device, chosen = flows.start(board)
            self.assertTrue(chosen is not None)
            for found in (device, board.device()):
                self.assertEqual(self.held(found), expected)
                self.assertFalse(any([cell.is_old for cell in found.anchors.cells()]))

    def test_power_cut(self):
        for held, *expected in MIXED:
            expected = [(images.kid(name), sequence) for name, sequence in expected]

            def check(board, is_done, expected=expected):
                device, chosen = flows.start(board)
                self.assertTrue(chosen is not None)
                self.assertEqual(self.held(device), expected)
                self.assertTrue(device.ledger.is_locked)
                if is_done:
                    self.assertFalse(any([cell.is_old for cell in device.anchors.cells()]))

            self.assertTrue(self.cut_everywhere(self.leave(held), self.start, check) >= 20)

    # Power fails at each operation of a successor's way in, over an old cell and a new one.
    def test_power_cut_in_an_update(self):
        signature = images.signature("next supplier, manufacturer")
        for held, supplier, _ in MIXED[:4]:
            if supplier[1] > 1:
                continue
            names = [images.kid("supplier"), images.kid("next supplier")]

            def act(board):
                cells.put(self.start(board), "next supplier", signature)

            def check(board, is_done, names=names):
                device, chosen = flows.start(board)
                self.assertTrue(chosen is not None)
                self.assertTrue(self.held(device)[0][0] in names[is_done:])
                self.assertEqual(self.held(device)[1], (images.kid("manufacturer"), 1))

            self.assertTrue(self.cut_everywhere(self.leave(held), act, check) >= 20)

    # A wrong role, another type of device, a lower sequence: refused, and no operation that power
    # could fail in.
    def test_refused_successors(self):
        code, _ = cells.SCOPE
        refusals = (
            ("next manufacturer", "supplier", {}, ANCHOR_SIGNATURE, -1),
            ("next supplier", "stranger", {}, ANCHOR_SIGNATURE, -1),
            ("next supplier", "manufacturer", {"usage": 4}, ANCHOR_SIGNATURE, -1),
            ("next supplier", "manufacturer", {"scope": (code ^ 1, 5)}, ANCHOR_MALFORMED, 84),
            ("next supplier", "manufacturer", {"scope": (code, 4)}, ANCHOR_MALFORMED, 86),
            ("next supplier", "manufacturer", {"sequence": 1}, ANCHORS_LOCKED, 80),
            ("next supplier", "manufacturer", {"sequence": 0}, ANCHORS_LOCKED, 80),
            ("next manufacturer", "manufacturer", {"sequence": 1}, ANCHORS_LOCKED, 80),
        )
        for held, *_ in MIXED[1:4]:
            board = self.board_of(self.leave(held))
            for is_migrated in (False, True):
                device = self.start(board) if is_migrated else board.device()
                operations = board.flash.operations
                for name, signer, changes, reason, offset in refusals:
                    signature = images.signature(name + ", " + signer)
                    head = cells.head(name, **changes)
                    steps = device.put_anchor_steps(head, signature)
                    found = refusal_of(cells.finish, steps)
                    self.assertEqual((name, changes, found), (name, changes, (reason, offset)))
                self.assertEqual(board.flash.operations, operations)

    # A bit of an old head that reads wrong at one start: nothing is acted upon but at the next.
    def test_wrong_read(self):
        board = self.board_of(self.leave(MIXED[0][0]))
        for sector in (0, 5):
            for bit in range(0, 176 * 8, 21):
                at, mask = sector * SECTOR_BYTES + bit // 8, 0x80 >> bit % 8
                before = bytes(board.flash.cells)
                board.flash.cells[at] ^= mask
                device = Device(board)
                self.assertEqual((sector, bit, device.doubts.needs_restart), (sector, bit, True))
                self.assertIsNone(boot.choose(device))
                board.flash.cells[at] ^= mask
                device, chosen = flows.start(self.board_of(bytes(board.flash.cells)))
                self.assertTrue(chosen is not None, (sector, bit))
                self.assertEqual(self.held(device)[1], (images.kid("manufacturer"), 1))
                board = self.board_of(before)

    # A table that another key's cell left, or that was written there, is not used.
    def test_table_of_another_key(self):
        board = self.board_of(self.leave(MIXED[0][0]))
        self.start(board)
        other = cells.finish(p256.table_steps(images.key("stranger"), TABLE_ROWS))
        tables = [
            other + images.sha256(images.key("stranger") + other),
            other + images.sha256(other),
        ]
        head = state_before.migrated_head("manufacturer")
        first, count = MAP["anchors"]
        [sector] = [
            sector
            for sector in range(first, first + count)
            if self.octets_at(board, sector * SECTOR_BYTES, len(head)) == head
        ]
        at = (sector + 1) * SECTOR_BYTES
        for table in tables:
            board.flash.cells[at : at + len(table)] = table
            device, chosen = flows.start(board)
            self.assertIsNone(device.anchors.cell(MANUFACTURER).table)
            # slower, and no less right
            self.assertTrue(chosen is not None)
            reason = refusal_of(flows.send, flows.Installer(device), images.ota_image("forged"))
            self.assertTrue(reason[0] != 0)
        signature = images.signature("next manufacturer, manufacturer")
        octets = bytes(board.flash.cells)

        def act(board):
            cells.put(Device(board), "next manufacturer", signature)

        def check(board, is_done):
            device, chosen = flows.start(board)
            self.assertTrue(chosen is not None)
            sequence = device.anchors.cell(MANUFACTURER).sequence
            self.assertTrue(sequence == 2 or (sequence == 1 and not is_done))

        self.assertTrue(self.cut_everywhere(octets, act, check) >= 20)


if __name__ == "__main__":
    unittest.main()
