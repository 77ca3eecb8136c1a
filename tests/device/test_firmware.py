# What the example applications do: prepayment, self-test, the IHD's views, and what the display
# says about updates.

import asyncio
import unittest

from firmware_rig import Feed, FirmwareTest, SilentFeed, Verdict, run, run_console, run_task

from hanbootloader import reasons


class PpmidTest(FirmwareTest):
    def account(self, balance, yesterday=0):
        release = self.use("ppmid/2.0.0")
        store = release.record2.Record2(self.region.folder)
        store.save((balance, yesterday))
        account = release.prepayment.Prepayment(store)
        account.start()
        account.confirmed()
        return account

    def test_top_up(self):
        self.use("ppmid/1.0.0")
        said = run_console(
            self.release,
            self.services(),
            "top-up 10.00",
            "balance",
            "  top-up   2.50 ",
            "top-up",
            "top-up -1.00",
            "top-up 0.00",
            "top-up 250.01",
            "topup 1.00",
            "",
            "help",
        )
        refused = "Not taken: 0.01 to 250.00, balance up to 1000.00"
        self.assertEqual(
            said,
            [
                "Balance 10.00",
                "Balance 10.00",
                "Balance 12.50",
                "Not an amount: type it like top-up 10.00",
                "Not an amount: type it like top-up 10.00",
                refused,
                refused,
                "Unknown command: type help",
                "Unknown command: type help",
                "Commands: balance, top-up 10.00, help",
            ],
        )
        self.assertTrue(self.region.read("credit.v1").startswith(b"1250\n"))

    def test_top_up_boundaries(self):
        for balance, amount, taken in (
            (0, 1, True),
            (0, 0, False),
            (0, -1, False),
            (0, 2500000, True),
            (0, 2500001, False),
            (9999900, 100, True),
            (9999900, 101, False),
        ):
            account = self.account(balance)
            try:
                account.top_up(amount)
                self.assertTrue(taken)
            except ValueError:
                self.assertFalse(taken)
            self.assertEqual(account.balance, balance + amount if taken else balance)
            store = self.release.record2.Record2(self.region.folder)
            self.assertEqual(store.load(), (account.balance, 0))

    def test_lines(self):
        for balance, lines in (
            (20000, ("Balance 2.00",)),
            (19999, ("Balance 2.00", "LOW CREDIT: top up soon")),
            (1, ("Balance 0.01", "LOW CREDIT: top up soon")),
            (0, ("Balance 0.00", "EMERGENCY: 5.00 left")),
            (-49999, ("Balance -4.99", "EMERGENCY: 0.01 left")),
            (-50000, ("Balance -5.00", "NO CREDIT: supply is off")),
        ):
            self.assertEqual(self.account(balance).lines(), lines)

    def test_no_consumption_without_credit(self):
        account = self.account(-49999)
        account.used(1000, False)
        balance = account.balance
        self.assertTrue(account.is_off())
        account.used(1000, False)
        self.assertEqual(account.balance, balance)

    # 24.50 pence for each kilowatt-hour; kept every 25 pence, not every time
    def test_keeps_in_steps(self):
        account = self.account(100000)
        store = self.release.record2.Record2(self.region.folder)
        account.used(1000, False)
        self.assertEqual((account.balance, store.load()), (97550, (100000, 0)))
        account.used(1000, False)
        self.assertEqual((account.balance, store.load()), (95100, (95100, 0)))
        account.used(1000, True)
        self.assertEqual(store.load(), (92650, 7350))

    def test_keeps_before_a_restart(self):
        self.keep_format_1(123400)
        self.use("ppmid/1.0.0")
        services = self.services()

        class Pending(Feed):
            async def next(self):
                register, day_is_over = await Feed.next(self)
                services.update_state = ("pending", 0, 0)
                return register, day_is_over

        services.update_state = ("staged", 0, 0)
        run(self.release, services, Pending(half_hours=1))
        self.assertTrue(self.region.read("credit.v1").startswith(b"1210\n"))
        self.assertEqual(services.shown[-1][-1], "Update: starts now")

    def test_days_left(self):
        for balance, yesterday, line in (
            (100000, 0, "Days left: known tomorrow"),
            (100000, 19600, "Days left: 5"),
            (19599, 19600, "Days left: 0"),
            (-1, 19600, "Days left: 0"),
        ):
            account = self.account(balance, yesterday)
            self.assertEqual(self.release.days_left.DaysLeft(account).lines(), (line,))


