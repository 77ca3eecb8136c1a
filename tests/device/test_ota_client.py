# The OTA client against a hub that behaves, one that does not, and a line that loses frames.

import unittest

from han_rig import (
    EUI64,
    FILE,
    HARDWARE,
    OFFERED,
    RUNNING,
    Line,
    Store,
    identity,
)

from hanbootloader.han import ota_cluster as ota
from hanbootloader.han import zcl
from hanbootloader.han.ota_store import Timing

MINUTE = 60_000
HOUR = 60 * MINUTE


class NotifyTest(unittest.TestCase):
    def asked(self, values, is_broadcast, draw=50):
        line = Line(draw=draw)
        line.client.on_notify(values, is_broadcast)
        return bool(line.sent)

    # 6.10.3: unicast is always answered, whatever it says
    def test_unicast(self):
        for values in (
            {"payload_type": 0, "jitter": 0},
            {
                "payload_type": 3,
                "jitter": 1,
                "manufacturer": 1,
                "image_type": 1,
                "version": RUNNING,
            },
        ):
            self.assertTrue(self.asked(values, False))

    def test_broadcast(self):
        ours = {"payload_type": 3, "jitter": 100}
        ours.update(identity())
        for change, answered in (
            ({}, True),
            ({"manufacturer": ota.ANY_CODE, "image_type": ota.ANY_CODE}, True),
            ({"manufacturer": 1}, False),
            ({"image_type": 1}, False),
            ({"version": RUNNING}, False),
            ({"jitter": 50}, True),
            ({"jitter": 49}, False),
            ({"jitter": 0}, False),
            ({"jitter": 101}, False),
        ):
            values = dict(ours)
            values.update(change)
            self.assertEqual(self.asked(values, True), answered, str(change))

    def test_jitter(self):
        for draw, jitter, answered in ((1, 1, True), (2, 1, False), (100, 100, True)):
            values = {"payload_type": 0, "jitter": jitter}
            self.assertEqual(self.asked(values, True, draw), answered)

    # one request at a time, however often the hub calls
    def test_while_busy(self):
        line = Line()
        for _ in range(3):
            line.client.on_notify({"payload_type": 0, "jitter": 100}, False)
        self.assertEqual(len(line.sent), 1)
        line.answer_query()
        line.next()
        line.client.on_notify({"payload_type": 0, "jitter": 100}, False)
        self.assertEqual(line.sent[-1][1], ota.IMAGE_BLOCK)


class QueryTest(unittest.TestCase):
    def test_by_itself(self):
        line = Line()
        command, values = line.next()
        self.assertEqual(command, ota.QUERY_NEXT_IMAGE)
        self.assertEqual(line.now, Timing.first_query_s * 1000)
        expected = identity(field_control=1, version=RUNNING, hardware_version=HARDWARE)
        self.assertEqual(values, expected)
        line.client.on_query_response({"status": zcl.NO_IMAGE_AVAILABLE})
        asked = line.now
        line.next(step=1000)
        self.assertEqual(line.now - asked, Timing.query_s * 1000)

    def test_not_taken(self):
        for response, status in (
            (identity(status=0, manufacturer=1, image_size=100), zcl.MALFORMED_COMMAND),
            (identity(status=0, image_type=1, image_size=100), zcl.MALFORMED_COMMAND),
            (identity(status=0, image_size=0), zcl.MALFORMED_COMMAND),
            (identity(status=0, image_size=1001), zcl.INSUFFICIENT_SPACE),
            (identity(status=0, image_size=100, version=RUNNING), zcl.SUCCESS),
            ({"status": zcl.NO_IMAGE_AVAILABLE}, zcl.SUCCESS),
            ({"status": zcl.NOT_AUTHORIZED}, zcl.SUCCESS),
            ({"status": 0x42}, zcl.SUCCESS),
        ):
            line = Line()
            line.next()
            self.assertEqual(line.client.on_query_response(response), status)
            self.assertEqual(line.client.status, ota.NORMAL)
            self.assertNotEqual(line.next(2 * HOUR)[0], ota.IMAGE_BLOCK)

    # an answer that nothing asked for starts nothing
    def test_unasked(self):
        line = Line()
        line.answer_query()
        line.pass_time(1000)
        self.assertEqual((line.client.status, line.sent), (ota.NORMAL, []))


