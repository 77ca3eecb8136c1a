# What today's consumption means for the climate.

from appliance import Feature

_GRAMS_PER_KWH = 200  # an example, about the British grid of 2023


class Carbon(Feature):
    def __init__(self, usage: object) -> None:
        self._usage = usage

    def lines(self) -> "tuple[str, ...]":
        grams = self._usage.today_wh * _GRAMS_PER_KWH // 1000
        return ("Carbon %d.%02d kg" % (grams // 1000, grams % 1000 // 10),)
