# How long the credit will last, going by what yesterday cost.

from appliance import Feature


class DaysLeft(Feature):
    def __init__(self, prepayment: object) -> None:
        self._prepayment = prepayment
        self.commands = (("days", "days", self._answer),)

    def _answer(self, rest: str) -> str:
        if not self._prepayment.yesterday:
            return "Days left: known tomorrow"
        return "Days left: %d" % (max(self._prepayment.balance, 0) // self._prepayment.yesterday)

    def lines(self) -> "tuple[str, ...]":
        return (self._answer(""),)
