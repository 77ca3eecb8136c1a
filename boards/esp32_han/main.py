# Runs after _boot.py, and never returns in a product: an error resets the board.

import sys

import esp32_chip
from board import DEVELOPMENT, Board
from hanbootloader import boot

try:
    boot.run(Board())
except BaseException as error:
    sys.print_exception(error)
    if DEVELOPMENT:
        esp32_chip.keep_alive()
