# The second home of what a device must never lose, in sectors of its own: security counter, lock,
# the highest sequences of its trust anchors. The journal has them, too, and is written first; the
# higher of the two counts. Also the doubts of the start before (doubts.py), which are for the
# journal and therefore not in it.
#
# What goes wrong here is repaired on the spot: all of it but the doubts is in the journal.

import struct

from hanbootloader.compat import const
from hanbootloader.reasons import Refused
from hanbootloader.store.doubts import Doubts
from hanbootloader.store.journal import Journal

if __debug__:  # in annotations alone
    from hanbootloader.store.flash import Region

# fmt: off
# keys of its journal
_COUNTERS  = const(1)
_SEQUENCES = const(2)
_WORN      = const(3)  # places of trust anchor cells that no longer take what is written
_DOUBTS    = const(4)
# fmt: on

_PACKED = "<IB"  # security counter, lock
_SEQUENCE = "<BBI"  # role, key usage, highest sequence
_SEQUENCE_BYTES = const(6)


class Backup:
    def __init__(self, region: "Region") -> None:
        self._journal = Journal(region, is_copy=True)
        self.doubts = Doubts(self._journal, _DOUBTS)
        self.security_counter, self.is_locked = 0, False
        counters = self._journal.latest(_COUNTERS)
        if counters is not None:
            self.security_counter, locked = struct.unpack(_PACKED, counters)
            self.is_locked = bool(locked)
        self.sequences = unpack_sequences(self._journal.latest(_SEQUENCES) or b"")
        self.worn = list(self._journal.latest(_WORN) or b"")  # places, as they failed

    # Keeps what the journal holds by now; costs nothing where it is kept already.
    def keep(self, counter: int, is_locked: bool, sequences: "dict[int, int]") -> None:
        entries = []
        if counter != self.security_counter or is_locked != self.is_locked:
            entries.append((_COUNTERS, struct.pack(_PACKED, counter, is_locked)))
        if sequences != self.sequences:
            entries.append((_SEQUENCES, pack_sequences(sequences)))
        if not entries:
            return
        try:
            self._journal.append(entries)
        except Refused:
            return  # the journal has it; the next start tries again
        self.security_counter, self.is_locked = counter, is_locked
        self.sequences = dict(sequences)

    # A place of the anchors did not take a cell: it is not tried again.
    def note_worn(self, place: int) -> None:
        if place not in self.worn:
            self.worn.append(place)
            try:
                self._journal.append([(_WORN, bytes(self.worn))])
            except Refused:
                pass  # at least until the next start


# Highest sequences by identity of a cell (role << 8 | key usage), as bytes and back.
def pack_sequences(sequences: "dict[int, int]") -> bytes:
    return b"".join(
        [
            struct.pack(_SEQUENCE, identity >> 8, identity & 0xFF, sequences[identity])
            for identity in sorted(sequences)
        ]
    )


def unpack_sequences(octets: "bytes | memoryview") -> "dict[int, int]":
    found = {}
    for at in range(0, len(octets) - _SEQUENCE_BYTES + 1, _SEQUENCE_BYTES):
        role, usage, sequence = struct.unpack_from(_SEQUENCE, octets, at)
        found[role << 8 | usage] = sequence
    return found
