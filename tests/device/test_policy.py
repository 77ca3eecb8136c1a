# The decision: each change of a good offer and its reason, and which of two reasons comes first.

import unittest

import images
from images import V1_0, V1_1, V1_2, V2_0

from hanbootloader import policy
from hanbootloader.image import manifest, ota
from hanbootloader.policy import DeviceFacts, RunningFirmware, VerificationResult
from hanbootloader.reasons import (
    ACCEPTED,
    ALREADY_RUNNING,
    BELOW_MINIMUM_BASE,
    HARDWARE_VERSION,
    HASH_MISMATCH,
    HEADER_MISMATCH,
    IMAGE_TYPE,
    MANUFACTURER_CODE,
    MANUFACTURER_SIGNATURE,
    NO_IMAGE_HELD,
    NO_LONGER_ALLOWED,
    NOT_A_PREDECESSOR,
    PADDING,
    PAYLOAD_HASH,
    SECURITY_COUNTER,
    SIZE_MISMATCH,
    SUPPLIER_MISSING,
    SUPPLIER_SIGNATURE,
    TOO_LARGE,
    UNKNOWN_SIGNER,
)

RUNNING = b"r" * 32
OFFERED = b"o" * 32
OTHER = b"x" * 32
SLOT_BYTES = 100000
IMAGE_BYTES = 50000
FILE_BYTES = IMAGE_BYTES + ota.HEADER_BYTES


# A good offer of 1.1.0 to a device that runs 1.0.0; its parts are changed one by one.
class Offer:
    def __init__(self):
        self.device = DeviceFacts(0xFFF0, 5, 0x0102, policy.PPMID, SLOT_BYTES, 3)
        self.header = ota.Header(0xFFF0, 5, V1_1, FILE_BYTES, images.HARDWARE)
        self.manifest = manifest.Manifest(
            0xFFF0,
            5,
            V1_1,
            images.HARDWARE,
            manifest.KIND_ROMFS,
            40000,
            bytes(32),
            ((V1_0, None, None),),
            V1_0,
            3,
        )
        self.result = VerificationResult()
        self.result.padding_is_zero = True
        self.result.payload_hash_matches = True
        self.result.signer_known = True
        self.result.manufacturer_valid = True
        self.result.supplier_valid = None
        self.file_bytes = FILE_BYTES
        self.image_bytes = IMAGE_BYTES
        self.image_hash = OFFERED
        self.running = RunningFirmware(V1_0, RUNNING)

    # path: "header.image_type", "image_hash", ...
    def change(self, path, value):
        *owners, name = path.split(".")
        target = self
        for owner in owners:
            target = getattr(target, owner)
        setattr(target, name, value)

    def decide(self):
        return policy.decide(
            self.header,
            self.manifest,
            self.file_bytes,
            self.image_bytes,
            self.image_hash,
            self.result,
            self.running,
            self.device,
        )

    # as before anything is erased: the hash is not known, nothing is verified
    def decide_early(self):
        return policy.check_header(
            self.header, self.file_bytes, self.device
        ) or policy.check_manifest(
            self.header, self.manifest, self.image_bytes, None, self.running, self.device
        )


def offer(*changes):
    made = Offer()
    for path, value in changes:
        made.change(path, value)
    return made


# In the order of the design: (reason, a change that gives it)
IN_ORDER = (
    (SIZE_MISMATCH, (("header.total_bytes", FILE_BYTES + 1),)),
    (TOO_LARGE, (("device.slot_bytes", IMAGE_BYTES - ota.TRAILER_BYTES - 1),)),
    (MANUFACTURER_CODE, (("device.manufacturer_code", 0xFFF1),)),
    (IMAGE_TYPE, (("device.image_type", 6),)),
    (HARDWARE_VERSION, (("device.hardware_version", 0x0200),)),
    (HEADER_MISMATCH, (("manifest.file_version", V1_1 + 1),)),
    (TOO_LARGE, (("device.slot_bytes", IMAGE_BYTES - 1),)),
    (ALREADY_RUNNING, (("image_hash", RUNNING),)),
    (BELOW_MINIMUM_BASE, (("manifest.minimum_base_version", V1_0 + 1),)),
    (NOT_A_PREDECESSOR, (("manifest.predecessors", ((V1_2, None, None),)),)),
    (SECURITY_COUNTER, (("device.security_counter", 4),)),
    (UNKNOWN_SIGNER, (("result.signer_known", False),)),
    (MANUFACTURER_SIGNATURE, (("result.manufacturer_valid", False),)),
    (PADDING, (("result.padding_is_zero", False),)),
    (PAYLOAD_HASH, (("result.payload_hash_matches", False),)),
    (SUPPLIER_SIGNATURE, (("result.supplier_valid", False),)),
)


