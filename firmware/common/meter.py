# The meter, simulated: it always plays the same day, half-hour by half-hour, so a viewer or
# tests knows what comes next. A real device reads the register over its Home Area Network.

import asyncio

# How long a simulated half-hour takes: a day passes in 24 minutes.
HALF_HOUR_MS = 30_000

# Watt-hours in each half-hour of the day, from midnight; 7.3 kWh in all.
_LOAD_WH = (
    b"\x3c\x3c\x3c\x32\x32\x32\x32\x32\x32\x3c\x46\x50"  # night
    b"\x78\xb4\xf0\xfa\xdc\xb4\x96\x8c\x82\x82\x8c\xa0"  # breakfast
    b"\xb4\xaa\x96\x8c\x82\x82\x8c\x96\xb4\xd2\xf0\xfa"  # noon
    b"\xff\xff\xff\xff\xfa\xf0\xe6\xdc\xc8\xaa\x78\x50"  # evening
)

# The tariff comes from the meter too: hundredths of a penny for a kilowatt-hour, 24.50 pence.
PRICE_PER_KWH = 2450


class Feed:
    def __init__(self, half_hour_ms: int = HALF_HOUR_MS) -> None:
        self._half_hour_ms = half_hour_ms
        self._half_hours = 0
        self._register_wh = 0

    # the register as it stands now
    async def read(self) -> int:
        await asyncio.sleep(0)
        return self._register_wh

    # the register after the next half-hour, and whether that was the last of its day
    async def next(self) -> "tuple[int, bool]":
        await asyncio.sleep(self._half_hour_ms / 1000)
        self._register_wh += _LOAD_WH[self._half_hours % 48]
        self._half_hours += 1
        return self._register_wh, self._half_hours % 48 == 0


# What energy costs, to the watt-hour: the part that is less than a hundredth of a penny is carried
# over to the next time, never dropped.
class Tariff:
    def __init__(self) -> None:
        self._carried = 0

    def cost(self, watt_hours: int) -> int:
        total = watt_hours * PRICE_PER_KWH + self._carried
        self._carried = total % 1000
        return total // 1000
