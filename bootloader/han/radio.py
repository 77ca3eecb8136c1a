# Frames as a radio (board.Radio) carries them: what they are at most, and addresses.

from hanbootloader.compat import const

# fmt: off
FRAME_MOST_BYTES = const(256)  # longest ZCL frame; the longest firmware message with MAC has 182
EUI64_BYTES      = const(8)
# fmt: on

BROADCAST = b"\xff" * 8
