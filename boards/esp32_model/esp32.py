# The module `esp32` of MicroPython 1.25 for the ESP32, as far as hanboot uses it: class Partition
# over the flash of the virtual board, with nor.py or nor_faults.py beneath it.
#
# What it does, byte by byte, and where that is known from:
#   - arguments and what is raised before the flash is asked: ports/esp32/esp32_partition.c
#   - ranges, and the errors they give: ESP-IDF 5.2, esp_partition/partition_target.c
#   - rows of the partition table: ESP-IDF, esp_partition/partition.c, and
#     docs.espressif.com, 'Partition Tables'
# `hanboot board selfcheck` asks a board and this model the same questions and prints the answers.
#
# Not modelled, and refused where it would matter: over-the-air app partitions (otadata), encrypted
# partitions, and the time that flash takes.

import struct

SECTOR_BYTES = 4096
_PAGE_BYTES = 256  # esp_flash_write programs page by page

_TABLE_AT = 0x8000
_TABLE_BYTES = 0xC00
_ROW = "<HBBII16sI"
_ROW_BYTES = 32
_ROW_MAGIC = 0x50AA
_TYPE_APP = 0
_TYPE_DATA = 1
_SUBTYPE_FACTORY = 0
_SUBTYPE_OTA_DATA = 0
_SUBTYPE_ANY = 0xFF
_IMAGE_MAGIC = 0xE9  # first byte of an app image

# esp_err_t of ESP-IDF, which MicroPython raises as a negative errno
_ESP_ERR_INVALID_ARG = 0x102
_ESP_ERR_INVALID_SIZE = 0x104
_ESP_ERR_NOT_FOUND = 0x105
_ESP_ERR_OTA_VALIDATE_FAILED = 0x1503
_ENOENT = 2
_EINVAL = 22


# One row of the partition table.
class _Row:
    def __init__(self, kind, subtype, address, size, label):
        self.kind = kind
        self.subtype = subtype
        self.address = address
        self.size = size
        self.label = label


# The chip: its flash, and the table that its second-stage bootloader found there.
class _Chip:
    flash = None
    rows = ()


# Partitions of `flash` (NorFlash, or FaultyFlash) from here on, by the table in it.
# Raises ValueError where there is no table, or one that is not modelled.
def attach(flash):
    rows = _read_table(flash)
    if not rows:
        raise ValueError("no partition table at 0x%x" % _TABLE_AT)
    if any([row.kind == _TYPE_DATA and row.subtype == _SUBTYPE_OTA_DATA for row in rows]):
        raise ValueError("a table with otadata is not modelled")
    # as MicroPython's driver programs: bits AND, and ones over zeros are no error
    flash.is_strict = False
    _Chip.flash, _Chip.rows = flash, rows


def _read_table(flash):
    rows = []
    table = bytes(flash.view(_TABLE_AT, _TABLE_AT + _TABLE_BYTES))
    for at in range(0, _TABLE_BYTES, _ROW_BYTES):
        magic, kind, subtype, address, size, label, _ = struct.unpack_from(_ROW, table, at)
        # the row with the MD5, or what is erased, ends it
        if magic != _ROW_MAGIC:
            break
        end = label.find(b"\0")
        text = label[: end if end >= 0 else 16].decode()
        rows.append(_Row(kind, subtype, address, size, text))
    return rows


def _error(code):
    return OSError(-code)


def _running():
    for row in _Chip.rows:
        if row.kind == _TYPE_APP and row.subtype == _SUBTYPE_FACTORY:
            return row
    return None


def _labelled(label):
    for kind in (_TYPE_APP, _TYPE_DATA):
        for row in _Chip.rows:
            if row.kind == kind and row.label == label:
                return row
    return None


