# The load on by hand, for a while. Not kept: after a restart the schedule alone counts.

from load_switch import LoadSwitch

_HALF_HOURS_MOST = 8


class BoostedSwitch(LoadSwitch):
    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._left = 0
        self.commands = self.commands + (("boost", "boost 2", self._answer_boost),)

    def used(self, watt_hours: int, day_is_over: bool) -> None:
        super().used(watt_hours, day_is_over)
        if self._left:
            self._left -= 1

    def is_on(self) -> bool:
        return bool(self._left) or super().is_on()

    def _answer_boost(self, rest: str) -> str:
        if rest not in ("0", "1", "2", "3", "4", "5", "6", "7", "8"):
            return "Not a boost: 0 to %d half-hours, like boost 2" % _HALF_HOURS_MOST
        self._left = int(rest)
        return "Boost of %d half-hours" % self._left if self._left else "No boost"

    def lines(self) -> "tuple[str, ...]":
        lines = super().lines()
        return lines + ("Boost: %d half-hours" % self._left,) if self._left else lines
