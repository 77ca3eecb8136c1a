# What the start before this one could not check.
#
# One wrong read may last for a whole start. So a check of flash that fails, twice within a start,
# is a doubt: it is noted, and the device restarts. Only if the next start cannot check the same
# thing either is it acted upon, for good: a record given up, an image reverted, a cell made void. A
# check that holds clears the note. Of an image the reason is noted, too, for it is kept in the
# verdict: another reason is another doubt.
#
# A note that cannot be written must not keep the device in restarts: it counts as repeated.

from hanbootloader.compat import const
from hanbootloader.reasons import Refused

if __debug__:  # in annotations alone
    from hanbootloader.store.journal import Journal

# fmt: off
# what can be in doubt
JOURNAL  = const(1)
_SLOT    = const(2)   # and slot 1, of a hanboot that noted no reason
TRANSFER = const(4)
HAN      = const(5)
KEYS     = const(6)
PLACE    = const(16)  # and the sectors of the trust anchors after the first
_IMAGE   = const(64)  # and twice the reason, and the slot
# fmt: on


class Doubts:
    # journal: where they are noted, under `key`
    def __init__(self, journal: "Journal", key: int) -> None:
        self._journal = journal
        self._key = key
        self._noted = list(journal.latest(key) or b"")
        # something new is in doubt: nothing more is to be written, and the device is to restart
        self.needs_restart = False

    # is_failed: whether the check of `subject` failed, also when it was read again. Whether that is
    # to be acted upon.
    def weigh(self, subject: int, is_failed: bool) -> bool:
        if is_failed == (subject in self._noted):
            return is_failed
        if is_failed:
            self._noted.append(subject)
        else:
            self._noted.remove(subject)
        return self._note(is_failed)

    # The image in slot `index` failed its check for `reason`. Whether that is to be acted upon.
    def weigh_image(self, index: int, reason: int) -> bool:
        return self.weigh(_IMAGE + 2 * reason + index, True)

    # The image in slot `index` passed its check, or its failure has been acted upon.
    def settle_image(self, index: int) -> None:
        others = [
            subject
            for subject in self._noted
            if subject != _SLOT + index and (subject < _IMAGE or subject % 2 != index)
        ]
        if others != self._noted:
            self._noted = others
            self._note(False)

    def _note(self, is_failed: bool) -> bool:
        try:
            self._journal.append([(self._key, bytes(self._noted))])
        except Refused:
            return is_failed
        self.needs_restart = self.needs_restart or is_failed
        return False
