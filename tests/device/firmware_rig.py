# What the tests of the example applications stand on: a release put together as the build tool
# does it, a data region (on MicroPython a littlefs in RAM), power that can be cut, and stand-ins
# for the bootloader's services and for the meter.

import asyncio
import os
import sys
import unittest

try:
    import vfs
except ImportError:
    vfs = None
    import shutil
    import tempfile

FIRMWARE = __file__[: -len("firmware_rig.py")] + "../../firmware/"


# ---- a release, as the build tool puts it together


def source_folders(release):
    folder = FIRMWARE + release + "/"
    with open(folder + "RELEASE.toml") as file:
        for line in file:
            if line.startswith("sources"):
                return [folder + source for source in line.split('"')[1::2]]
    raise ValueError(release)


# Imports an application's modules anew, whatever release was there before.
class Release:
    def __init__(self, release):
        self._path = sys.path[:]
        sys.path[:] = source_folders(release) + sys.path
        self._forget()

    def __getattr__(self, name):
        return __import__(name)

    def _forget(self):
        for folder in sys.path[: len(sys.path) - len(self._path)]:
            for name in os.listdir(folder):
                sys.modules.pop(name.split(".")[0], None)

    def close(self):
        self._forget()
        sys.path[:] = self._path


# ---- a data region


# What littlefs stands on. A power cut is a copy of the flash as it is at that instant, half-way
# through an operation; the code above runs on, unaware, on flash that no longer matters.
class RamFlash:
    BLOCK_BYTES = 512
    BLOCKS = 32

    def __init__(self):
        self._octets = bytearray(b"\xff" * (self.BLOCK_BYTES * self.BLOCKS))
        self.cut_after(-1)

    # -1: never
    def cut_after(self, operations):
        self._left = operations
        self._at_cut = None

    def is_cut(self):
        return self._at_cut is not None

    # power is back: the flash is as it was when it went
    def restore(self):
        if self._at_cut is not None:
            self._octets[:] = self._at_cut
        self.cut_after(-1)

    def _program(self, start, octets):
        if self._left == 0:
            half = len(octets) // 2
            self._at_cut = self._octets[:]
            self._at_cut[start : start + half] = octets[:half]
        self._left -= 1
        self._octets[start : start + len(octets)] = octets

    def readblocks(self, block, buffer, offset=0):
        start = block * self.BLOCK_BYTES + offset
        buffer[:] = memoryview(self._octets)[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        self._program(block * self.BLOCK_BYTES + offset, buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.BLOCKS
        if operation == 5:
            return self.BLOCK_BYTES
        if operation == 6:
            self._program(argument * self.BLOCK_BYTES, b"\xff" * self.BLOCK_BYTES)
        return 0


class DataRegion:
    def __init__(self):
        if vfs is None:
            self.folder = tempfile.mkdtemp()
            return
        self.folder = "/data"
        self.flash = RamFlash()
        vfs.VfsLfs2.mkfs(self.flash)
        vfs.mount(vfs.VfsLfs2(self.flash), self.folder)

    # as at a start
    def remount(self):
        vfs.umount(self.folder)
        self.flash.restore()
        vfs.mount(vfs.VfsLfs2(self.flash), self.folder)

    def names(self):
        return sorted(os.listdir(self.folder))

    def read(self, name):
        with open(self.folder + "/" + name, "rb") as file:
            return file.read()

    def write(self, name, octets):
        with open(self.folder + "/" + name, "wb") as file:
            file.write(octets)

    def clear(self):
        for name in os.listdir(self.folder):
            os.remove(self.folder + "/" + name)

    def close(self):
        if vfs is None:
            shutil.rmtree(self.folder)
        else:
            vfs.umount(self.folder)


# ---- power cuts between file operations


class PowerCut(Exception):
    pass


# Stands in for `os` and `open` of the module records: after so many operations, power is gone. A
# write that is cut leaves half of its octets, which is more than littlefs would leave.
class Power:
    def __init__(self, operations):
        self.left = operations

    def spend(self):
        if self.left == 0:
            raise PowerCut
        self.left -= 1

    def open(self, path, mode):
        if "w" in mode:
            self.spend()
        return PoweredFile(self, open(path, mode))

    def rename(self, old, new):
        self.spend()
        os.rename(old, new)

    def remove(self, path):
        self.spend()
        os.remove(path)

    def stat(self, path):
        return os.stat(path)


class PoweredFile:
    def __init__(self, power, file):
        self._power = power
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def read(self, length):
        return self._file.read(length)

    def write(self, octets):
        try:
            self._power.spend()
        except PowerCut:
            self._file.write(octets[: len(octets) // 2])
            raise
        return self._file.write(octets)


# ---- what the bootloader hands to an application


class Verdict:
    def __init__(self, reason, accepts=(), minimum=0, offered=0x02000000, running=0x01000000):
        self.reason = reason
        self.offered_version = offered
        self.running_version = running
        self.accepts = accepts
        self.minimum_base_version = minimum


class Services:
    file_version = 0x01000000
    label = None

    def __init__(self, data, on_trial=False, power=None, flash=None):
        self.data = data
        self.on_trial = on_trial
        self.power = power
        self.flash = flash
        self.confirmations = 0
        self.typed = []
        self.said = []
        self.shown = []
        self.update_state = ("idle", 0, 0)
        self.last_verdict = None

    # durable at once or not at all, as the journal's record is
    def confirm(self):
        if self.power:
            self.power.spend()
        self.on_trial = False
        if not self.flash or not self.flash.is_cut():
            self.confirmations += 1

    def update(self):
        return self.update_state

    def verdict(self):
        return self.last_verdict

    def readline(self):
        return self.typed.pop(0) if self.typed else None

    def show(self, lines):
        self.shown.append(lines)

    def say(self, text):
        self.said.append(text)


# The plug was pulled: the end of a test.
class Unplugged(Exception):
    pass


# A meter of so many half-hours, then the plug is pulled. Before each, the other tasks have their
# turn often enough to answer what a test types, and to show it.
class Feed:
    _TURNS = 50

    def __init__(self, half_hours=0, day_half_hours=48, watt_hours=1000):
        self._left = half_hours
        self._day = day_half_hours
        self._watt_hours = watt_hours
        self._count = 0

    async def read(self):
        return 0

    async def next(self):
        for _ in range(self._TURNS):
            await asyncio.sleep(0)
        if self._count == self._left:
            raise Unplugged
        self._count += 1
        return self._count * self._watt_hours, self._count % self._day == 0


class SilentFeed:
    async def read(self):
        await asyncio.sleep(60)


# Runs a task and nothing left over from an earlier one: MicroPython's loop outlives asyncio.run.
def run_task(task):
    if vfs is not None:
        asyncio.new_event_loop()
    return asyncio.run(task)


def run(release, services, feed=None):
    release.appliance._POLL_S = 0
    try:
        run_task(release.app.main(services, feed or Feed()))
    except Unplugged:
        pass


def run_console(release, services, *typed):
    services.typed.extend(typed)
    run(release, services)
    return services.said


class FirmwareTest(unittest.TestCase):
    def setUp(self):
        self.region = DataRegion()
        self.release = None

    def tearDown(self):
        if self.release:
            self.release.close()
        self.region.close()

    def use(self, release):
        if self.release:
            self.release.close()
        self.release = Release(release)
        return self.release

    def services(self, **options):
        return Services(self.region.folder, **options)

    # a device on which 1.0.0 has kept this much
    def keep_format_1(self, amount):
        self.region.clear()
        self.use("ppmid/1.0.0").record1.Record1(self.region.folder).save((amount, 0))
