# Runs once USB has started, and never returns in a product: an error resets the board.

import sys

import rp2040_chip
from board import DEVELOPMENT, Board
from hanbootloader import boot

try:
    boot.run(Board())
except BaseException as error:
    sys.print_exception(error)
    if DEVELOPMENT:
        rp2040_chip.keep_alive()
