# From record format 1 to format 2, so that the customer's credit is there after every outcome.
#
# On trial the confirmed release is 1.0.0, and after a revert it reads format 1 and nothing else.
# So the trial reads and writes format 1, and its self-test merely rehearses format 2. Once this
# release is confirmed there is no way back (point_of_no_return), and the order of what follows
# makes every power cut harmless:
#
#   on trial    a .v2 beside the .v1 can only be a leftover: removed    .v1 counts
#   confirm     durable before confirm() returns                        .v1 counts, no .v2 is there
#   settle      write .v2, each copy completely or not at all           .v2 counts once it is there
#               remove .v1                                              .v2 counts
#
# A cut before the last step is made good at the next start, which is no trial any more.

from record1 import Record1
from record2 import Record2


class MigratingCredit:
    def __init__(self, folder: str, on_trial: bool) -> None:
        self._on_trial = on_trial
        self._old = Record1(folder)
        self._new = Record2(folder)
        self._current = self._new

    def load(self) -> "tuple[int, int] | None":
        # a trial over a release that has format 2 already has nothing to migrate
        if self._on_trial and (self._old.exists() or not self._new.exists()):
            self._new.remove()
            self._current = self._old
        return self._load_current()

    # A confirmed release whose migration was cut short has its credit in the old format still.
    def _load_current(self) -> "tuple[int, int] | None":
        if self._current is self._new and not self._new.exists():
            return self._old.load()
        return self._current.load()

    def save(self, amounts: "tuple[int, int]") -> None:
        self._current.save(amounts)

    def rehearse(self, amounts: "tuple[int, int]") -> None:
        self._new.rehearse(amounts)

    def settle(self) -> None:
        self._current = self._new
        if self._old.exists():
            self._new.save(self._load_current())
            self._old.remove()
