# How the PPMID keeps its credit: amounts, records, the two formats, and the migration between
# them with power cut at each operation.

import os
import unittest

from firmware_rig import FirmwareTest, Power, PowerCut, run, run_task, vfs


class UnitsTest(FirmwareTest):
    def test_parse_pounds(self):
        units = self.use("ppmid/1.0.0").units
        for text, amount in (
            ("0.00", 0),
            ("0.01", 100),
            ("10.00", 100000),
            ("10.99", 109900),
            ("250.00", 2500000),
            ("999999.99", 9999999900),
        ):
            self.assertEqual(units.parse_pounds(text), amount)

    def test_not_an_amount(self):
        units = self.use("ppmid/1.0.0").units
        for text in (
            "",
            ".",
            "10",
            "10.",
            "10.0",
            "10.000",
            ".00",
            "-1.00",
            "+1.00",
            "1.-1",
            "1.+1",
            " 1.00",
            "1.00 ",
            "1 0.00",
            "00.50",
            "010.00",
            "1,00",
            "1.0.0",
            "1e2.00",
            "0x1.00",
            "1_0.00",
            "1234567.00",
            "9" * 1000 + ".00",
            "\u0661.\u0660\u0660",  # digits, but not ASCII's
            "ten",
            "\x00.00",
        ):
            with self.assertRaises(ValueError):
                units.parse_pounds(text)

    def test_pounds_text(self):
        units = self.use("ppmid/1.0.0").units
        for amount, text in (
            (0, "0.00"),
            (1, "0.01"),
            (100, "0.01"),
            (101, "0.02"),
            (-1, "0.00"),
            (-99, "0.00"),
            (-100, "-0.01"),
            (-4200, "-0.42"),
            (-10000, "-1.00"),
            (123450, "12.35"),
            (9999900, "999.99"),
        ):
            self.assertEqual(units.pounds_text(amount), text)

    def test_cost_carries_what_is_less_than_a_hundredth(self):
        meter = self.use("ppmid/1.0.0").meter
        tariff = meter.Tariff()
        self.assertEqual(sum(tariff.cost(1) for _ in range(1000)), meter.PRICE_PER_KWH)

    def test_feed_is_the_same_each_day(self):
        meter = self.use("ppmid/1.0.0").meter

        async def days():
            feed = meter.Feed(0)
            self.assertEqual(await feed.read(), 0)
            readings = []
            for _ in range(96):
                readings.append(await feed.next())
            return readings

        readings = run_task(days())
        self.assertEqual([n for n, (_, over) in enumerate(readings) if over], [47, 95])
        self.assertEqual(2 * readings[47][0], readings[95][0])


class RecordTest(FirmwareTest):
    def record(self):
        return self.use("ppmid/1.0.0").records.Record(self.region.folder, "r")

    def test_round_trip(self):
        record = self.record()
        self.assertIsNone(record.load())
        for body in (b"", b"0", b"x" * 54):
            record.save(body)
            self.assertEqual(record.load(), body)
        self.assertEqual(self.region.names(), ["r", "r.copy"])
        record.remove()
        self.assertEqual(self.region.names(), [])
        self.assertIsNone(record.load())

    # the check value is CRC-32 as everyone computes it; 0xcbf43926 is its published check
    def test_octets(self):
        self.record().save(b"123456789")
        self.assertEqual(self.region.read("r"), b"123456789\ncbf43926\n")
        self.assertEqual(self.region.read("r.copy"), self.region.read("r"))

    def damaged_versions(self, octets):
        for position in range(len(octets)):
            for bit in range(8):
                damaged = bytearray(octets)
                damaged[position] ^= 1 << bit
                yield bytes(damaged)
        for length in range(len(octets)):
            yield octets[:length]
        yield octets + b"\n"
        yield b"\xff" * 64
        yield octets + octets * 100

    def test_damaged_copy(self):
        record = self.record()
        record.save(b"1234")
        octets = self.region.read("r")
        for damaged in self.damaged_versions(octets):
            self.region.write("r", damaged)
            self.assertEqual(record.load(), b"1234")
            self.region.write("r.copy", damaged)
            with self.assertRaises(self.release.records.Damaged):
                record.load()
            self.region.write("r", octets)
            self.assertEqual(record.load(), b"1234")
            self.region.write("r.copy", octets)

    def test_one_copy_missing(self):
        record = self.record()
        for name in ("r", "r.copy"):
            record.save(b"1234")
            os.remove(self.region.folder + "/" + name)
            self.assertTrue(record.exists())
            self.assertEqual(record.load(), b"1234")

    # Old or new, never anything else; and the next save works.
    def test_cut_while_saving(self):
        record = self.record()
        cuts = 0
        while True:
            self.region.clear()
            record.save(b"old")
            power = self.release.records.os = Power(cuts)
            self.release.records.open = power.open
            try:
                record.save(b"newer")
            except PowerCut:
                pass
            self.release.records.os = os
            self.release.records.open = open
            kept = record.load()
            self.assertTrue(kept in (b"old", b"newer"))
            record.save(b"newest")
            self.assertEqual(record.load(), b"newest")
            self.assertEqual(self.region.names(), ["r", "r.copy"])
            if power.left:
                break
            cuts += 1
        self.assertEqual(kept, b"newer")
        self.assertEqual(cuts, 7)  # twice open, write, rename; then one to spare

    # The same below the file system: at each program and erase of the flash.
    @unittest.skipUnless(vfs, "littlefs comes with MicroPython")
    def test_cut_of_flash_while_saving(self):
        record = self.record()
        record.save(b"0")
        old = b"0"
        for cuts in range(100):
            new = b"%d" % (cuts + 1)
            self.region.flash.cut_after(cuts)
            record.save(new)
            was_cut = self.region.flash.is_cut()
            self.region.remount()
            kept = record.load()
            self.assertTrue(kept in (old, new) if was_cut else kept == new)
            if not was_cut:
                break
            old = kept
        self.assertTrue(not was_cut and cuts >= 4)


