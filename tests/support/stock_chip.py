# A chip with stock MicroPython, as a process of the unix port: flash in a file, a littlefs at /,
# main.py at the start, and then a prompt. (The unix port has no raw prompt of its own.)
#
#   micropython stock_chip.py FLASH other         some chip, all of its flash one file system
#   micropython stock_chip.py FLASH esp32 CAUSE   an ESP32 by the partition table in FLASH

import io
import os
import sys
import vfs

from mapped import RESET_EXIT, libc, mapped
from nor import SECTOR_BYTES, NorFlash, Partition

BOOTLOADER_EXIT = 65

_WATCHDOG_S = 5  # tests wait for it three times

_leave = libc.func("v", "_exit", "i")


class Machine:
    def unique_id():
        return bytes.fromhex("e6613852832f1a2b")

    def reset():
        _leave(RESET_EXIT)

    def bootloader():
        _leave(BOOTLOADER_EXIT)


def flash_of(path):
    return NorFlash(mapped(path, os.stat(path)[6]))


# An ESP32; returns its partition for files.
def be_esp32(path, cause):
    import esp32
    import machine

    esp32.attach(flash_of(path))
    machine.attach(bytes.fromhex("a4e57c0102ff"), cause, path, _WATCHDOG_S)
    return esp32.Partition("vfs")


# Another chip; returns all of its flash.
def be_other(path):
    sys.modules["machine"] = Machine
    flash = flash_of(path)
    return Partition(flash, 0, len(flash.cells) // SECTOR_BYTES)


def mount(partition):
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


if sys.argv[2] == "esp32":
    mount(be_esp32(sys.argv[1], sys.argv[3]))
else:
    mount(be_other(sys.argv[1]))
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
