# PPMID 2.1.0 as it should not be: it stands still, and nothing but the watchdog gets the device
# back.


async def main(services: object) -> None:
    services.show(("PPMID 2.1.0", "Self-test"))
    while True:
        pass
