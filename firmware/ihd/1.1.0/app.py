# IHD 1.1.0: as 1.0.0, with the carbon footprint and a daily target.

import appliance
from carbon import Carbon
from data_region import DataRegion
from meter import Feed
from target import Target
from usage import Usage


async def main(services: object, feed: "Feed | None" = None) -> None:
    usage = Usage()
    features = (DataRegion(services.data), usage, Carbon(usage), Target(usage, services.data))
    await appliance.run("IHD", services, features, feed or Feed())
