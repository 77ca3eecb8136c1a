# micropython main.py CODE FLASH ROLE SERIAL CAUSE TRIAL_MS IS_CUT MODEL, as the supervisor starts
# it.
#
# CODE is the ROMFS with everything that is frozen on a real board; this file only mounts it.

import os
import sys
import vfs
from binascii import unhexlify

from mapped import mapped

code, path, role, serial, cause, trial_ms, is_cut, model = sys.argv[1:]
vfs.mount(vfs.VfsRom(memoryview(mapped(code, os.stat(code)[6]))), "/device")
# nothing but the device's own code may be imported
sys.path[:] = ["/device", ".frozen"]

from board import Board  # noqa: E402
from hanbootloader import boot  # noqa: E402

boot.run(Board(path, role, unhexlify(serial), cause, int(trial_ms), is_cut == "1", model))
