# Record format 1, file credit.v1: the balance in whole pence. What is less than a penny is lost,
# in the customer's favour, at every restart: one reason for format 2.

from credit_record import CreditRecord
from units import PENNY, whole_pence


class Record1(CreditRecord):
    NAME = "credit.v1"

    def encode(self, amounts: "tuple[int, int]") -> bytes:
        return b"%d" % whole_pence(amounts[0])

    def decode(self, body: bytes) -> "tuple[int, int]":
        return int(body) * PENNY, 0