class DownloadTest(unittest.TestCase):
    def test_whole_way(self):
        line = Line()
        self.assertEqual(line.offer(), zcl.SUCCESS)
        command, values = line.next()
        self.assertEqual(command, ota.IMAGE_BLOCK)
        expected = identity(field_control=3, offset=0, max_bytes=50, eui64=EUI64, block_period=0)
        self.assertEqual(values, expected)
        self.assertEqual(line.client.status, ota.DOWNLOADING)
        line.answer_block(values)
        command, values = line.serve()
        self.assertEqual(line.store.received, FILE)
        self.assertEqual((command, values), (ota.UPGRADE_END, identity(status=zcl.SUCCESS)))
        self.assertEqual(line.client.status, ota.WAITING)
        # the last block is no longer than the rest
        lengths = [v["max_bytes"] for _, c, v in line.sent if c == ota.IMAGE_BLOCK]
        self.assertEqual(lengths, [50, 50, 50, 50, 3])

    # every frame once more, and every one late
    def test_repeated(self):
        line = Line()
        line.offer()
        line.answer_query()
        while True:
            command, values = line.next()
            if command != ota.IMAGE_BLOCK:
                break
            line.answer_block(values)
            line.answer_block(values)
            line.pass_time(1)
            line.answer_block(values)
        self.assertEqual(line.store.received, FILE)

    # of each three frames, one is lost
    def test_lossy(self):
        line, count = Line(), 0
        line.offer()
        while True:
            command, values = line.next()
            if command != ota.IMAGE_BLOCK:
                break
            count += 1
            if count % 3:
                line.answer_block(values)
        self.assertEqual(line.store.received, FILE)
        self.assertEqual(line.store.begun, 1)

    # what was not asked for is dropped, and asked for again
    def test_foreign_blocks(self):
        for change in (
            {"manufacturer": 1},
            {"image_type": 1},
            {"version": OFFERED + 1},
            {"offset": 0},
            {"offset": 100},
            {"offset": 0xFFFFFFFF},
            {"data": b""},
            {"data": bytes(51)},
            {"data": bytes(255)},
        ):
            line = Line()
            line.offer()
            line.answer_block(line.next()[1])
            values = line.next()[1]
            line.answer_block(values, **change)
            line.pass_time(0)
            self.assertEqual(len(line.store.received), 50, str(change))
            # the request comes again, and its answer counts
            command, again = line.next()
            self.assertEqual((command, again["offset"]), (ota.IMAGE_BLOCK, 50))
            line.answer_block(again)
            self.assertEqual(line.serve()[0], ota.UPGRADE_END)

    # a hub may send less than asked
    def test_short_blocks(self):
        line = Line()
        line.offer()
        while True:
            command, values = line.next()
            if command != ota.IMAGE_BLOCK:
                break
            offset = values["offset"]
            line.answer_block(values, data=FILE[offset : offset + 7])
        self.assertEqual(line.store.received, FILE)

    def test_block_period(self):
        line = Line()
        line.offer()
        line.next()
        line.client.on_block_response(
            {"status": zcl.WAIT_FOR_DATA, "current_time": 0, "request_time": 0, "block_period": 700}
        )
        asked = []
        while True:
            command, values = line.next()
            if command != ota.IMAGE_BLOCK:
                break
            self.assertEqual(values["block_period"], 700)
            asked.append(line.now)
            line.answer_block(values)
        for earlier, later in zip(asked, asked[1:]):
            self.assertTrue(later - earlier >= 700, str(asked))


