# The admission, asked out of its order, and by recipients that know less than a device.

import unittest

import flows
import images
from outcome import refusal_of

from hanbootloader import verify
from hanbootloader.admission import Admission, Keys, Recipient, Target
from hanbootloader.board import Board
from hanbootloader.policy import VerificationResult
from hanbootloader.reasons import ACCEPTED, ALREADY_RUNNING, SIZE_MISMATCH
from hanbootloader.trust.anchors import Memory


# A device of which one thing is not at hand.
class Knows(Recipient):
    def __init__(self, device, running=True, image=True):
        self._device = device
        self._running = running
        self._image = image

    def facts(self):
        return self._device.facts()

    def running(self):
        return self._device.running() if self._running else None

    def running_image(self):
        return self._device.running_image() if self._image else None


class AdmissionTest(unittest.TestCase):
    def setUp(self):
        self.device = flows.board_with("1.0.0").device()

    def admission(self, octets, **knows):
        keys = verify.AnchorKeys(self.device.anchors)
        return Admission(len(octets), Knows(self.device, **knows), keys, Target())

    # The reason and offset of a whole file; fed up to `end`, then decided.
    def refusal(self, name, end=None, **knows):
        octets = memoryview(images.ota_image(name))
        admission = self.admission(octets, **knows)

        def decide():
            flows.finish(admission.feed_steps(octets[:end]))
            flows.finish(admission.decide_steps())

        return refusal_of(decide)

    def test_nothing_is_accepted_before_the_last_byte(self):
        octets = images.ota_image("1.1.0")
        self.assertEqual(self.refusal("1.1.0"), (ACCEPTED, -1))
        for end in (0, 59, 60, 1000, len(octets) - 1):
            self.assertEqual(self.refusal("1.1.0", end), (SIZE_MISMATCH, end))

    # By its envelope what runs already is known early, by its hash at the end; where neither can be
    # compared it is an image like any other.
    def test_what_runs_already(self):
        octets = memoryview(images.ota_image("1.0.0"))
        for knows, early in (
            ({}, True),
            ({"image": False}, False),
        ):
            front = refusal_of(
                flows.finish, self.admission(octets, **knows).feed_steps(octets[:1000])
            )
            self.assertEqual((knows, front[0] == ALREADY_RUNNING), (knows, early))
        for knows in ({"running": False}, {"running": False, "image": False}):
            found = refusal_of(
                flows.finish, self.admission(octets, **knows).feed_steps(octets[:1000])
            )
            self.assertEqual((knows, found), (knows, (ACCEPTED, -1)))


# A part that a port or a caller forgot is an error, and no answer.
class InterfacesTest(unittest.TestCase):
    def check(self, call, *arguments):
        raised = False
        try:
            call(*arguments)
        except NotImplementedError:
            raised = True
        self.assertTrue(raised, str(call))

    def test_each(self):
        recipient, keys, memory = Recipient(), Keys(), Memory()
        for call in (recipient.facts, recipient.running, recipient.running_image):
            self.check(call)
        self.check(keys.manufacturer_steps, None, VerificationResult())
        self.check(keys.supplier_steps, bytes(32), None, VerificationResult())
        for call in (memory.sequences, memory.worn, memory.is_in_doubt):
            self.check(call)
        self.check(memory.note_worn, 0)
        self.check(memory.weigh, 0, True)
        self.check(Board().region, "anchors")


if __name__ == "__main__":
    unittest.main()
