# The first start of an application formats the data region: with littlefs, so on MicroPython.
# Every operation of that fails in every way, is tried again at the next start, and in the end there
# is a file system that keeps what is written; from the first confirmation on it is never formatted
# again.
#
# Runs the cases named on standard input (mkfs@17.weak.0, reverted, confirmed), or all of them; a
# line of JSON for each: case, whether its fault fired, what does not hold.

import json
import os
import sys
import vfs

import flows
import images
import signatures
from faultboard import MAPS, FaultBoard
from nor_faults import ERASE_KINDS, PROGRAM_KINDS, PowerCut, parse_faults
from rules import Violation, must

from hanbootloader import start
from hanbootloader.reasons import TRIAL_NOT_STARTED
from hanbootloader.store import ledger
from nor import SECTOR_BYTES

_MAP = dict(MAPS["small-"])
_MAP["data"] = (_MAP["data"][0], 8)
_DATA_AT = _MAP["data"][0] * SECTOR_BYTES
_OCTETS = b"kept " * 100
_DRAWS = 3
_STARTS = 6


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
    board.flash.cells[_DATA_AT:] = b"\xff" * (8 * SECTOR_BYTES)
    return board


# The device as it is when its first application starts.
def prepare():
    board = FaultBoard(_MAP)
    flows.cells.provision(board.device())
    cells = bytearray(board.cells())
    cells.extend(b"\xff" * (7 * SECTOR_BYTES))
    return bytes(cells)


# (number, name) of what happens in the data region when it is formatted
def operations():
    found = []
    board = begun()
    board.flash.watcher = lambda name, offset, changes: found.append((name, offset >= _DATA_AT))
    mounted(board)
    unmount()
    return [(number, name) for number, (name, is_data) in enumerate(found) if is_data]


# A format that fails; whether the fault fired.
def formatted(board):
    for _ in range(_STARTS):
        if mounted(board):
            break
        unmount()
    else:
        must(False, "the data region is mounted after some starts")
    with open("/data/file", "wb") as file:
        file.write(_OCTETS)
    unmount()
    must(mounted(board), "the data region is mounted again")
    with open("/data/file", "rb") as file:
        must(file.read() == _OCTETS, "what was written is there")


# A first application that never came to a start is reverted: the next one still gets its region.
def reverted(board):
    device = board.device()
    slot = ledger.SlotRecord(ledger.PENDING, False, images.V1_0, 100, 1, bytes(32))
    device.ledger.slots[0] = slot
    for _ in range(3):
        device.ledger.count_attempt(0)
    verdict = ledger.VerdictRecord(TRIAL_NOT_STARTED, -1, images.V1_0, bytes(32), 0, None)
    device.ledger.revert(0, verdict)
    must(mounted(board), "the data region is made after a revert")


# Once an application was confirmed, what it left is not formatted, whatever it looks like.
def confirmed(board):
    must(mounted(board), "the data region is mounted")
    unmount()
    device = board.device()
    device.ledger.slots[0] = ledger.SlotRecord(ledger.TRIAL, False, images.V1_0, 100, 1, bytes(32))
    device.ledger.confirm(0)
    board.flash.cells[_DATA_AT:] = bytes(8 * SECTOR_BYTES)
    mounted(board)
    must(not any(board.cells()[_DATA_AT:]), "what a confirmed application left is not formatted")


_WITHOUT_FAULT = {"reverted": reverted, "confirmed": confirmed}


def all_cases():
    for number, name in operations():
        for kind in PROGRAM_KINDS if name == "program" else ERASE_KINDS:
            for draw in range(_DRAWS):
                yield "mkfs@%d.%s.%d" % (number, kind, draw)
    for case in _WITHOUT_FAULT:
        yield case


def run(case):
    faults = parse_faults(case.partition("@")[2]) if "@" in case else []
    board, violation = begun(faults), None
    try:
        _WITHOUT_FAULT.get(case, formatted)(board)
    except (Violation, OSError, PowerCut) as error:
        violation = repr(error)
    unmount()
    return [case, board.flash.fired == len(faults), violation]


signatures.remember()
_before = prepare()
named = [line.strip() for line in sys.stdin if line.strip()]
for case in named or all_cases():
    print(json.dumps(run(case)))
