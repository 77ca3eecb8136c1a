# HCALCS 1.1.0: as 1.0.0, and the load can be switched on by hand for a while.

import appliance
from boost import BoostedSwitch
from meter import Feed


async def main(services: object, feed: "Feed | None" = None) -> None:
    features = (BoostedSwitch(services.data),)
    await appliance.run("HCALCS", services, features, feed or Feed())
