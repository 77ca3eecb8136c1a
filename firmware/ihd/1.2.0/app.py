# IHD 1.2.0: as 1.1.0, with a view of the last seven days.

import appliance
from carbon import Carbon
from data_region import DataRegion
from meter import Feed
from target import Target
from usage import Usage
from week import Week


async def main(services: object, feed: "Feed | None" = None) -> None:
    usage = Usage()
    features = (
        DataRegion(services.data),
        usage,
        Carbon(usage),
        Target(usage, services.data),
        Week(services.data),
    )
    await appliance.run("IHD", services, features, feed or Feed())
