# An RP2040 under MicroPython: its serial number, its watchdog, and whether that reset it last.
# `hanboot board deploy` puts this on the board as `chip`.

import machine

from hanbootloader.compat import const

# fmt: off
_WATCHDOG_MS  = const(8300)         # 8388 ms at most (RP2040 datasheet 4.7)
_FEED_MS      = const(1000)
_REASON       = const(0x40058008)   # WATCHDOG: REASON (RP2040 datasheet 4.7.6)
_REASON_TIMER = const(0x01)         # it ran out; FORCE is a reset that software asked for
_SCRATCH4     = const(0x4005801C)   # WATCHDOG: SCRATCH4
_MAGIC        = 0x6AB73121          # there if the watchdog was to guard, not to reboot

# USB holds back what the board does not take: nothing is lost.
LINE_BYTES    = 0
LINE_PAUSE_MS = 0
# fmt: on

# machine.reset_cause() says watchdog for every reset but that of the supply. Read before the
# watchdog is started, which leaves the magic.
HUNG = bool(machine.mem32[_REASON] & _REASON_TIMER) and machine.mem32[_SCRATCH4] == _MAGIC

_watchdog = None


# The number of its flash, 8 bytes.
def serial():
    return machine.unique_id()


# Starts the watchdog, and keeps it from resetting from then on.
def feed():
    global _watchdog
    if _watchdog is None:
        _watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    _watchdog.feed()


# For the prompt: nothing else feeds the watchdog there.
def keep_alive():
    if _watchdog is not None:
        machine.Timer(period=_FEED_MS, callback=lambda timer: _watchdog.feed())
