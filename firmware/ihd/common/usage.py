# Consumption today, its cost and the tariff.

from appliance import Feature
from meter import PRICE_PER_KWH, Tariff
from units import kwh_text, pounds_text


class Usage(Feature):
    def __init__(self) -> None:
        self._tariff = Tariff()
        self.today_wh = 0
        self._today_cost = 0
        self.commands = (("usage", "usage", self._answer),)

    def used(self, watt_hours: int, day_is_over: bool) -> None:
        self.today_wh += watt_hours
        self._today_cost += self._tariff.cost(watt_hours)
        if day_is_over:
            self.today_wh = self._today_cost = 0

    def _answer(self, rest: str) -> str:
        return "Today %s kWh, cost %s" % (kwh_text(self.today_wh), pounds_text(self._today_cost))

    def lines(self) -> "tuple[str, ...]":
        return (
            "Today %s kWh" % kwh_text(self.today_wh),
            "Cost %s" % pounds_text(self._today_cost),
            "Tariff %d.%02d p/kWh" % (PRICE_PER_KWH // 100, PRICE_PER_KWH % 100),
        )