class SelfTestTest(FirmwareTest):
    def test_silent_meter(self):
        for name in ("ppmid/1.0.0", "ihd/1.0.0"):
            self.use(name).appliance.METER_TIMEOUT_S = 0.01
            services = self.services(on_trial=True)
            with self.assertRaises(asyncio.TimeoutError):
                run_task(self.release.app.main(services, SilentFeed()))
            self.assertEqual(services.confirmations, 0)

    def test_data_region_fails(self):
        for name in ("ppmid/1.0.0", "ppmid/1.1.0", "ppmid/2.0.0", "ihd/1.0.0", "ihd/1.2.0"):
            self.use(name).records._check_line = lambda body: b"never right\n"
            services = self.services(on_trial=True)
            self.release.records.open = Forgetful
            with self.assertRaises(self.release.records.Damaged):
                run_task(self.release.app.main(services, Feed()))
            self.assertEqual(services.confirmations, 0)

    def test_damaged_credit(self):
        for name, file in (
            ("ppmid/1.0.0", "credit.v1"),
            ("ppmid/1.1.0", "credit.v1"),
            ("ppmid/2.0.0", "credit.v2"),
        ):
            self.region.clear()
            self.region.write(file, b"damaged")
            self.region.write(file + ".copy", b"")
            self.use(name)
            services = self.services(on_trial=True)
            with self.assertRaises(self.release.records.Damaged):
                run_task(self.release.app.main(services, Feed()))
            self.assertEqual(services.confirmations, 0)

    # Confirmed: it says so, stays up for the next update, and writes nothing.
    def test_damaged_credit_when_confirmed(self):
        self.region.write("credit.v1", b"damaged")
        self.use("ppmid/1.0.0")
        services = self.services()

        async def watch():
            await asyncio.wait_for(self.release.app.main(services, Feed()), 0.05)

        with self.assertRaises(asyncio.TimeoutError):
            run_task(watch())
        self.assertEqual(services.shown, [("PPMID 1.0.0", "Record damaged", "Call your supplier")])
        self.assertEqual(self.region.names(), ["credit.v1"])

    def test_faulty_release(self):
        self.use("ppmid/2.1.0-faulty")
        services = self.services(on_trial=True)
        with self.assertRaises(self.release.app.SelfTestFailed):
            run_task(self.release.app.main(services))
        self.assertEqual(services.confirmations, 0)


# A data region that swallows what is written.
class Forgetful:
    def __init__(self, path, mode):
        self._file = open(path, mode)  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def read(self, length):
        return self._file.read(length)

    def write(self, octets):
        return len(octets)


class IhdTest(FirmwareTest):
    def lines(self, services):
        return services.shown[-1]

    def test_releases(self):
        title = "IHD 1.0.0"
        first = (title, "Today 2.0 kWh", "Cost 0.49", "Tariff 24.50 p/kWh")
        second = first + ("Carbon 0.40 kg",)
        third = second + ("Week: known tomorrow",)
        for name, lines in (("1.0.0", first), ("1.1.0", second), ("1.2.0", third)):
            self.use("ihd/" + name)
            services = self.services(on_trial=True)
            run(self.release, services, Feed(half_hours=2))
            self.assertEqual(services.confirmations, 1)
            self.assertEqual(services.shown[-1], lines)
            self.assertEqual(self.region.names(), [])

    def test_target(self):
        self.use("ihd/1.1.0")
        wrong = "Not a target: type it like target 8.0, up to 100.0 kWh"
        said = run_console(
            self.release, self.services(), "target 1.5", "target", "target 0.0", "target 100.1"
        )
        self.assertEqual(said, ["Target 1.5 kWh", wrong, wrong, wrong])
        services = self.services()
        run(self.release, services, Feed(half_hours=2))
        self.assertEqual(services.shown[0][-1], "Target 1.5 kWh")
        self.assertEqual(services.shown[-1][-1], "OVER TARGET of 1.5 kWh")

        self.region.write("target.v1", b"")
        self.region.write("target.v1.copy", b"")
        services = self.services(on_trial=True)
        run(self.release, services)
        self.assertEqual(services.confirmations, 1)

    def test_week(self):
        self.use("ihd/1.2.0")
        services = self.services()
        run(self.release, services, Feed(half_hours=9, day_half_hours=1, watt_hours=1000))
        services = self.services()
        run(self.release, services, Feed(half_hours=2, day_half_hours=2, watt_hours=4000))
        services = self.services()
        run(self.release, services)
        self.assertEqual(services.shown[-1][-1], "Week: 1.0 1.0 1.0 1.0 1.0 1.0 8.0 kWh")
        # the longest week that a record must take
        self.release.week.Week(self.region.folder)._record.save(b" ".join([b"999999"] * 7))


class HcalcsTest(FirmwareTest):
    # the load is on within the schedule, and the schedule lives over the upgrade and a power cut
    def test_schedule(self):
        self.use("hcalcs/1.0.0")
        wrong = "Not a schedule: up to 3 windows, like 01:00-05:30"
        said = run_console(
            self.release,
            self.services(),
            "schedule 00:30-01:00 13:00-24:00",
            "schedule 05:00-04:00",
            "schedule 01:15-02:00",
            "schedule 01:00-02:00 01:30-03:00",
            "schedule 01:00-02:00-03:00",
            "schedule 01:00-24:30",
            "schedule",
            "load",
        )
        kept = "Schedule 00:30-01:00 13:00-24:00"
        self.assertEqual(said, [kept] + [wrong] * 5 + [kept, "Load is off"])
        self.use("hcalcs/1.1.0")
        services = self.services(on_trial=True)
        run(self.release, services, Feed(half_hours=2))
        self.assertEqual(services.confirmations, 1)
        loads = [lines[1] for lines in services.shown]
        self.assertEqual((loads[0], "Load is on" in loads), ("Load is off", True))
        self.assertEqual(services.shown[-1][2], kept)

    # A schedule that cannot be read is not the same as none: on trial back to the release before.
    def test_damaged(self):
        self.use("hcalcs/1.1.0")
        self.region.write("schedule.v1", b"")
        self.region.write("schedule.v1.copy", b"")
        services = self.services(on_trial=True)
        with self.assertRaises(self.release.records.Damaged):
            run(self.release, services)
        self.assertEqual(services.confirmations, 0)

    def test_boost(self):
        self.use("hcalcs/1.1.0")
        said = run_console(self.release, self.services(), "boost 2", "load", "boost 9", "boost 0")
        wrong = "Not a boost: 0 to 8 half-hours, like boost 2"
        self.assertEqual(said, ["Boost of 2 half-hours", "Load is on", wrong, "No boost"])


