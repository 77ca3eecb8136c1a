# An ESP32 under MicroPython: its EUI-64, its watchdog, and whether that reset it last.
# `hanboot board deploy` puts this on the board as `chip`.

import machine

from hanbootloader.compat import const

# fmt: off
_WATCHDOG_MS = const(20000)  # the task watchdog takes any timeout; a start has to fit it
_FEED_MS     = const(1000)
_TIMER       = const(0)      # hardware timer; there are no others

# The console is UART0: its receive interrupt fills a ring of 260 bytes, of which 259 hold data, and
# drops what is too much (ports/esp32/mphalport.c, stdin_ringbuf). A task of the application may
# keep the loop from emptying it for so long.
LINE_BYTES    = 259
LINE_PAUSE_MS = 50
# fmt: on

# Asked once, before anything resets: a soft reset changes it.
HUNG = machine.reset_cause() == machine.WDT_RESET

_watchdog = None


# EUI-64 from the 6-byte MAC (IEEE, 'Guidelines for use of EUI').
def serial():
    mac = machine.unique_id()
    return mac[:3] + b"\xff\xfe" + mac[3:]


# Starts the watchdog, and keeps it from resetting from then on. It cannot be stopped; a second
# machine.WDT of an application's own sets another timeout.
def feed():
    global _watchdog
    if _watchdog is None:
        _watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    _watchdog.feed()


# For the prompt: nothing else feeds the watchdog there.
def keep_alive():
    if _watchdog is not None:
        machine.Timer(_TIMER, period=_FEED_MS, callback=lambda timer: _watchdog.feed())