class CreditRecordTest(FirmwareTest):
    def test_format_1(self):
        record = self.use("ppmid/1.0.0").record1.Record1(self.region.folder)
        for balance, line, again in (
            (0, b"0\n", 0),
            (123400, b"1234\n", 123400),
            (123401, b"1235\n", 123500),
            (-50000, b"-500\n", -50000),
            (10000000, b"100000\n", 10000000),
        ):
            record.save((balance, 777))
            self.assertTrue(self.region.read("credit.v1").startswith(line))
            self.assertEqual(record.load(), (again, 0))

    def test_format_2(self):
        record = self.use("ppmid/2.0.0").record2.Record2(self.region.folder)
        for amounts, line in (
            ((0, 0), b"0 0\n"),
            ((123401, 19600), b"123401 19600\n"),
            ((-50049, 1), b"-50049 1\n"),
        ):
            record.save(amounts)
            self.assertTrue(self.region.read("credit.v2").startswith(line))
            self.assertEqual(record.load(), amounts)

    # right check value, wrong content: another program wrote it
    def test_content_out_of_range(self):
        release = self.use("ppmid/1.1.0")
        for record, bodies in (
            (release.record1.Record1, (b"", b"x", b"1 2", b"99999999", b"-99999999")),
            (release.record2.Record2, (b"", b"1", b"1 2 3", b"1 -1", b"x y", b"99999999999 0")),
        ):
            for body in bodies:
                release.records.Record(self.region.folder, record.NAME).save(body)
                with self.assertRaises(release.records.Damaged):
                    record(self.region.folder).load()

    def test_rehearsal_leaves_nothing(self):
        record = self.use("ppmid/2.0.0").record2.Record2(self.region.folder)
        record.rehearse((5, 6))
        self.assertEqual(self.region.names(), [])
        self.assertIsNone(record.load())


