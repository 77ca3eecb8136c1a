# Part of the self-test: the data region takes a record and gives it back.

from appliance import Feature
from records import Damaged, Record

_PATTERN = b"the quick brown fox 0123456789"


class DataRegion(Feature):
    def __init__(self, folder: str) -> None:
        self._record = Record(folder, "self-test")

    def check(self) -> None:
        self._record.save(_PATTERN)
        kept = self._record.load()
        self._record.remove()
        if kept != _PATTERN:
            raise Damaged
