# PPMID 1.1.0: as 1.0.0, and moves the credit record from format 1 to format 2.

import appliance
from meter import Feed
from migration import MigratingCredit
from prepayment import Prepayment


async def main(services: object, feed: "Feed | None" = None) -> None:
    features = (Prepayment(MigratingCredit(services.data, services.on_trial)),)
    await appliance.run("PPMID", services, features, feed or Feed())
