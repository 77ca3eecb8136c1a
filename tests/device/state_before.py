# A device as earlier hanboots left it. What it holds is made from what today's holds;
# tests/faults/test_kept_devices.py compares it with flash that an earlier one wrote.
#
#   cells of format 1        commit feaa8b5
#   journal "feaa8b5"        slots, the last verdict without the model that was offered, history
#   journal "db29701"        and the highest sequences of the trust anchors; with a backup
#   journal "bad4c36"        and the starts that did not last

import cells

from hanbootloader.store.flash import Region
from hanbootloader.store.journal import Journal
from hanbootloader.trust import cell as cell_format
from nor import SECTOR_BYTES

# fmt: off
STATE       = 1  # keys of the journal
VERDICT     = 2
LIVES       = 4
SEQUENCES   = 5
_HEAD_BYTES = 84  # of a packed verdict, before the model
_MODEL_BYTES = 9
_TABLE_AT   = 256
_SEAL_AT    = 255
# fmt: on

JOURNALS = {
    "feaa8b5": (STATE, VERDICT),
    "db29701": (STATE, VERDICT, SEQUENCES),
    "bad4c36": (STATE, VERDICT, SEQUENCES, LIVES),
}

# sectors where cells of format 1 began, in the order in which they were written
PLACES = (("supplier", 0), ("manufacturer", 5))


# `board`, which holds what today's leaves, as the state before would have left it. device: opened
# on it.
def leave(board, device):
    tables = {cell.role: bytes(cell.table) for cell in device.anchors.cells()}
    leave_journal(board, device, "feaa8b5")
    _erase(board, "backup")
    anchors = _erase(board, "anchors")
    for name, sector in PLACES:
        write_cell(anchors, name, sector, tables[cells.ROLES[name]])


# A cell of format 1 in `sector` of the region, sealed.
def write_cell(anchors, name, sector, table=b"", **more):
    start = sector * SECTOR_BYTES
    anchors.program(start + _TABLE_AT, table)
    anchors.program(start, cells.old_head(name, table=table, label=name.encode(), **more))
    anchors.program(start + _SEAL_AT, b"\0")


# The journal alone, in the format called `name`.
def leave_journal(board, device, name):
    journal = device.ledger._journal
    values = {key: journal.latest(key) for key in JOURNALS[name]}
    offer = device.ledger.offer()
    values[VERDICT] = offer and pack_verdict(offer)
    history = journal.history()
    earlier = Journal(_erase(board, "journal"))
    for entry in history:
        earlier.append([entry])
    earlier.append([(key, values[key]) for key in JOURNALS[name] if values[key] is not None])


def pack_verdict(verdict):
    packed = verdict.pack()
    return packed[:_HEAD_BYTES] + packed[_HEAD_BYTES + _MODEL_BYTES :]


def _erase(board, name):
    region = Region(*board.region(name))
    for sector in range(region.sectors):
        region.erase(sector)
    return region


# The key's cell of format 1, as it is today: what a migration makes of it.
def migrated_head(name, sequence=1):
    return cell_format.encode_head(
        cells.ROLES[name], 0, 0, cells.images.key(name), sequence, name.encode()
    )
