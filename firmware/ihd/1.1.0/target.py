# A daily target that the customer sets. Kept, so that a restart does not forget it; one that can
# no longer be read is no more than one to set again.

from appliance import Feature
from records import Damaged, Record
from units import kwh_text, parse_decimal

_MAX_WH = 100_000


class Target(Feature):
    def __init__(self, usage: object, folder: str) -> None:
        self._usage = usage
        self._record = Record(folder, "target.v1")
        self._target_wh = 0
        self.commands = (("target", "target 8.0", self._answer),)

    def start(self) -> None:
        try:
            self._target_wh = int(self._record.load() or 0)
        except (Damaged, ValueError):
            self._target_wh = 0

    def _answer(self, rest: str) -> str:
        try:
            target_wh = parse_decimal(rest, 1) * 100
        except ValueError:
            target_wh = 0
        if not 0 < target_wh <= _MAX_WH:
            return "Not a target: type it like target 8.0, up to %s kWh" % kwh_text(_MAX_WH)
        self._record.save(b"%d" % target_wh)
        self._target_wh = target_wh
        return "Target %s kWh" % kwh_text(target_wh)

    def lines(self) -> "tuple[str, ...]":
        if not self._target_wh:
            return ()
        if self._usage.today_wh > self._target_wh:
            return ("OVER TARGET of %s kWh" % kwh_text(self._target_wh),)
        return ("Target %s kWh" % kwh_text(self._target_wh),)