class MigrationTest(FirmwareTest):
    CREDIT = 1234 * 100

    def start(self, services):
        run(self.release, services)
        return services.shown[-1][1]

    def test_migrates(self):
        self.keep_format_1(self.CREDIT)
        self.use("ppmid/1.1.0")
        services = self.services(on_trial=True)
        self.assertEqual(self.start(services), "Balance 12.34")
        self.assertEqual(services.confirmations, 1)
        self.assertEqual(self.region.names(), ["credit.v2", "credit.v2.copy"])
        self.assertEqual(self.start(self.services()), "Balance 12.34")

        self.use("ppmid/2.0.0")
        services = self.services(on_trial=True)
        self.assertEqual(self.start(services), "Balance 12.34")
        self.assertEqual(services.confirmations, 1)

    def test_new_account(self):
        self.use("ppmid/1.1.0")
        self.start(self.services(on_trial=True))
        self.assertEqual(self.region.names(), ["credit.v2", "credit.v2.copy"])

    # A trial that fails after a top-up: 1.0.0 must find it.
    def test_trial_keeps_format_1(self):
        self.keep_format_1(self.CREDIT)
        release = self.use("ppmid/1.1.0")
        store = release.migration.MigratingCredit(self.region.folder, True)
        account = release.prepayment.Prepayment(store)
        account.start()
        account.check()
        account.top_up(5 * 100 * 100)
        self.assertEqual(self.region.names(), ["credit.v1", "credit.v1.copy"])
        self.use("ppmid/1.0.0")
        self.assertEqual(self.start(self.services()), "Balance 17.34")

    # A .v2 from who knows when must not win over what the confirmed 1.0.0 keeps.
    def test_leftover_does_not_count(self):
        self.leftover()
        self.assertEqual(self.start(self.services(on_trial=True)), "Balance 12.34")

    # A trial over a release that has format 2 already.
    def test_nothing_to_migrate(self):
        release = self.use("ppmid/1.1.0")
        release.record2.Record2(self.region.folder).save((self.CREDIT, 7))
        self.assertEqual(self.start(self.services(on_trial=True)), "Balance 12.34")
        self.assertEqual(release.record2.Record2(self.region.folder).load(), (self.CREDIT, 7))

    # One start of 1.1.0 that loses power after so many operations; returns what it did not use.
    def cut_start(self, services, operations):
        records = self.release.records
        power = services.power = records.os = Power(operations)
        records.open = power.open
        try:
            run(self.release, services)
        except PowerCut:
            pass
        services.power, records.os, records.open = None, os, open
        return power.left

    # What 1.0.0 may have left behind.
    def plain(self):
        self.keep_format_1(self.CREDIT)

    def leftover(self):
        self.plain()
        self.use("ppmid/1.1.0").record2.Record2(self.region.folder).save((99900, 0))

    # a cut between the two copies, just after a top-up
    def copies_differ(self):
        self.keep_format_1(100)
        old = self.region.read("credit.v1.copy")
        self.plain()
        self.region.write("credit.v1.copy", old)

    # After a cut the trial may still revert: 1.0.0 must find all of the credit.
    def check_revertible(self, services):
        if services.on_trial:
            record = self.release.record1.Record1(self.region.folder)
            self.assertEqual(record.load(), (self.CREDIT, 0))

    # However it came here: left in peace, it has the credit, in the new format alone.
    def check_end(self, services):
        self.assertEqual(self.start(services), "Balance 12.34")
        self.assertEqual(services.confirmations, 1)
        self.assertEqual(self.region.names(), ["credit.v2", "credit.v2.copy"])

    # Power goes after `first` operations, then again after `second` of the next start. Returns
    # whether the first start, or the second, came to its end.
    def cut_twice(self, first, second):
        self.use("ppmid/1.1.0")
        services = self.services(on_trial=True)
        first_ended = second_ended = self.cut_start(services, first) > 0
        self.check_revertible(services)
        if not first_ended:
            second_ended = self.cut_start(services, second) > 0
            self.check_revertible(services)
        self.check_end(services)
        return first_ended, second_ended

    def test_cut_at_each_operation_and_again_at_the_next_start(self):
        for prepare, operations in (
            # rehearse 8, confirm 1, write 6, remove 2
            (self.plain, 17),
            # remove 2 before
            (self.leftover, 19),
            (self.copies_differ, 17),
        ):
            first, first_ended = 0, False
            while not first_ended:
                second, second_ended = 0, False
                while not second_ended:
                    prepare()
                    first_ended, second_ended = self.cut_twice(first, second)
                    second += 1
                first += 1
            self.assertEqual(first - 2, operations)

    # The same below the file system: at each program and erase of the flash.
    @unittest.skipUnless(vfs, "littlefs comes with MicroPython")
    def test_cut_of_flash(self):
        flash = self.region.flash
        for prepare in (self.plain, self.leftover, self.copies_differ):
            was_cut, cuts = True, 0
            while was_cut:
                prepare()
                self.use("ppmid/1.1.0")
                flash.cut_after(cuts)
                services = self.services(on_trial=True, flash=flash)
                self.start(services)
                was_cut = flash.is_cut()
                self.region.remount()
                services.on_trial = not services.confirmations
                self.check_revertible(services)
                self.check_end(services)
                cuts += 1
            self.assertTrue(cuts > 10)


class WrongPathTest(FirmwareTest):
    # What the predecessor list prevents: 2.0.0 over 1.0.0 passes its self-test, confirms itself,
    # and the credit is gone for the customer.
    def test_damage(self):
        self.keep_format_1(123400)
        self.use("ppmid/2.0.0")
        services = self.services(on_trial=True)
        run(self.release, services)
        self.assertEqual(services.confirmations, 1)
        self.assertEqual(services.shown[-1][1:3], ("Balance 0.00", "No credit record: new account"))
        self.assertTrue("credit.v1" in self.region.names())

    # On trial it writes nothing where nothing was, so a revert leaves no trace.
    def test_trial_leaves_nothing(self):
        self.keep_format_1(123400)
        release = self.use("ppmid/2.0.0")
        account = release.prepayment.Prepayment(release.record2.Record2(self.region.folder))
        account.start()
        account.check()
        self.assertEqual(self.region.names(), ["credit.v1", "credit.v1.copy"])


if __name__ == "__main__":
    unittest.main()
