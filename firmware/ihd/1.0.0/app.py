# IHD 1.0.0: the first release. Shows consumption, cost and tariff.

import appliance
from data_region import DataRegion
from meter import Feed
from usage import Usage


async def main(services: object, feed: "Feed | None" = None) -> None:
    features = (DataRegion(services.data), Usage())
    await appliance.run("IHD", services, features, feed or Feed())
