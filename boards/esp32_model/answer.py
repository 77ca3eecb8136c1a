# micropython answer.py FLASH: prints what the model answers to questions.py, as a literal.

import esp32
import machine
import os
import sys
import vfs

from mapped import mapped
from nor import NorFlash

esp32.attach(NorFlash(mapped(sys.argv[1], os.stat(sys.argv[1])[6])))
machine.attach(bytes.fromhex("0200deadbeef"), "power", sys.argv[1])


# `vfs` as stock builds for this chip have it
class _Vfs:
    VfsLfs2 = vfs.VfsLfs2


sys.modules["vfs"] = _Vfs

import questions  # noqa: E402

print(repr(questions.answers()))
