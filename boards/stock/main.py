# hanboot, put here by `hanboot board deploy`. Remove this file to have the board to yourself again.

import gc
import sys

# Modules are read into the heap here. Collected often, it stays in one piece: what is left at the
# end is as good as its size.
gc.threshold(16384)

_path = sys.path[:]
sys.path[:] = [".frozen", "/hanboot"]

import chip  # noqa: E402

from board import Board  # noqa: E402
from hanbootloader import boot  # noqa: E402

try:
    boot.run(Board())
except BaseException as error:
    sys.print_exception(error)
    # for the prompt that comes now
    sys.path[:] = _path
    chip.keep_alive()
