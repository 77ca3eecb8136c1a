# What stands in for flash and file systems on a board with stock MicroPython (boards/stock).

import os
import random
import unittest

from flash_files import FileRegion, Held
from flash_view import View
from folder import Folder
from hanbootloader.store.flash import Region
from nor import PAGE_BYTES, SECTOR_BYTES, NorFlash, Partition
from rom_files import RomFiles

SECTORS = 4


def scratch():
    number = int.from_bytes(os.urandom(6), "big")
    folder = "/tmp/hanboot-%d" % number
    os.mkdir(folder)
    return folder


def exists(path):
    try:
        return bool(os.stat(path))
    except OSError:
        return False


class FilesTest(unittest.TestCase):
    def setUp(self):
        self.folder = scratch()

    def tearDown(self):
        held = Held()
        for name in ("slot", "journal"):
            if exists(self.folder + "/" + name):
                region = self.region(held, name)
                for sector in range(SECTORS):
                    region.ioctl(6, sector)
                os.rmdir(self.folder + "/" + name)
        os.rmdir(self.folder)

    def region(self, held, name="slot", through=False):
        return FileRegion(held, self.folder + "/" + name, SECTORS, through)

    def octets(self, held, name="slot"):
        region = self.region(held, name)
        found = bytearray(SECTORS * SECTOR_BYTES)
        View(region, 0, len(region)).read_into(0, found)
        return found

    # whatever is done to it, it holds what NOR flash would hold
    def test_like_nor(self):
        chance = random
        chance.seed(5)
        held = Held()
        files = self.region(held)
        chip = NorFlash(bytearray(b"\xff" * (SECTORS * SECTOR_BYTES)))
        model = Partition(chip, 0, SECTORS)
        for _ in range(200):
            sector = chance.getrandbits(2)
            page = chance.getrandbits(4) * PAGE_BYTES
            if chance.getrandbits(3) == 0:
                files.ioctl(6, sector)
                model.ioctl(6, sector)
            else:
                # clears bits of what is there, as the caller of real flash has to
                there = model.view[sector * SECTOR_BYTES + page :][:PAGE_BYTES]
                mask = chance.getrandbits(8)
                octets = bytes([octet & mask for octet in there])
                files.writeblocks(sector, octets, page)
                model.writeblocks(sector, octets, page)
        self.assertEqual(bytes(self.octets(held)), bytes(chip.cells))
        held.flush()
        self.assertEqual(bytes(self.octets(Held())), bytes(chip.cells))

    def test_programming_sets_no_bit(self):
        files = self.region(Held())
        files.writeblocks(0, b"\x0f" * PAGE_BYTES, 0)
        files.writeblocks(0, b"\xf3" * PAGE_BYTES, 0)
        self.assertEqual(files.sector(0)[0], 0x03)
        # without an offset it is erased first
        files.writeblocks(0, b"\xf3" * SECTOR_BYTES)
        self.assertEqual(files.sector(0)[0], 0xF3)

    # what the power leaves: a new `Held` on the same files
    def test_written_through_at_once(self):
        held = Held()
        journal, slot = self.region(held, "journal", True), self.region(held)
        journal.writeblocks(1, b"\x11" * PAGE_BYTES, 0)
        self.assertEqual(self.octets(Held(), "journal")[SECTOR_BYTES], 0x11)
        slot.writeblocks(0, b"\x22" * PAGE_BYTES, 0)
        self.assertEqual(self.octets(Held())[0], 0xFF)
        # before the journal tells of it, it is there
        journal.writeblocks(1, b"\x33" * PAGE_BYTES, PAGE_BYTES)
        self.assertEqual(self.octets(Held())[0], 0x22)

    def test_erased_sectors_have_no_file(self):
        held = Held()
        files = self.region(held)
        files.writeblocks(2, b"\0" * PAGE_BYTES, 2 * PAGE_BYTES)
        held.flush()
        self.assertEqual(os.listdir(self.folder + "/slot"), ["2"])
        self.assertEqual(os.stat(self.folder + "/slot/2")[6], 3 * PAGE_BYTES)
        files.ioctl(6, 2)
        self.assertEqual(os.listdir(self.folder + "/slot"), [])
        self.assertEqual(bytes(files.sector(2)), b"\xff" * SECTOR_BYTES)

    def test_slices(self):
        files = self.region(Held())
        for sector in range(SECTORS):
            for page in range(0, SECTOR_BYTES, PAGE_BYTES):
                octets = bytes([sector * 16 + page // PAGE_BYTES]) * PAGE_BYTES
                files.writeblocks(sector, octets, page)
        whole = View(files, 0, len(files))
        flat = bytes(self.octets(files._held))
        edges = (0, 1, 255, 256, 4095, 4096, 4097, 8191, 8192, 8193, 16383, 16384, 20000)
        for start in edges:
            for end in edges:
                found = whole[start:end]
                self.assertEqual(len(found), len(flat[start:end]))
                if isinstance(found, View):
                    self.assertTrue(end - start > 4096)
                    self.assertEqual(bytes(found[3:300]), flat[start + 3 : start + 300])
                else:
                    self.assertEqual(bytes(found), flat[start:end])
        self.assertEqual(bytes(whole[:10]), flat[:10])
        self.assertEqual(bytes(whole[16000:]), flat[16000:])
        self.assertEqual(whole[5000], flat[5000])
        self.assertRaises(IndexError, lambda: whole[len(flat)])

    def test_out_of_range(self):
        files = self.region(Held())
        page = b"\0" * PAGE_BYTES
        self.assertRaises(OSError, files.writeblocks, SECTORS, page, 0)
        self.assertRaises(OSError, files.writeblocks, -1, page, 0)
        self.assertRaises(OSError, files.writeblocks, 0, page, SECTOR_BYTES - 1)
        self.assertRaises(OSError, files.ioctl, 6, SECTORS)

    def test_as_the_store_sees_it(self):
        files = self.region(Held())
        region = Region(files, View(files, 0, len(files)))
        region.erase(1)
        region.program(SECTOR_BYTES + 10, b"hanboot" * 100)
        self.assertEqual(bytes(region.view[SECTOR_BYTES + 10 :][:7]), b"hanboot")
        self.assertFalse(region.is_erased(SECTOR_BYTES, 2 * SECTOR_BYTES))
        region.erase(1)
        self.assertTrue(region.is_erased(0, region.size))


def uint(value):
    octets = [value & 0x7F]
    value >>= 7
    while value:
        octets.insert(0, 0x80 | value & 0x7F)
        value >>= 7
    return bytes(octets)


def record(kind, payload):
    return uint(kind) + uint(len(payload)) + payload


def file(name, content):
    return record(5, uint(len(name)) + name + record(2, content))


LONG = bytes(range(256)) * 40
INNER = uint(3) + b"sub" + file(b"b.mpy", LONG)
# 0x14A6B1 is the header's D2 CD 31 as an integer; a record of padding is passed over
IMAGE = record(0x14A6B1, record(1, b"..") + file(b"a.txt", b"text") + record(4, INNER))


class RomFilesTest(unittest.TestCase):
    def setUp(self):
        self.files = RomFiles(memoryview(IMAGE))

    def test_the_header_is_romfs_s(self):
        self.assertEqual(IMAGE[:3], b"\xd2\xcd\x31")

    def test_reads(self):
        self.assertEqual(self.files.open("/a.txt", "r").read(), "text")
        self.assertEqual(self.files.open("a.txt", "rb").read(), b"text")
        self.assertEqual(self.files.open("/sub/b.mpy", "rb").read(), LONG)

    def test_stat(self):
        self.assertEqual(self.files.stat("/a.txt")[0], 0x8000)
        self.assertEqual(self.files.stat("/sub/b.mpy")[6], len(LONG))
        for folder in ("/", "", "/sub", "sub/"):
            self.assertEqual(self.files.stat(folder)[0], 0x4000)
        self.assertRaises(OSError, self.files.stat, "/b.mpy")

    def test_nothing_is_written(self):
        for mode in ("w", "a", "r+", "wb"):
            self.assertRaises(OSError, self.files.open, "/a.txt", mode)
        self.assertRaises(OSError, self.files.open, "/sub", "r")
        self.assertRaises(OSError, self.files.open, "/none", "r")


class FolderTest(unittest.TestCase):
    def setUp(self):
        self.base = scratch()

    def tearDown(self):
        Folder.mkfs(self.base)
        os.rmdir(self.base)

    def test_made_anew(self):
        path = self.base + "/data"
        self.assertRaises(OSError, Folder, path)
        Folder.mkfs(path, progsize=256)
        Folder(path, progsize=256).mkdir("/sub")
        self.assertEqual(os.listdir(path), ["sub"])
        self.assertTrue(exists(path + "/sub"))

    def test_no_way_out(self):
        data = Folder(self.base)
        with data.open("/../../../note", "w") as note:
            note.write("x")
        self.assertEqual(os.listdir(self.base), ["note"])
        data.rename("/note", "/other")
        self.assertEqual(data.stat("other")[6], 1)
        data.remove("./other")
        self.assertEqual(os.listdir(self.base), [])


if __name__ == "__main__":
    unittest.main()
