# The last seven days. Kept at the end of each day; a record that can no longer be read only means
# that the view begins anew.

from appliance import Feature
from records import Damaged, Record
from units import kwh_text

_DAYS = 7


class Week(Feature):
    def __init__(self, folder: str) -> None:
        self._record = Record(folder, "week.v1")
        self._days_wh = []
        self._today_wh = 0
        self.commands = (("week", "week", self._answer),)

    def start(self) -> None:
        try:
            self._days_wh = [int(day) for day in (self._record.load() or b"").split()][-_DAYS:]
        except (Damaged, ValueError):
            self._days_wh = []

    def used(self, watt_hours: int, day_is_over: bool) -> None:
        self._today_wh += watt_hours
        if day_is_over:
            self._days_wh = self._days_wh[1 - _DAYS :] + [self._today_wh]
            self._today_wh = 0
            self._record.save(b" ".join([b"%d" % day for day in self._days_wh]))

    def _answer(self, rest: str) -> str:
        if not self._days_wh:
            return "Week: known tomorrow"
        return "Week: %s kWh" % " ".join(kwh_text(day) for day in self._days_wh)

    def lines(self) -> "tuple[str, ...]":
        return (self._answer(""),)
