# PPMID 2.1.0 as it should not be: its self-test fails, so the device goes back to the release
# before.


class SelfTestFailed(Exception):
    pass


async def main(services: object) -> None:
    services.show(("PPMID 2.1.0", "Self-test"))
    raise SelfTestFailed