class Partition:
    BOOT = 0
    RUNNING = 1
    TYPE_APP = _TYPE_APP
    TYPE_DATA = _TYPE_DATA

    # id: a label, BOOT or RUNNING
    def __init__(self, id, block_size=SECTOR_BYTES):
        if isinstance(id, _Row):
            row = id
        elif isinstance(id, str):
            row = _labelled(id)
        elif id == self.BOOT:
            row = None  # there is no otadata
        elif id == self.RUNNING:
            row = _running()
        else:
            raise ValueError
        if row is None:
            raise OSError(_ENOENT)
        self._row = row
        self._flash = _Chip.flash
        self._block_bytes = block_size

    # A data partition of `flash`, without a table that names it.
    @classmethod
    def place(cls, flash, label, address, size):
        partition = cls(_Row(_TYPE_DATA, _SUBTYPE_ANY, address, size, label))
        partition._flash = flash
        return partition

    @staticmethod
    def find(type=_TYPE_APP, subtype=_SUBTYPE_ANY, label=None, block_size=SECTOR_BYTES):
        return [
            Partition(row, block_size)
            for row in _Chip.rows
            if row.kind == type
            and subtype in (_SUBTYPE_ANY, row.subtype)
            and label in (None, row.label)
        ]

    def info(self):
        row = self._row
        return row.kind, row.subtype, row.address, row.size, row.label, False

    def __repr__(self):
        return (
            "<Partition type=%d, subtype=%d, address=%d, size=%d, label=%s, encrypted=%d>"
            % self.info()
        )

    # --- block device

    def readblocks(self, block, buffer, within=0):
        target = memoryview(buffer)
        start = self._start(block, within, len(target))
        target[:] = self._flash.view(start, start + len(target))[:]

    # Without `within` it erases first.
    def writeblocks(self, block, buffer, within=None):
        octets = memoryview(buffer)
        if within is None:
            if self._block_bytes < SECTOR_BYTES:
                self._rewrite(block * self._block_bytes, octets)
                return
            self._erase(block * self._block_bytes, len(octets))
        self._program(self._start(block, within or 0, len(octets)), octets)

    def ioctl(self, operation, argument):
        if operation in (1, 2, 3):
            return 0
        if operation == 4:
            return self._row.size // self._block_bytes
        if operation == 5:
            return self._block_bytes
        if operation == 6:
            if self._block_bytes != SECTOR_BYTES:
                return -_EINVAL
            self._erase(argument * SECTOR_BYTES, SECTOR_BYTES)
            return 0
        return None

    # Where in flash a range of this partition begins: block and offset are added as 32-bit numbers.
    def _start(self, block, within, length):
        offset = (block * self._block_bytes + within) & 0xFFFFFFFF
        if offset > self._row.size:
            raise _error(_ESP_ERR_INVALID_ARG)
        if (offset + length) & 0xFFFFFFFF > self._row.size:
            raise _error(_ESP_ERR_INVALID_SIZE)
        return self._row.address + offset

    def _erase(self, offset, length):
        start = self._start(0, offset, length)
        if length % SECTOR_BYTES:
            raise _error(_ESP_ERR_INVALID_SIZE)
        if offset % SECTOR_BYTES:
            raise _error(_ESP_ERR_INVALID_ARG)
        for sector in range(start // SECTOR_BYTES, (start + length) // SECTOR_BYTES):
            self._flash.erase(sector)

    # Blocks shorter than a sector: reads the sectors around them, erases, programs them anew.
    def _rewrite(self, offset, octets):
        first = offset // SECTOR_BYTES * SECTOR_BYTES
        end = -(-(offset + len(octets)) // SECTOR_BYTES) * SECTOR_BYTES
        start = self._start(0, first, end - first)
        whole = bytearray(self._flash.view(start, start + end - first)[:])
        whole[offset - first : offset - first + len(octets)] = octets
        self._erase(first, end - first)
        self._program(start, memoryview(whole))

    # Page by page; bytes around the piece are programmed as FF, which leaves them as they are.
    def _program(self, start, octets):
        at = 0
        while at < len(octets):
            within = (start + at) % _PAGE_BYTES
            piece = octets[at : at + _PAGE_BYTES - within]
            page = piece
            if len(piece) < _PAGE_BYTES:
                page = bytearray(b"\xff" * _PAGE_BYTES)
                page[within : within + len(piece)] = piece
            self._flash.program(start + at - within, page)
            at += len(piece)

    # --- apps

    def set_boot(self):
        if self._flash.view(self._row.address, self._row.address + 1)[0] != _IMAGE_MAGIC:
            raise _error(_ESP_ERR_OTA_VALIDATE_FAILED)
        raise _error(_ESP_ERR_NOT_FOUND)  # of otadata

    def get_next_update(self):
        raise OSError(_ENOENT)

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        raise _error(_ESP_ERR_NOT_FOUND)
