# A chip that hanboot knows nothing of: no watchdog is started, so an application that hangs stays.
# `hanboot board deploy` puts this on the board as `chip`.

import machine

LINE_BYTES = 0
LINE_PAUSE_MS = 0
HUNG = False


def serial():
    return (machine.unique_id() + bytes(8))[:8]


def feed():
    pass


def keep_alive():
    pass
