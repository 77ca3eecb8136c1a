# Trust anchor cells to give to a device.

from binascii import unhexlify

import images
import signed

from bootloader.trust import anchors, cell_writer

# who holds which part in the tests
ROLES = {
    "supplier": anchors.SUPPLIER,
    "next supplier": anchors.SUPPLIER,
    "manufacturer": anchors.MANUFACTURER,
    "stranger": anchors.MANUFACTURER,
}
SEQUENCES = {"next supplier": 2}


def table(name):
    return unhexlify(signed.TABLES[name])


# Head of the cell for the key called `name`. more: what to change of it.
def head(name, comb=b"", **more):
    fields = {
        "role": ROLES[name],
        "flags": anchors.DEVELOPMENT,
        "kid": images.kid(name),
        "key": images.key(name),
        "sequence": SEQUENCES.get(name, 1),
        "table": comb,
        "label": name.encode(),
    }
    fields.update(more)
    return cell_writer.encode_head(**fields)


# Everything from begin to commit. signature: of a key that is held, once the region is locked.
def put(held, name, comb=b"", signature=None, **more):
    for _ in held.begin_steps(head(name, comb, **more), signature):
        pass
    for at in range(0, len(comb), 512):
        held.write(at, comb[at : at + 512])
    held.commit()


# As a manufacturer does it: the manufacturer's own cell last, for it locks the region.
def provision(held):
    put(held, "supplier")
    put(held, "manufacturer")
