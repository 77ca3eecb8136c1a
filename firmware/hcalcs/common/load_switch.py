# The switch of an auxiliary load, such as an immersion heater: on while the schedule says so.

from appliance import Feature
from schedule import WINDOWS_MOST, Schedule, parse, text_of

_HALF_HOURS = 48


class LoadSwitch(Feature):
    def __init__(self, folder: str) -> None:
        self._schedule = Schedule(folder)
        self._half_hour = 0
        self.commands = (
            ("schedule", "schedule 01:00-05:30", self._answer_schedule),
            ("load", "load", self._answer_load),
        )

    def start(self) -> None:
        self._schedule.load()

    def check(self) -> None:
        self._schedule.rehearse()

    def used(self, watt_hours: int, day_is_over: bool) -> None:
        self._half_hour = 0 if day_is_over else (self._half_hour + 1) % _HALF_HOURS

    def is_on(self) -> bool:
        return self._schedule.holds(self._half_hour)

    def _answer_schedule(self, rest: str) -> str:
        if rest:
            try:
                self._schedule.save(parse(rest))
            except ValueError:
                return "Not a schedule: up to %d windows, like 01:00-05:30" % WINDOWS_MOST
        if not self._schedule.windows:
            return "No schedule: the load stays off"
        return "Schedule " + text_of(self._schedule.windows)

    def _answer_load(self, rest: str) -> str:
        return "Load is on" if self.is_on() else "Load is off"

    def lines(self) -> "tuple[str, ...]":
        return self._answer_load(""), self._answer_schedule("")
