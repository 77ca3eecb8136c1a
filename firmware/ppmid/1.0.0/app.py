# PPMID 1.0.0: the first release. Keeps credit in record format 1.

import appliance
from meter import Feed
from prepayment import Prepayment
from record1 import Record1


async def main(services: object, feed: "Feed | None" = None) -> None:
    features = (Prepayment(Record1(services.data)),)
    await appliance.run("PPMID", services, features, feed or Feed())
