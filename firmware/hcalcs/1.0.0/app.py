# HCALCS 1.0.0: the first release. Switches a load by a schedule.

import appliance
from load_switch import LoadSwitch
from meter import Feed


async def main(services: object, feed: "Feed | None" = None) -> None:
    features = (LoadSwitch(services.data),)
    await appliance.run("HCALCS", services, features, feed or Feed())
