# PPMID 2.0.0: shows how many days the credit will last. Knows record format 2 only: over 1.0.0 it
# would find no credit, take that for a new account and confirm itself. No self-test can see this;
# the predecessor list in its manifest can.

import appliance
from days_left import DaysLeft
from meter import Feed
from prepayment import Prepayment
from record2 import Record2


async def main(services: object, feed: "Feed | None" = None) -> None:
    prepayment = Prepayment(Record2(services.data))
    features = (prepayment, DaysLeft(prepayment))
    await appliance.run("PPMID", services, features, feed or Feed())
