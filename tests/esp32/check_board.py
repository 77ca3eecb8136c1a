# MicroPython: check_board.py FLASH KIND. Prints what is missing or wrong of the board, a line each.

import sys

from begin import begin

begin(sys.argv[1], sys.argv[2], "ppmid", bytes.fromhex("0200defffeadbeef"), "power")

import board_check  # noqa: E402
from board import Board  # noqa: E402

board = Board()
for fault in board_check.faults_of(board):
    print("fault:", fault)
print(board.tier, board.serial.hex(), board.line_bytes, board.hung)