class OrderTest(unittest.TestCase):
    def test_good(self):
        self.assertEqual(offer().decide(), ACCEPTED)
        self.assertEqual(offer().decide_early(), ACCEPTED)

    def test_each_fault(self):
        for reason, changes in IN_ORDER:
            self.assertEqual((changes, offer(*changes).decide()), (changes, reason))

    def test_earlier_of_two_faults(self):
        for first in range(len(IN_ORDER)):
            for second in range(first + 1, len(IN_ORDER)):
                reason, changes = IN_ORDER[first]
                more = IN_ORDER[second][1]
                # where both change the same value there is only one fault
                if changes[0][0] == more[0][0]:
                    continue
                found = offer(*(changes + more)).decide()
                self.assertEqual((changes, more, found), (changes, more, reason))

    # The early decision gives the same reason as the late one, where what it needs is known.
    def test_early(self):
        for reason, changes in IN_ORDER:
            early = reason if reason < PADDING and reason != ALREADY_RUNNING else ACCEPTED
            # without the hash, an image that runs already is not among its predecessors
            self.assertEqual((changes, offer(*changes).decide_early()), (changes, early))

    def test_nothing_is_proved_by_default(self):
        fresh = offer(("result", VerificationResult()))
        for attribute, reason, value in (
            ("signer_known", UNKNOWN_SIGNER, True),
            ("manufacturer_valid", MANUFACTURER_SIGNATURE, True),
            ("padding_is_zero", PADDING, True),
            ("payload_hash_matches", PAYLOAD_HASH, True),
            ("supplier_valid", SUPPLIER_SIGNATURE, True),
        ):
            self.assertEqual(fresh.decide(), reason)
            setattr(fresh.result, attribute, value)
        self.assertEqual(fresh.decide(), ACCEPTED)


class FitTest(unittest.TestCase):
    def check(self, *table):
        for changes, reason in table:
            self.assertEqual((changes, offer(*changes).decide()), (changes, reason))

    def test_size(self):
        self.check(
            ((("header.total_bytes", FILE_BYTES - 1),), SIZE_MISMATCH),
            ((("header.total_bytes", 0),), SIZE_MISMATCH),
            ((("header.total_bytes", 0xFFFFFFFF),), SIZE_MISMATCH),
            ((("device.slot_bytes", IMAGE_BYTES),), ACCEPTED),
            ((("device.slot_bytes", IMAGE_BYTES - 1),), TOO_LARGE),
            ((("device.slot_bytes", 0),), TOO_LARGE),
        )

    # before the manifest is there, what looks too large may still have a trailer
    def test_size_by_the_header(self):
        for slot_bytes, reason in (
            (IMAGE_BYTES, ACCEPTED),
            (IMAGE_BYTES - 66, ACCEPTED),
            (IMAGE_BYTES - 67, TOO_LARGE),
        ):
            made = offer(("device.slot_bytes", slot_bytes))
            found = policy.check_header(made.header, made.file_bytes, made.device)
            self.assertEqual(found, reason)

    def test_hardware_range(self):
        for low, high, reason in (
            (0x0102, 0x0102, ACCEPTED),
            (0x0000, 0xFFFF, ACCEPTED),
            (0x0103, 0xFFFF, HARDWARE_VERSION),
            (0x0000, 0x0101, HARDWARE_VERSION),
            (0x0200, 0x0100, HARDWARE_VERSION),
        ):
            made = offer(("header.hardware", (low, high)), ("manifest.hardware", (low, high)))
            self.assertEqual(made.decide(), reason)

    # no signature covers the header: each field of it that the manifest has must be the same
    def test_header_against_manifest(self):
        self.check(
            ((("manifest.manufacturer_code", 0xFFF1),), HEADER_MISMATCH),
            ((("manifest.image_type", 6),), HEADER_MISMATCH),
            ((("manifest.file_version", V1_2),), HEADER_MISMATCH),
            ((("header.file_version", V1_2),), HEADER_MISMATCH),
            ((("manifest.hardware", (0x0100, 0x01FE)),), HEADER_MISMATCH),
            ((("manifest.hardware", (0x0101, 0x01FF)),), HEADER_MISMATCH),
        )