class WaitTest(unittest.TestCase):
    def waited(self, current, request):
        line = Line()
        line.offer()
        line.next()
        before = line.now
        line.client.on_block_response(
            {
                "status": zcl.WAIT_FOR_DATA,
                "current_time": current,
                "request_time": request,
                "block_period": 0,
            }
        )
        self.assertEqual(line.next(step=1000)[0], ota.IMAGE_BLOCK)
        return (line.now - before) // 1000

    # 6.10.8: the difference counts; a time that is past is now; an hour at most
    def test_times(self):
        for current, request, seconds in (
            (0, 0, 0),
            (0, 30, 30),
            (1000, 1030, 30),
            (1000, 10, 0),
            (0, 0xFFFFFFFF, Timing.wait_most_s),
        ):
            self.assertEqual(self.waited(current, request), seconds)

    # a hub that always has another minute to wait does not keep the client for ever
    def test_no_end(self):
        line = Line()
        line.offer()
        wait = {
            "status": zcl.WAIT_FOR_DATA,
            "current_time": 0,
            "request_time": 60,
            "block_period": 0,
        }
        requests = 0
        while line.client.status == ota.DOWNLOADING:
            self.assertEqual(line.next(step=1000)[0], ota.IMAGE_BLOCK)
            requests += 1
            line.client.on_block_response(wait)
        self.assertEqual(requests, Timing.waits + 1)
        self.assertEqual(line.sent[-1][1:], (ota.UPGRADE_END, identity(status=zcl.ABORT)))


class BoundsTest(unittest.TestCase):
    # Each wait is at least as long as the one before, up to the bound; then the client gives up,
    # says so, and asks for the next image after a while.
    def test_silence(self):
        line = Line()
        line.offer()
        line.answer_block(line.next()[1])
        while line.client.status == ota.DOWNLOADING:
            line.pass_time(100, 100)
        requests = [
            at for at, command, v in line.sent if command == ota.IMAGE_BLOCK and v["offset"]
        ]
        self.assertEqual(len(requests), Timing.tries)
        waits = [later - earlier for earlier, later in zip(requests, requests[1:])]
        self.assertEqual(waits, sorted(waits))
        self.assertTrue(waits[-1] <= Timing.answer_most_ms)
        self.assertEqual(line.sent[-1][1:], (ota.UPGRADE_END, identity(status=zcl.ABORT)))
        given_up = line.now
        self.assertEqual(line.next(step=1000)[0], ota.QUERY_NEXT_IMAGE)
        self.assertTrue(line.now - given_up >= Timing.retry_s * 1000 - 100)
        # and goes on where it was
        line.answer_query()
        self.assertEqual(line.next()[1]["offset"], 50)

    def test_nonsense(self):
        line = Line()
        line.offer()
        line.next()
        for _ in range(Timing.bad_answers):
            self.assertEqual(line.client.status, ota.DOWNLOADING)
            line.client.on_block_response(identity(status=0, offset=7, data=b"\0"))
        self.assertEqual(line.client.status, ota.NORMAL)
        self.assertEqual(line.sent[-1][1:], (ota.UPGRADE_END, identity(status=zcl.ABORT)))

    def test_query_unanswered(self):
        line = Line()
        line.pass_time(HOUR, 1000)
        self.assertEqual(len(line.sent), Timing.tries)
        self.assertEqual(line.client.status, ota.NORMAL)

    # ABORT and NO_IMAGE_AVAILABLE: back to Query Next Image (GBCS 11.2.1), what has come is kept
    def test_aborted(self):
        for status in (
            zcl.ABORT,
            zcl.NO_IMAGE_AVAILABLE,
            zcl.NOT_AUTHORIZED,
            zcl.MALFORMED_COMMAND,
        ):
            line = Line()
            line.offer()
            line.answer_block(line.next()[1])
            line.next()
            line.client.on_block_response({"status": status})
            self.assertEqual(line.client.status, ota.NORMAL)
            line.offer()
            self.assertEqual(line.next()[1]["offset"], 50)
            self.assertEqual(line.store.begun, 1)

    def test_default_response(self):
        line = Line()
        line.offer()
        line.next()
        line.client.on_default_response(ota.UPGRADE_END, zcl.FAILURE)  # to nothing that was asked
        self.assertEqual(line.client.status, ota.DOWNLOADING)
        line.client.on_default_response(ota.IMAGE_BLOCK, zcl.UNSUP_COMMAND)
        self.assertEqual(line.client.status, ota.NORMAL)


