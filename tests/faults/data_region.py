# The first start of an application formats the data region: with littlefs, so on MicroPython.
# Every operation of that fails in every way, is tried again at the next start, and in the end there
# is a file system that keeps what is written; from the first confirmation on it is never formatted
# again.
#
# A line of JSON says how many cases there were, how many fired, and what does not hold.

import json
import os
import vfs

import flows
import images
import signatures
from faultboard import FaultBoard

from bootloader import start
from bootloader.reasons import TRIAL_NOT_STARTED
from bootloader.store import ledger
from nor import SECTOR_BYTES
from nor_faults import ERASE_KINDS, PROGRAM_KINDS, Fault, PowerCut

_MAP = {"anchors": (0, 15), "journal": (15, 4), "slot0": (19, 1), "slot1": (20, 1), "data": (21, 8)}
_OCTETS = b"kept " * 100
_DRAWS = 2
_STARTS = 6

violations = []


def must(case, holds, what):
    if not holds:
        violations.append([case, what])


# One start of the board, as far as the data region.
def mounted(board):
    board.data = board.flash.partition(*_MAP["data"])
    board.flash.restart()
    try:
        start._mount_data(board.device())
        os.stat("/data")
        return True
    except (PowerCut, OSError):
        # another start: the watchdog or the supply sees to that
        return False


def unmount():
    try:
        vfs.umount("/data")
    except OSError:
        pass


def begun(faults=()):
    board = FaultBoard(_MAP, _before, faults)
    board.flash.cells[21 * SECTOR_BYTES :] = b"\xff" * (8 * SECTOR_BYTES)
    return board


# The device as it is when its first application starts.
def prepare():
    board = FaultBoard(_MAP)
    flows.cells.provision(board.device().anchors)
    cells = bytearray(board.cells())
    cells.extend(b"\xff" * (7 * SECTOR_BYTES))
    return bytes(cells)


def operations():
    found = []
    board = begun()
    board.flash.watcher = lambda name, offset, changes: found.append(
        (name, offset >= 21 * SECTOR_BYTES, changes)
    )
    mounted(board)
    unmount()
    return [(at, name, changes) for at, (name, is_data, changes) in enumerate(found) if is_data]


def run(case, fault):
    board = begun((fault,))
    for _ in range(_STARTS):
        if mounted(board):
            break
        unmount()
    else:
        must(case, False, "the data region is mounted after some starts")
        return board.flash.fired
    try:
        with open("/data/file", "wb") as file:
            file.write(_OCTETS)
        unmount()
        must(case, mounted(board), "the data region is mounted again")
        with open("/data/file", "rb") as file:
            must(case, file.read() == _OCTETS, "what was written is there")
    except (OSError, PowerCut) as error:
        must(case, False, "the data region keeps a file: %r" % error)
    unmount()
    return board.flash.fired


# A first application that never came to a start is reverted: the next one still gets its region.
def reverted():
    board = begun()
    device = board.device()
    slot = ledger.Slot(ledger.PENDING, False, images.V1_0, 100, 1, bytes(32))
    device.ledger.slots[0] = slot
    for _ in range(3):
        device.ledger.count_attempt(0)
    verdict = ledger.Verdict(TRIAL_NOT_STARTED, -1, images.V1_0, bytes(32), 0, None)
    device.ledger.revert(0, verdict)
    must("reverted", mounted(board), "the data region is made after a revert")
    unmount()


# Once an application was confirmed, what it left is not formatted, whatever it looks like.
def confirmed():
    board = begun()
    must("confirmed", mounted(board), "the data region is mounted")
    unmount()
    device = board.device()
    device.ledger.slots[0] = ledger.Slot(ledger.TRIAL, False, images.V1_0, 100, 1, bytes(32))
    device.ledger.confirm(0)
    for sector in range(21, 29):
        board.flash.cells[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES] = bytes(SECTOR_BYTES)
    before = board.cells()
    mounted(board)
    must(
        "confirmed", board.cells()[21 * SECTOR_BYTES :] == before[21 * SECTOR_BYTES :], "no format"
    )
    unmount()


signatures.remember()
_before = prepare()
cases = fired = 0
for number, name, _ in operations():
    kinds = PROGRAM_KINDS if name == "program" else ERASE_KINDS
    for kind in kinds:
        for draw in range(_DRAWS):
            cases += 1
            fired += run("mkfs@%d.%s.%d" % (number, kind, draw), Fault(number, kind, draw))
reverted()
confirmed()
print(json.dumps({"cases": cases, "fired": fired, "violations": violations}))
