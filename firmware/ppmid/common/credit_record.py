# What the credit is kept in, whatever the record's format. Amounts are a tuple: the balance and
# what yesterday cost, both in hundredths of a penny.

from records import Damaged, Record
from units import POUND

# The customer owes at most the emergency credit and one half-hour; holds at most this.
MAX_BALANCE = 1000 * POUND
_MIN_BALANCE = -100 * POUND


class CreditRecord:
    # name: another than the format's own, for the self-test
    NAME = ""

    def __init__(self, folder: str, name: "str | None" = None) -> None:
        self._folder = folder
        self._record = Record(folder, name or self.NAME)

    def encode(self, amounts: "tuple[int, int]") -> bytes:
        raise NotImplementedError

    def decode(self, body: bytes) -> "tuple[int, int]":
        raise NotImplementedError

    def exists(self) -> bool:
        return self._record.exists()

    def load(self) -> "tuple[int, int] | None":
        body = self._record.load()
        if body is None:
            return None
        try:
            amounts = self.decode(body)
        except ValueError:
            raise Damaged
        if not _MIN_BALANCE <= amounts[0] <= MAX_BALANCE or amounts[1] < 0:
            raise Damaged
        return amounts

    def save(self, amounts: "tuple[int, int]") -> None:
        self._record.save(self.encode(amounts))

    def remove(self) -> None:
        self._record.remove()

    # Part of the self-test: the data region takes these amounts in this format and gives them
    # back. The record itself is left alone.
    def rehearse(self, amounts: "tuple[int, int]") -> None:
        trial = type(self)(self._folder, "self-test")
        body = trial.encode(amounts)
        trial.save(amounts)
        kept = trial.load()
        trial.remove()
        if kept is None or trial.encode(kept) != body:
            raise Damaged

    # this release stays
    def settle(self) -> None:
        pass