class RefusalTest(unittest.TestCase):
    # The predecessors are wrong: the hub knows after the block that said so.
    def test_in_the_middle(self):
        line = Line()
        line.store.refuse_at = 120
        line.offer()
        command, values = line.serve()
        self.assertEqual((command, values), (ota.UPGRADE_END, identity(status=zcl.INVALID_IMAGE)))
        self.assertEqual(sum([c == ota.IMAGE_BLOCK for _, c, _ in line.sent]), 3)
        self.assertEqual(line.client.status, ota.NORMAL)
        # a server need not answer it: repeated, up to a bound
        line.pass_time(HOUR, 1000)
        ends = [command for _, command, _ in line.sent if command == ota.UPGRADE_END]
        self.assertEqual(len(ends), Timing.tries)

    # The same file offered again is refused without a transfer, unless the hub calls this device.
    def test_offered_again(self):
        line = Line()
        line.store.refuse_at = 10
        line.offer()
        line.serve()
        line.client.on_default_response(ota.UPGRADE_END, zcl.SUCCESS)
        self.assertEqual(line.next(step=1000)[0], ota.QUERY_NEXT_IMAGE)
        line.answer_query()
        self.assertEqual(line.next(0)[0], None)
        self.assertEqual(line.sent[-1][1:], (ota.UPGRADE_END, identity(status=zcl.INVALID_IMAGE)))
        line.client.on_default_response(ota.UPGRADE_END, zcl.SUCCESS)
        line.offer()
        self.assertEqual(line.next()[0], ota.IMAGE_BLOCK)

    def test_at_the_end(self):
        line = Line()
        line.offer()
        command, values = line.serve(bytes(len(FILE)))
        self.assertEqual((command, values["status"]), (ota.UPGRADE_END, zcl.INVALID_IMAGE))
        self.assertEqual(line.store.begun, 1)

    # none can be taken now: that says nothing of the image
    def test_not_now(self):
        line = Line()
        line.store.refuse_begin = True
        line.offer()
        line.pass_time(0)
        self.assertEqual(line.sent[-1][1:], (ota.UPGRADE_END, identity(status=zcl.ABORT)))

    # Two files of one version, the second resumed into the first: fetched anew once, no loop.
    def test_two_files(self):
        other = bytes([octet ^ 0xFF for octet in FILE])
        for store_wants, status, begun in ((other, zcl.SUCCESS, 2), (FILE, zcl.INVALID_IMAGE, 2)):
            line = Line(Store(store_wants))
            line.offer()
            line.answer_block(line.next()[1], FILE)
            line.next()
            line.client.on_block_response({"status": zcl.ABORT})
            line.offer()
            command, values = line.serve(other)
            self.assertEqual((command, values["status"]), (ota.UPGRADE_END, status))
            self.assertEqual(line.store.begun, begun)


