# What the start before this one could not check.
#
# One wrong read may last for a whole start. So a check of flash that fails, twice within a start,
# is a doubt: it is noted, and the device restarts. Only if the next start cannot check the same
# thing either is it acted upon, for good: a record given up, an image reverted, a cell made void. A
# check that holds clears the note.
#
# A note that cannot be written must not keep the device in restarts: it counts as repeated.

from hanbootloader.compat import const
from hanbootloader.reasons import Refused

if __debug__:  # in annotations alone
    from hanbootloader.store.journal import Journal

# fmt: off
# what can be in doubt
JOURNAL  = const(1)
SLOT     = const(2)   # and slot 1
TRANSFER = const(4)
HAN      = const(5)
KEYS     = const(6)
PLACE    = const(16)  # and the sectors of the trust anchors after the first
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
        is_noted = subject in self._noted
        if is_failed == is_noted:
            return is_failed
        if is_failed:
            self._noted.append(subject)
        else:
            self._noted.remove(subject)
        try:
            self._journal.append([(self._key, bytes(self._noted))])
        except Refused:
            return is_failed
        self.needs_restart = self.needs_restart or is_failed
        return False