class PathwayTest(unittest.TestCase):
    # (running version and hash or None, predecessors, minimum base, reason)
    TABLE = (
        # by version alone: any hash of it
        ((V1_0, RUNNING), ((V1_0, None, None),), 0, ACCEPTED),
        ((V1_0, OTHER), ((V1_0, None, "CPL-1"),), 0, ACCEPTED),
        # by version and hash
        ((V1_0, RUNNING), ((V1_0, RUNNING, None),), 0, ACCEPTED),
        ((V1_0, RUNNING), ((V1_0, OTHER, None),), 0, NOT_A_PREDECESSOR),
        ((V1_0, OTHER), ((V1_0, RUNNING, None),), 0, NOT_A_PREDECESSOR),
        # the hash alone does not make a predecessor
        ((V1_0, RUNNING), ((V1_2, RUNNING, None),), 0, NOT_A_PREDECESSOR),
        # one entry of several
        ((V1_0, RUNNING), ((V1_0, OTHER, None), (V1_0, RUNNING, None)), 0, ACCEPTED),
        ((V1_0, RUNNING), ((V1_2, None, None), (V1_0, None, None)), 0, ACCEPTED),
        ((V1_0, RUNNING), ((V1_2, None, None), (V1_1, None, None)), 0, NOT_A_PREDECESSOR),
        # no order of versions: an older image may follow a newer one that it names
        ((V2_0, RUNNING), ((V2_0, None, None),), 0, ACCEPTED),
        ((V2_0, RUNNING), ((V1_0, None, None),), 0, NOT_A_PREDECESSOR),
        # the same version once more, with another hash, only where it is named
        ((V1_1, RUNNING), ((V1_1, None, None),), 0, ACCEPTED),
        ((V1_1, RUNNING), ((V1_1, RUNNING, None),), 0, ACCEPTED),
        ((V1_1, RUNNING), ((V1_1, OTHER, None),), 0, NOT_A_PREDECESSOR),
        # minimum base version, the list notwithstanding
        ((V1_0, RUNNING), ((V1_0, None, None),), V1_0, ACCEPTED),
        ((V1_0, RUNNING), ((V1_0, None, None),), V1_0 + 1, BELOW_MINIMUM_BASE),
        ((V1_0, RUNNING), ((V1_0, None, None),), 0xFFFFFFFF, BELOW_MINIMUM_BASE),
        ((0xFFFFFFFF, RUNNING), ((0xFFFFFFFF, None, None),), 0xFFFFFFFF, ACCEPTED),
        ((V1_0, RUNNING), ((V1_1, None, None),), V1_0, NOT_A_PREDECESSOR),
        # it does not stand in for the list
        ((V2_0, RUNNING), ((V1_1, None, None),), V1_0, NOT_A_PREDECESSOR),
        # an empty list is for a device without an application, and nothing else is
        (None, (), 0, ACCEPTED),
        ((V1_0, RUNNING), (), 0, NOT_A_PREDECESSOR),
        ((0, bytes(32)), (), 0, NOT_A_PREDECESSOR),
        (None, ((V1_0, None, None),), 0, NOT_A_PREDECESSOR),
        (None, ((0, None, None),), 0, NOT_A_PREDECESSOR),
        (None, (), 1, BELOW_MINIMUM_BASE),
    )

    def test_table(self):
        for running, predecessors, minimum, reason in self.TABLE:
            made = offer(
                ("running", running and RunningFirmware(*running)),
                ("manifest.predecessors", predecessors),
                ("manifest.minimum_base_version", minimum),
            )
            row = (running, predecessors, minimum)
            self.assertEqual((row, made.decide()), (row, reason))
            # the pathway needs no hash of what is offered
            self.assertEqual((row, made.decide_early()), (row, reason))

    def test_already_running(self):
        made = offer(("image_hash", RUNNING))
        self.assertEqual(made.decide(), ALREADY_RUNNING)
        made.running = RunningFirmware(V1_1, RUNNING)
        self.assertEqual(made.decide(), ALREADY_RUNNING)
        # nothing runs: nothing runs already
        made.running, made.manifest.predecessors = None, ()
        made.manifest.minimum_base_version = 0
        self.assertEqual(made.decide(), ACCEPTED)

    # What the device should run no longer verifies: that very image cures it, and no other.
    def test_damaged(self):
        made = offer(("running", RunningFirmware(V1_1, OFFERED, True)))
        self.assertEqual(made.decide(), ACCEPTED)
        # as far as can be known before the hash is known
        self.assertEqual(made.decide_early(), ACCEPTED)
        for running, reason, early in (
            (RunningFirmware(V1_1, RUNNING, True), NOT_A_PREDECESSOR, ACCEPTED),
            (RunningFirmware(V1_2, RUNNING, True), NOT_A_PREDECESSOR, NOT_A_PREDECESSOR),
            (RunningFirmware(V1_0, RUNNING, True), ACCEPTED, ACCEPTED),
            (RunningFirmware(V1_1, OFFERED, False), ALREADY_RUNNING, NOT_A_PREDECESSOR),
        ):
            made = offer(("running", running))
            row = (running.file_version, running.is_damaged)
            self.assertEqual((row, made.decide(), made.decide_early()), (row, reason, early))

    def test_security_counter(self):
        for counter, held, reason in (
            (3, 3, ACCEPTED),
            (4, 3, ACCEPTED),
            (0xFFFFFFFF, 0, ACCEPTED),
            (2, 3, SECURITY_COUNTER),
            (0, 1, SECURITY_COUNTER),
        ):
            made = offer(("manifest.security_counter", counter), ("device.security_counter", held))
            self.assertEqual(made.decide(), reason)


