# Trust anchor cells to give to a device.

import struct

import images

from hanbootloader.device import AnchorMemory
from hanbootloader.store.backup import Backup
from hanbootloader.store.journal import Journal
from hanbootloader.store.ledger import Ledger
from hanbootloader.trust import cell as cells
from hanbootloader.trust.anchors import Anchors

# who holds which part in the tests
ROLES = {
    "supplier": cells.SUPPLIER,
    "next supplier": cells.SUPPLIER,
    "manufacturer": cells.MANUFACTURER,
    "next manufacturer": cells.MANUFACTURER,
    "stranger": cells.MANUFACTURER,
}
SEQUENCES = {"next supplier": 2, "next manufacturer": 2}
SCOPE = (images.MANUFACTURER_CODE, images.IMAGE_TYPE)


# Head of the cell for the key called `name`. more: what to change of it.
def head(name, **more):
    fields = {
        "role": ROLES[name],
        "usage": cells.DIGITAL_SIGNATURE,
        "flags": cells.DEVELOPMENT,
        "key": images.key(name),
        "sequence": SEQUENCES.get(name, 1),
        "label": name.encode(),
    }
    fields.update(more)
    return cells.encode_head(**fields)


# A head of format 1, as the state before wrote it. kid, table: whatever its sender said.
def old_head(name, kid=None, sequence=1, table=b"", label=b"old", flags=0):
    head = struct.pack(
        "<4sBBBB8s64sII32s24s",
        b"HBAC",
        1,
        ROLES[name],
        flags,
        0,
        kid or images.kid(name),
        images.key(name),
        sequence,
        len(table),
        images.sha256(table),
        label,
    )
    return head + images.sha256(head)


# signature: of a key that is held, once the region is locked. Whether it was written.
def put(device, name, signature=None, **more):
    return finish(device.put_anchor_steps(head(name, **more), signature))


# As a manufacturer does it: the manufacturer's own cell last, for it locks the region.
def provision(device):
    put(device, "supplier")
    put(device, "manufacturer")


# The same in the anchors alone, where there is no device around them.
def put_into(held, octets, signature=None, scope=SCOPE, kept_kids=None):
    return finish(held.put_steps(octets, signature, scope, kept_kids))


# Anchors on `region`, with a journal and a backup in memory; after the restart that they ask for
# where something is in doubt.
def opened(region):
    # only here: make_vectors.py runs without a board
    from ramboard import RamFlash

    memory = RamFlash(2).region(0, 2)
    while True:
        backup = Backup(memory)
        ledger = Ledger(Journal(RamFlash(2).region(0, 2)), backup)
        held = Anchors(region, AnchorMemory(ledger, backup))
        if not backup.doubts.needs_restart:
            return held


# What a generator of steps returns at its end.
def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