class UpdateLinesTest(FirmwareTest):
    def test_codes_are_the_bootloaders(self):
        update_lines = self.use("ppmid/1.0.0").update_lines
        codes = [name for name in dir(update_lines) if name == name.upper() and name[0] != "_"]
        self.assertTrue(len(codes) > 15)
        for name in codes:
            self.assertEqual(getattr(update_lines, name), getattr(reasons, name))

    def test_progress(self):
        update_lines = self.use("ppmid/1.0.0").update_lines
        for state, received, total, lines in (
            ("idle", 0, 0, ()),
            ("receiving", 0, 0, ("Update: 0 % received",)),
            ("receiving", 499, 1000, ("Update: 45 % received",)),
            ("receiving", 1000, 1000, ("Update: 100 % received",)),
            ("verifying", 1000, 1000, ("Update: checking",)),
            ("staged", 1000, 1000, ("Update: ready",)),
            ("pending", 1000, 1000, ("Update: starts now",)),
        ):
            self.assertEqual(update_lines.progress_lines(state, received, total), lines)

    def test_verdict(self):
        update_lines = self.use("ppmid/1.0.0").update_lines
        step, later, older = (0x01010000, None), (0x01020003, None), (0x00090000, None)
        for verdict, lines in (
            (None, ()),
            (Verdict(reasons.ACCEPTED), ()),
            (
                Verdict(reasons.BELOW_MINIMUM_BASE, (step,), 0x01010000),
                ("Update 2.0.0 refused: needs 1.1.0 first",),
            ),
            (
                Verdict(reasons.NOT_A_PREDECESSOR, (step, later)),
                ("Update 2.0.0 refused: needs 1.1.0 or 1.2.0.3 first",),
            ),
            (
                Verdict(reasons.BELOW_MINIMUM_BASE, (older, step), 0x01010000),
                ("Update 2.0.0 refused: needs 1.1.0 first",),
            ),
            (
                Verdict(reasons.NOT_A_PREDECESSOR, (step,) * 5),
                ("Update 2.0.0 refused: needs 1.1.0 or 1.1.0 or 1.1.0 or others first",),
            ),
            (
                Verdict(reasons.BELOW_MINIMUM_BASE, (older,), 0x01010000),
                ("Update 2.0.0 refused: needs 1.1.0 or later first",),
            ),
            (
                Verdict(reasons.NOT_A_PREDECESSOR, ()),
                ("Update 2.0.0 refused: only for a device without firmware",),
            ),
            (
                Verdict(reasons.NOT_A_PREDECESSOR, ((0x01000000, b"\x0a\xff" * 16),)),
                ("Update 2.0.0 refused: needs 1.0.0 [0aff0aff] first",),
            ),
            (
                Verdict(reasons.NO_LONGER_ALLOWED, (step,)),
                ("Update 2.0.0 refused: needs 1.1.0 first",),
            ),
            (
                Verdict(reasons.UNKNOWN_SIGNER),
                ("Update 2.0.0 refused: signed by a stranger",),
            ),
            (
                Verdict(reasons.TRIAL_CRASHED, offered=0x02010000),
                ("Update 2.1.0 undone: it failed its self-test",),
            ),
            (Verdict(reasons.ENVELOPE), ("Update 2.0.0 refused: reason 9",)),
            (Verdict(255), ("Update 2.0.0 refused: reason 255",)),
        ):
            self.assertEqual(update_lines.verdict_lines(verdict), lines)

    # An update under way takes the place of an old refusal, and the display is drawn only when
    # it changes.
    def test_on_the_display(self):
        self.use("ppmid/1.0.0")
        services = self.services()
        services.last_verdict = Verdict(reasons.BELOW_MINIMUM_BASE, ((0x01010000, None),))
        run(self.release, services)
        self.assertEqual(len(services.shown), 1)
        self.assertEqual(services.shown[0][-1], "Update 2.0.0 refused: needs 1.1.0 first")
        services.update_state = ("receiving", 1, 10)
        run(self.release, services)
        self.assertEqual(services.shown[-1][-1], "Update: 10 % received")


if __name__ == "__main__":
    unittest.main()
