# The network's time (ZCL Time cluster 0x000A), as far as a device can rely on it.
#
# The hub is not authenticated and a device here has no clock that runs without power. So the time
# runs by the device's own ticks, and a reading only corrects it by so much:
#
#   within JUMP_S of the own clock          taken
#   further away                            taken once AGREEING readings in a row agree, and then
#                                           `leaps` counts it: what waited for a date between is not
#                                           executed (activation.py)
#   the first after a restart               the same, measured from the time kept in flash; up to
#                                           RESTART_S above it is no leap: power may have been off
#   the first ever                          taken: there is nothing to compare it with
#
# None of these bounds is in a public source.

from hanbootloader.compat import const

# fmt: off
JUMP_S    = const(600)
RESTART_S = const(86_400)
AGREEING  = const(3)
READ_S    = const(900)    # between two readings
RETRY_S   = const(60)     # while there is no time, or readings disagree

_INVALID  = 0xFFFFFFFF    # ZCL8 10.2.2.2.1: the server does not know it
# fmt: on


class NetworkTime:
    # kept: seconds since 2000-01-01 that were known before the restart; None if none were
    def __init__(self, kept: "int | None") -> None:
        self._kept = kept
        self._base: "int | None" = None  # seconds at _base_ms
        self._base_ms = 0
        self._candidate = 0
        self._candidate_ms = 0
        self._agreeing = 0
        self.leaps = 0  # how often the time was set further than running explains

    # Seconds since 2000-01-01 00:00 UTC; None while they are not known.
    def seconds(self, now_ms: int) -> "int | None":
        if self._base is None:
            return None
        return self._base + (now_ms - self._base_ms) // 1000

    # Seconds from now to the next reading.
    @property
    def interval_s(self) -> int:
        return RETRY_S if self._base is None or self._agreeing else READ_S

    # The hub's time, as read at now_ms.
    def read(self, seconds: int, now_ms: int) -> None:
        if not 0 < seconds < _INVALID:
            return
        if self._is_plausible(seconds, now_ms):
            self._set(seconds, now_ms)
            return
        expected = self._candidate + (now_ms - self._candidate_ms) // 1000
        is_agreeing = self._agreeing and abs(seconds - expected) <= JUMP_S
        self._agreeing = self._agreeing + 1 if is_agreeing else 1
        self._candidate, self._candidate_ms = seconds, now_ms
        if self._agreeing >= AGREEING:
            self.leaps += 1
            self._set(seconds, now_ms)

    def _is_plausible(self, seconds: int, now_ms: int) -> bool:
        own = self.seconds(now_ms)
        if own is not None:
            return abs(seconds - own) <= JUMP_S
        if self._kept is None:
            return True
        return self._kept - JUMP_S <= seconds <= self._kept + RESTART_S

    def _set(self, seconds: int, now_ms: int) -> None:
        self._base, self._base_ms = seconds, now_ms
        self._agreeing = 0
