# The flash map: every region that a device has, once for all boards.
#
# In two runs of sectors. `STORE` was there first and stays where it was, so that a device that is
# brought from the state before keeps its anchors, journal, images and data. `MORE` came later: in
# front of the store on an RP2040, at the end of flash on the virtual board. Both begin wherever the
# board says; an ESP32 has a partition for each name. A board with less flash gives its slots and
# its data region fewer sectors, and nothing else.
#
# Sectors are of 4096 octets. docs/formats.md says what each region holds.

from hanbootloader.compat import const

SECTOR_BYTES = const(4096)
DATA = const(0)  # sectors of the data region: what is left behind the slots

# name, sectors
STORE = (
    ("anchors", 16),
    ("journal", 4),
    ("slot0", 128),
    ("slot1", 128),
    ("data", DATA),
)
MORE = (
    ("backup", 2),  # security counter, lock, highest anchor sequences, doubts
    ("keys", 2),  # the device's own keys
    ("transfer", 2),  # how far a download over the HAN has come
    ("han", 4),  # originator counters, activations, outcomes to report
    ("spare", 6),
)


# Sectors of `run` without the data region.
def sectors(run: "tuple[tuple[str, int], ...]") -> int:
    return sum([count for _, count in run])


# name -> (first sector, sectors). store, more: first sector of each run; end: of flash, which the
# data region reaches to.
def place(store: int, more: int, end: int) -> "dict[str, tuple[int, int]]":
    found = {}
    for first, run in ((store, STORE), (more, MORE)):
        for name, count in run:
            if name == "data":
                count = end - first
            found[name] = (first, count)
            first += count
    return found
