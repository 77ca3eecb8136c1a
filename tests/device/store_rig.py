# A store of the HAN side on flash that fails: opened as a device opens it, in the restart that it
# may ask for, too.

from ramboard import PowerCut, RamFlash

from hanbootloader.store.backup import Backup

SECTORS = 4  # of the store; two more are the backup's


class StoreRig:
    # make(region, doubts): the store
    def __init__(self, make):
        self._make = make
        self.flash = RamFlash(SECTORS + 2)

    # One start: (store, doubts).
    def once(self):
        doubts = Backup(self.flash.region(SECTORS, 2)).doubts
        return self._make(self.flash.region(0, SECTORS), doubts), doubts

    def opened(self):
        while True:
            store, doubts = self.once()
            if not doubts.needs_restart:
                return store

    # Does `change` until the next time has to move to a fresh sector.
    def fill(self, change):
        erased = len(self.flash.erased)
        while len(self.flash.erased) == erased:
            octets = bytes(self.flash.cells)
            change(self.opened())
        self.flash.cells[:] = octets

    # Does `change` to what the flash holds now, with power that fails at each of its operations in
    # turn. `facts` of the store must be what they were, or what `change` makes of them; and those
    # where it is done again. How many operations it took.
    def cut_everywhere(self, change, facts):
        octets = bytes(self.flash.cells)
        before = facts(self.opened())
        change(self.opened())
        after = facts(self.opened())
        assert before != after
        operation = 0
        while True:
            for cut_bytes in (0, 1, 20):
                self.flash.cells[:] = octets
                store = self.opened()
                self.flash.operations = 0
                self.flash.cut_at, self.flash.cut_bytes = operation, cut_bytes
                try:
                    change(store)
                    self.flash.cut_at = -1
                    return operation
                except PowerCut:
                    self.flash.cut_at = -1
                found = facts(self.opened())
                assert found in (before, after), (operation, cut_bytes, found)
                if found == before:
                    change(self.opened())
                assert facts(self.opened()) == after, (operation, cut_bytes)
            operation += 1

    # One bit of each written byte reads wrong for one start. Where that is noticed it asks for a
    # restart and takes nothing; afterwards all is as it was. How often it was noticed.
    def check_wrong_reads(self, change, facts, refusal_of):
        expected = facts(self.opened())
        octets = bytes(self.flash.cells)
        written = [at for at in range(SECTORS * 4096) if octets[at] != 0xFF]
        noticed = 0
        for number, at in enumerate(written):
            mask = 1 << number % 8
            self.flash.cells[:] = octets
            self.flash.cells[at] ^= mask
            store, doubts = self.once()
            if doubts.needs_restart:
                noticed += 1
                assert refusal_of(change, store)[0] != 0
            self.flash.cells[at] ^= mask
            assert facts(self.opened()) == expected, (at, mask)
        return noticed
