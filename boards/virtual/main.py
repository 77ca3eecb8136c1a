# micropython main.py FLASH ROLE SERIAL CAUSE TRIAL_MS, as the supervisor starts it.

import sys
from binascii import unhexlify

from board import Board
from bootloader import boot

path, role, serial, cause, trial_ms = sys.argv[1:]
boot.run(Board(path, role, unhexlify(serial), cause, int(trial_ms)))
