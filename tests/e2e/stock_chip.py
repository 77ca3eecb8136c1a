# A chip with stock MicroPython, as a process of the unix port: flash in a file, a littlefs at /,
# main.py at the start, and then a prompt. (The unix port has no raw prompt of its own.)
#
#   micropython stock_chip.py FLASH BYTES

import io
import os
import sys
import vfs

from mapped import libc, mapped
from nor import SECTOR_BYTES, NorFlash, Partition

RESET_EXIT = 64
BOOTLOADER_EXIT = 65

_leave = libc.func("v", "_exit", "i")


class Machine:
    def unique_id():
        return bytes.fromhex("e6613852832f1a2b")

    def reset():
        _leave(RESET_EXIT)

    def bootloader():
        _leave(BOOTLOADER_EXIT)


def mount(path, length):
    partition = Partition(NorFlash(mapped(path, length)), 0, length // SECTOR_BYTES)
    try:
        files = vfs.VfsLfs2(partition, progsize=256)
    except OSError:
        vfs.VfsLfs2.mkfs(partition, progsize=256)
        files = vfs.VfsLfs2(partition, progsize=256)
    vfs.umount("/")
    vfs.mount(files, "/")


def write(octets):
    sys.stdout.buffer.write(octets)


def read():
    while True:
        try:
            octet = sys.stdin.buffer.read(1)
        except KeyboardInterrupt:
            continue
        if not octet:
            _leave(0)
        return octet


def run(code, names):
    write(b"OK")
    error = io.StringIO()
    try:
        exec(code, names)
    except BaseException as raised:
        sys.print_exception(raised, error)
    write(b"\x04" + error.getvalue().encode() + b"\x04>")


def prompt():
    names = {"__name__": "__main__"}
    code = None  # no raw prompt
    write(b"\r\n>>> ")
    while True:
        octet = read()
        if octet == b"\x01":
            code = b""
            write(b"raw REPL; CTRL-B to exit\r\n>")
        elif octet == b"\x02":
            code = None
            write(b"\r\n>>> ")
        elif code is None:
            pass
        elif octet == b"\x05":
            read(), read()
            write(b"R\x00")  # raw paste is known, and not to be had
        elif octet == b"\x04":
            run(code, names)
            code = b""
        else:
            code += octet


mount(sys.argv[1], int(sys.argv[2]))
sys.modules["machine"] = Machine
sys.path[:] = ["", ".frozen", "/lib"]
for name in ("mapped", "nor"):
    del sys.modules[name]
if "main.py" in os.listdir("/"):
    try:
        with open("/main.py") as _file:
            exec(_file.read(), {"__name__": "__main__"})
    except BaseException as error:
        sys.print_exception(error)
while True:
    try:
        prompt()
    except KeyboardInterrupt:
        pass  # it came between two octets