class SupplierTest(unittest.TestCase):
    # GBCS device types. (device type, signature: valid, wrong, or none) -> reason
    def test_by_device_type(self):
        for device_type, required in (
            (policy.ESME, True),
            (policy.GSME, True),
            (policy.HCALCS, True),
            (policy.PPMID, False),
            (policy.IHD, False),
            (99, True),
        ):
            for valid, reason in (
                (True, ACCEPTED),
                (False, SUPPLIER_SIGNATURE),
                (None, SUPPLIER_MISSING if required else ACCEPTED),
            ):
                made = offer(("device.device_type", device_type), ("result.supplier_valid", valid))
                row = (device_type, valid)
                self.assertEqual((row, made.decide()), (row, reason))


class ActivationTest(unittest.TestCase):
    def decide(self, wanted, staged, made):
        held = made.manifest if staged else None
        return policy.check_activation(wanted, staged, held, made.running, made.device)

    # GBCS CS06: no image held, then another one
    def test_order(self):
        gone = offer(("running", RunningFirmware(V1_2, OTHER)))
        for wanted, staged, made, reason in (
            (OFFERED, OFFERED, offer(), ACCEPTED),
            (OFFERED, None, offer(), NO_IMAGE_HELD),
            (OFFERED, None, gone, NO_IMAGE_HELD),
            (OTHER, OFFERED, offer(), HASH_MISMATCH),
            (OTHER, OFFERED, gone, HASH_MISMATCH),
            (OFFERED, OFFERED, gone, NO_LONGER_ALLOWED),
            (b"", OFFERED, offer(), HASH_MISMATCH),
            (OFFERED[:31], OFFERED, offer(), HASH_MISMATCH),
        ):
            self.assertEqual(self.decide(wanted, staged, made), reason)

    # whatever changed since it was staged, the activation says that it did
    def test_no_longer_allowed(self):
        for change in (
            ("running", None),
            ("running", RunningFirmware(V1_1, OFFERED)),
            ("running", RunningFirmware(V1_0 - 1, RUNNING)),
            ("device.security_counter", 4),
        ):
            self.assertEqual(self.decide(OFFERED, OFFERED, offer(change)), NO_LONGER_ALLOWED)

    # the hash of an image without the image, and the other way round, is no image
    def test_half_of_one(self):
        made = offer()
        for staged, content in ((None, made.manifest), (OFFERED, None), (None, None)):
            reason = policy.check_activation(staged, staged, content, made.running, made.device)
            self.assertEqual(reason, NO_IMAGE_HELD)


if __name__ == "__main__":
    unittest.main()
