# The module `machine` of an ESP32, as far as hanboot uses it, for a process of the unix port: the
# supervisor ends one that does not feed its watchdog, and a reset ends the process with a code that
# says which.

from mapped import RESET_EXIT, Watchdog, libc

# ports/esp32/modmachine.c; what the supervisor says of the last end
PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3

_MAC_BYTES = 6

_leave = libc.func("v", "_exit", "i")


class _Chip:
    mac = bytes(_MAC_BYTES)
    cause = PWRON_RESET
    watchdog = None
    watchdog_most_s = 60


# cause: "power", "reset", "watchdog" or "crash", which a panic is: HARD_RESET
# path: of the flash file
# watchdog_most_s: for who cannot wait as long as the watchdog is set to
def attach(mac, cause, path, watchdog_most_s=60):
    _Chip.mac = mac
    _Chip.watchdog = Watchdog(path)
    _Chip.watchdog_most_s = watchdog_most_s
    _Chip.cause = {"power": PWRON_RESET, "watchdog": WDT_RESET}.get(cause, HARD_RESET)


def unique_id():
    return _Chip.mac


def reset_cause():
    return _Chip.cause


def reset():
    _leave(RESET_EXIT)


class WDT:
    # A second one sets another timeout. Whole seconds are counted.
    def __init__(self, id=0, timeout=5000):
        self._seconds = min(_Chip.watchdog_most_s, max(1, -(-timeout // 1000)))
        self.feed()

    def feed(self):
        _Chip.watchdog.feed(self._seconds)


# Timers that were started. A process has no interrupts: the callback is called once, and the
# watchdog is put off for good.
timers = 0


class Timer:
    def __init__(self, id, period, callback):
        global timers
        timers += 1
        callback(self)
        _Chip.watchdog.feed(0)
