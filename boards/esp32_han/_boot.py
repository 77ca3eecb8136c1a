# The first Python to run, before anything could be imported from anywhere: only frozen code is
# found from here on. Nothing is mounted at /, so there is no boot.py to follow.

import sys
import vfs

# what mp_init mounted by itself, if the mapped partition begins as a ROMFS, is an application at
# most, and none that was verified
try:
    vfs.umount("/rom")
except OSError:
    pass
sys.path[:] = [".frozen"]

# from this import on the watchdog runs: whatever stands still ends in a reset
import board  # noqa: E402, F401
