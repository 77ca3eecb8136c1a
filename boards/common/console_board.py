# What boards with a console and MicroPython's `machine` share, whatever the chip.

import machine
import sys
import time

from hanbootloader import board
from hanbootloader.compat import const

_FLUSH_MS = const(50)  # for the last reply to leave


class ConsoleBoard(board.Board):
    def idle(self, duration_ms):
        time.sleep_ms(duration_ms)

    # A picture is a rule and a line for each of its own.
    def display(self, lines):
        self.console.write(b"+--\n")
        for line in lines:
            self.console.write(b"| " + line.encode() + b"\n")

    def report(self, error):
        sys.print_exception(error)

    def reset(self):
        time.sleep_ms(_FLUSH_MS)
        machine.reset()
