# Prepayment: credit that consumption uses up and top-ups add to.

from appliance import Feature
from credit_record import MAX_BALANCE
from meter import Tariff
from units import PENNY, POUND, parse_pounds, pounds_text

LOW_CREDIT = 2 * POUND
EMERGENCY_CREDIT = 5 * POUND
MAX_TOP_UP = 250 * POUND

# Consumption is kept in steps of this, for the sake of the flash: about eight writes a day. A
# power cut loses no more than one step, in the customer's favour.
_KEEP_STEP = 25 * PENNY


class Prepayment(Feature):
    # store: where this release keeps credit (CreditRecord or alike)
    def __init__(self, store: object) -> None:
        self._store = store
        self._tariff = Tariff()
        self._kept = None
        self._today = 0
        self._is_new = False
        self.balance = 0
        self.yesterday = 0
        self.commands = (
            ("balance", "balance", self._answer_balance),
            ("top-up", "top-up 10.00", self._answer_top_up),
        )

    def start(self) -> None:
        self._kept = self._store.load()
        self._is_new = self._kept is None
        self.balance, self.yesterday = self._kept or (0, 0)

    def check(self) -> None:
        self._store.rehearse((self.balance, self.yesterday))

    def confirmed(self) -> None:
        self._store.settle()
        self.keep()

    def keep(self) -> None:
        amounts = (self.balance, self.yesterday)
        if amounts != self._kept:
            self._store.save(amounts)
            self._kept = amounts

    # without any credit the supply is off, and nothing can be used
    def is_off(self) -> bool:
        return self.balance <= -EMERGENCY_CREDIT

    def used(self, watt_hours: int, day_is_over: bool) -> None:
        if not self.is_off():
            cost = self._tariff.cost(watt_hours)
            self.balance -= cost
            self._today += cost
        if day_is_over:
            self.yesterday, self._today = self._today, 0
        if day_is_over or self._kept[0] - self.balance >= _KEEP_STEP:
            self.keep()

    # The balance counts as topped up once it is kept, not before.
    def top_up(self, amount: int) -> None:
        if not 0 < amount <= MAX_TOP_UP or self.balance + amount > MAX_BALANCE:
            raise ValueError
        self.balance += amount
        self._is_new = False
        self.keep()

    def _answer_balance(self, rest: str) -> str:
        return "Balance " + pounds_text(self.balance)

    def _answer_top_up(self, rest: str) -> str:
        try:
            amount = parse_pounds(rest)
        except ValueError:
            return "Not an amount: type it like top-up 10.00"
        try:
            self.top_up(amount)
        except ValueError:
            return "Not taken: 0.01 to %s, balance up to %s" % (
                pounds_text(MAX_TOP_UP),
                pounds_text(MAX_BALANCE),
            )
        return self._answer_balance("")

    def lines(self) -> "tuple[str, ...]":
        balance = self._answer_balance("")
        if self._is_new:
            return balance, "No credit record: new account"
        if self.is_off():
            return balance, "NO CREDIT: supply is off"
        if self.balance <= 0:
            return balance, "EMERGENCY: %s left" % pounds_text(self.balance + EMERGENCY_CREDIT)
        if self.balance < LOW_CREDIT:
            return balance, "LOW CREDIT: top up soon"
        return (balance,)