class ActivationTest(unittest.TestCase):
    def received(self, **more):
        line = Line(**more)
        line.offer()
        self.assertEqual(line.serve()[0], ota.UPGRADE_END)
        return line

    def end(self, line, current, upgrade, **more):
        values = identity(current_time=current, upgrade_time=upgrade)
        values.update(more)
        return line.client.on_end_response(values)

    def test_times(self):
        for current, upgrade, seconds in (
            (0, 0, 0),
            (0, 90, 90),
            (5000, 5090, 90),
            (5000, 0, 0),
            (5000, 4000, 0),
            # 30 days: longer than MicroPython's ticks can tell apart
            (0, 30 * 86400, 30 * 86400),
        ):
            line = self.received()
            before = line.now
            self.assertEqual(self.end(line, current, upgrade), zcl.SUCCESS)
            self.assertEqual(line.client.status, ota.COUNT_DOWN)
            step = max(1, seconds // 10) * 1000
            while not line.client.is_activated:
                self.assertTrue(line.now - before <= seconds * 1000 + step)
                line.pass_time(step, step)
            self.assertTrue(line.now - before >= seconds * 1000)
            self.assertEqual(line.store.activated, 1)

    def test_wildcards(self):
        line = self.received()
        self.end(line, 0, 0, manufacturer=0xFFFF, image_type=0xFFFF, version=0xFFFFFFFF)
        self.assertEqual(line.client.status, ota.COUNT_DOWN)

    def test_of_another_image(self):
        for change in ({"manufacturer": 1}, {"image_type": 1}, {"version": RUNNING}):
            line = self.received()
            self.end(line, 0, 0, **change)
            self.assertEqual(line.client.status, ota.WAITING)

    # 6.10.10: to be activated by a further command; the client asks again after a while
    def test_waiting(self):
        line = self.received()
        self.end(line, 0, ota.WAIT_FOR_ACTIVATION)
        self.assertEqual(line.client.status, ota.WAITING)
        before = line.now
        self.assertEqual(line.next(step=1000)[0], ota.UPGRADE_END)
        self.assertEqual(line.now - before, Timing.retry_s * 1000)
        self.end(line, 0, 0)
        line.pass_time(1000)
        self.assertTrue(line.client.is_activated)

    def test_unanswered(self):
        line = self.received()
        line.pass_time(30 * MINUTE, 1000)
        ends = [command for _, command, _ in line.sent if command == ota.UPGRADE_END]
        self.assertEqual(len(ends), Timing.tries)
        self.assertEqual(line.client.status, ota.WAITING)

    # SE 1.2b: where only a message activates, the server cannot, whatever it says
    def test_external(self):
        line = self.received(is_external=True)
        self.assertEqual(line.client.status, ota.WAITING_EXTERNAL)
        self.assertEqual(self.end(line, 0, 0), zcl.NOT_AUTHORIZED)
        self.assertEqual(line.client.status, ota.WAITING_EXTERNAL)
        self.assertEqual(self.end(line, 0, ota.WAIT_FOR_ACTIVATION), zcl.SUCCESS)
        line.pass_time(2 * 86_400_000, MINUTE)
        self.assertFalse(line.client.is_activated)

    # The server changes its mind while the client counts down.
    def test_unsolicited(self):
        line = self.received()
        self.end(line, 0, 1000)
        self.end(line, 0, ota.WAIT_FOR_ACTIVATION)
        line.pass_time(30 * MINUTE, 1000)
        self.assertFalse(line.client.is_activated)
        self.end(line, 0, 10)
        line.pass_time(MINUTE)
        self.assertTrue(line.client.is_activated)

    def test_nothing_to_activate(self):
        line = Line()
        self.end(line, 0, 0)
        line.pass_time(MINUTE)
        self.assertEqual((line.client.status, line.store.activated), (ota.NORMAL, 0))

    # An image that may not be activated any more is not tried again and again.
    def test_refused(self):
        line = self.received()
        line.store.refuse_activation = True
        self.end(line, 0, 0)
        line.pass_time(12 * HOUR, MINUTE)
        self.assertFalse(line.client.is_activated)
        self.assertEqual(len([c for _, c, _ in line.sent if c == ota.UPGRADE_END]), 1)

    # Held over a restart: the server is asked for the time soon, an external one waits.
    def test_after_a_restart(self):
        line = Line(Store(held=OFFERED))
        self.assertEqual(line.client.status, ota.WAITING)
        self.assertEqual(line.next(), (ota.UPGRADE_END, identity(status=zcl.SUCCESS)))
        self.assertEqual(line.now, Timing.first_query_s * 1000)
        line = Line(Store(held=OFFERED), is_external=True)
        self.assertEqual(line.client.status, ota.WAITING_EXTERNAL)
        self.assertEqual(line.next()[0], ota.QUERY_NEXT_IMAGE)

    # What failed its trial is not fetched again by itself; the hub may call for it.
    def test_reverted(self):
        store = Store()
        store.reverted = OFFERED
        line = Line(store)
        line.next()
        line.answer_query()
        self.assertEqual(line.sent[-1][1:], (ota.UPGRADE_END, identity(status=zcl.INVALID_IMAGE)))
        line.client.on_default_response(ota.UPGRADE_END, zcl.SUCCESS)
        line.offer()
        self.assertEqual(line.next()[0], ota.IMAGE_BLOCK)

    # Another image replaces the one that waits; the same one is not fetched again.
    def test_offers_while_waiting(self):
        line = self.received()
        self.end(line, 0, ota.WAIT_FOR_ACTIVATION)
        line.offer()
        self.assertEqual(line.sent[-1][1], ota.UPGRADE_END)
        self.end(line, 0, ota.WAIT_FOR_ACTIVATION)
        line.offer(OFFERED + 1)
        self.assertEqual(line.next()[1]["offset"], 0)


if __name__ == "__main__":
    unittest.main()
