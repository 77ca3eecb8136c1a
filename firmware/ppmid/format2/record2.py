# Record format 2, file credit.v2: the balance and what yesterday cost, in hundredths of a penny,
# so that nothing is lost at a restart and 'days left' is known at once.

from credit_record import CreditRecord


class Record2(CreditRecord):
    NAME = "credit.v2"

    def encode(self, amounts: "tuple[int, int]") -> bytes:
        return b"%d %d" % amounts

    def decode(self, body: bytes) -> "tuple[int, int]":
        balance, yesterday = body.split(b" ")
        return int(balance), int(yesterday)
