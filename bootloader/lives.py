# The lives of the confirmed application. One that resets the board itself, or that the watchdog
# ends before a client can say a word, leaves no way in for its successor. So starts that did not
# last are counted, whatever ended them, and after three in a row the link is served alone for a
# while.
#
# A start is counted before it happens and taken back when it lasts. A reset that a client asked for
# is no short life. Starts on trial have a count of their own.

from hanbootloader.compat import const
from hanbootloader.reasons import Refused

if __debug__:  # in annotations alone
    from hanbootloader.store.ledger import Ledger

# fmt: off
SHORT_LIVES = const(3)
LASTS_MS    = const(60_000)  # from here on a start has lasted
# fmt: on


class Lives:
    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        self._before = ledger.short_lives

    # Whether the link is to be served alone first.
    @property
    def needs_grace(self) -> bool:
        return self._before >= SHORT_LIVES

    # The application is about to start.
    def begin(self) -> None:
        self._keep(min(self._before + 1, SHORT_LIVES))

    # It has lasted.
    def lasted(self) -> None:
        self._before = 0
        self._keep(0)

    # A client ends it.
    def excuse(self) -> None:
        self._keep(self._before)

    # A journal that takes nothing more is no reason not to start.
    def _keep(self, count: int) -> None:
        try:
            self._ledger.keep_short_lives(count)
        except Refused:
            pass
