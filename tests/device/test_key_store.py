# The device's own key pairs: kept as a whole or not at all, and never one half of another.

import unittest

from outcome import reason_of, refusal_of
from store_rig import StoreRig

from hanbootloader.reasons import FLASH_FAULT
from hanbootloader.store.device_keys import DIGITAL_SIGNATURE, KEY_AGREEMENT, DeviceKeys

PRIVATE, PUBLIC = bytes(range(32)), bytes(range(100, 164))
OTHER = (b"\x55" * 32, b"\xaa" * 64)


def facts(keys):
    return [
        (keys.private(usage), keys.public(usage)) for usage in (DIGITAL_SIGNATURE, KEY_AGREEMENT)
    ]


class DeviceKeysTest(unittest.TestCase):
    def setUp(self):
        self.rig = StoreRig(DeviceKeys)

    def test_none(self):
        self.assertEqual(facts(self.rig.opened()), [(None, None), (None, None)])
        self.assertEqual(self.rig.flash.operations, 0)

    def test_each_usage_has_its_own(self):
        self.rig.opened().keep(DIGITAL_SIGNATURE, PRIVATE, PUBLIC)
        self.assertEqual(facts(self.rig.opened()), [(PRIVATE, PUBLIC), (None, None)])
        self.rig.opened().keep(KEY_AGREEMENT, *OTHER)
        self.assertEqual(facts(self.rig.opened()), [(PRIVATE, PUBLIC), OTHER])

    def test_replaced(self):
        keys = self.rig.opened()
        keys.keep(KEY_AGREEMENT, PRIVATE, PUBLIC)
        keys.keep(KEY_AGREEMENT, *OTHER)
        for held in (keys, self.rig.opened()):
            self.assertEqual(facts(held), [(None, None), OTHER])

    def test_lengths(self):
        keys = self.rig.opened()
        for private, public in (
            (PRIVATE[:-1], PUBLIC),
            (PRIVATE + b"\0", PUBLIC),
            (PRIVATE, PUBLIC[:-1]),
            (PRIVATE, PUBLIC + b"\0"),
            (PRIVATE, b""),
            (b"", PUBLIC),
        ):
            reason = reason_of(keys.keep, DIGITAL_SIGNATURE, private, public)
            self.assertEqual(reason, FLASH_FAULT)
            pairs = [(KEY_AGREEMENT,) + OTHER, (DIGITAL_SIGNATURE, private, public)]
            self.assertEqual(reason_of(keys.keep_all, pairs), FLASH_FAULT)
        self.assertEqual(facts(keys), [(None, None), (None, None)])
        self.assertEqual(self.rig.flash.operations, 0)

    # a new pair in place of one: the old one or the new one, and the other usage's as it was
    def test_power_cut(self):
        self.rig.opened().keep(DIGITAL_SIGNATURE, PRIVATE, PUBLIC)

        def change(keys):
            keys.keep(DIGITAL_SIGNATURE, *OTHER)

        self.assertTrue(self.rig.cut_everywhere(change, facts) >= 2)

    # both, or none: a device is not left with one of its two keys
    def test_power_cut_of_both(self):
        pairs = [(DIGITAL_SIGNATURE, PRIVATE, PUBLIC), (KEY_AGREEMENT,) + OTHER]
        self.assertTrue(self.rig.cut_everywhere(lambda keys: keys.keep_all(pairs), facts) >= 2)
        self.assertEqual(facts(self.rig.opened()), [(PRIVATE, PUBLIC), OTHER])

    def test_power_cut_where_the_sector_is_full(self):
        self.rig.opened().keep(DIGITAL_SIGNATURE, PRIVATE, PUBLIC)
        self.rig.fill(lambda keys: keys.keep(KEY_AGREEMENT, *OTHER))

        def change(keys):
            keys.keep(DIGITAL_SIGNATURE, *OTHER)

        # an erase, two records and the sector's
        self.assertTrue(self.rig.cut_everywhere(change, facts) >= 4)

    # A key that reads wrong for one start is not another key, nor lost.
    def test_wrong_reads(self):
        self.rig.opened().keep(DIGITAL_SIGNATURE, PRIVATE, PUBLIC)
        self.rig.opened().keep(KEY_AGREEMENT, *OTHER)

        def change(keys):
            keys.keep(KEY_AGREEMENT, PRIVATE, PUBLIC)

        self.assertTrue(self.rig.check_wrong_reads(change, facts, refusal_of) > 150)

    def test_worn(self):
        self.rig.opened().keep(DIGITAL_SIGNATURE, PRIVATE, PUBLIC)
        self.rig.flash.stuck = range(6)
        reason = reason_of(self.rig.opened().keep, DIGITAL_SIGNATURE, *OTHER)
        self.assertEqual(reason, FLASH_FAULT)
        self.assertEqual(self.rig.opened().private(DIGITAL_SIGNATURE), PRIVATE)


if __name__ == "__main__":
    unittest.main()
