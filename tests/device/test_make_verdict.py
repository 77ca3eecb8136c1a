# The verdict on an offered image: what it says of the remedy, and of what it leaves out.

import unittest

import images

from hanbootloader.policy import PATHWAY, RunningFirmware
from hanbootloader.reasons import ACCEPTED, IMAGE_TYPE, NOT_A_PREDECESSOR, PAYLOAD_HASH
from hanbootloader.store.ledger import ACCEPTS_KEPT
from hanbootloader.verdict import make_verdict

DIGEST, RUNNING = bytes(32), RunningFirmware(images.V1_0, b"\x11" * 32)


def manifest(count, minimum=0):
    predecessors = tuple([(images.V1_1 + n, None, None) for n in range(count)])
    release = images.Release(images.V2_0, predecessors, minimum_base_version=minimum)
    return release.manifest()


def verdict(reason, content, running=RUNNING, header=None):
    return make_verdict(reason, -1, images.V2_0, DIGEST, running, content, header)


class MakeVerdictTest(unittest.TestCase):
    # a remedy belongs to a pathway that is not allowed, and to nothing else
    def test_which_reasons(self):
        for reason in (ACCEPTED, IMAGE_TYPE, PAYLOAD_HASH) + tuple(PATHWAY):
            found = verdict(reason, manifest(2, images.V1_0))
            expected = (2, images.V1_0) if reason in PATHWAY else (0, 0)
            self.assertEqual((found.accepts_total, found.minimum_base_version), expected)
            self.assertEqual(len(found.accepts), expected[0])

    def test_without_a_manifest(self):
        found = verdict(NOT_A_PREDECESSOR, None)
        self.assertEqual((found.accepts, found.accepts_total), ((), 0))

    # the first few, and how many there are
    def test_many(self):
        for count in (ACCEPTS_KEPT - 1, ACCEPTS_KEPT, ACCEPTS_KEPT + 1, 30):
            found = verdict(NOT_A_PREDECESSOR, manifest(count))
            self.assertEqual(found.accepts_total, count)
            kept = [(images.V1_1 + n, None) for n in range(min(count, ACCEPTS_KEPT))]
            self.assertEqual(list(found.accepts), kept)

    # one below the minimum base version would be refused all the same
    def test_below_the_minimum(self):
        found = verdict(NOT_A_PREDECESSOR, manifest(5, images.V1_1 + 3))
        self.assertEqual(list(found.accepts), [(images.V1_1 + 3, None), (images.V1_1 + 4, None)])
        self.assertEqual(found.accepts_total, 2)

    def test_what_runs(self):
        found = verdict(NOT_A_PREDECESSOR, manifest(1))
        self.assertEqual((found.running_version, found.running_hash), (images.V1_0, b"\x11" * 32))
        found = verdict(NOT_A_PREDECESSOR, manifest(1), None)
        self.assertEqual((found.running_version, found.running_hash), (0, None))

    # both sides of a refusal: what the header says that it is for
    def test_model(self):
        header = images.header_of(manifest(1), b"")
        found = verdict(IMAGE_TYPE, None, RUNNING, header)
        expected = (images.MANUFACTURER_CODE, images.IMAGE_TYPE) + images.HARDWARE
        self.assertEqual(found.offered_model, expected)
        self.assertIsNone(verdict(IMAGE_TYPE, None).offered_model)


if __name__ == "__main__":
    unittest.main()
