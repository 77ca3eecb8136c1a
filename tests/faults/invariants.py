# What must hold at every start of a device, whatever happened before.
#
# One pair of faults is beyond what a device can notice: cells that power left unstable, and then a
# silent drop of the very operation that would have settled them. It reads back well, and reads
# otherwise some day. Records may be lost then, and images have to be sent again; from there on it
# is only checked that nothing starts but a whole release that may, and that the goal is reached.

from faultboard import Snapshot, settled_device, snapshot_of
from rules import must

from hanbootloader.store import ledger
from hanbootloader.trust.cell import MANUFACTURER

_SUCCESSOR = (MANUFACTURER, 2)  # role and sequence of the cell that the manufacturer's key named

# fmt: off
TRIAL_STARTS = 3  # that a trial may take
_REFRESHED   = 6  # operations that may repeat at a start: records and cells programmed once more
# fmt: on


class Invariants:
    def __init__(self, rules):
        self._rules = rules
        self._possible = None  # what may be found at the next start, if that is known
        self._last = None  # what was found at the last one
        self._confirmed = None  # names: what may be confirmed

    def copy(self):
        other = Invariants(self._rules)
        for name, value in self.__dict__.items():
            setattr(other, name, value)
        return other

    # --- what happens

    # This may be confirmed from here on.
    def may_confirm(self, image_hash):
        self._confirmed = (self._confirmed or ()) + (self._rules.names.get(image_hash),)

    # Power failed. is_opening: while what a start finds was still being made to stay.
    def note_cut(self, board, is_opening):
        flash = board.flash
        if flash.before is not None:
            self._possible = [
                snapshot_of(board.map, cells) for cells in (flash.before, flash.after)
            ]
        elif not is_opening:
            self._possible = None

    # A start ended on its own, and left what `device` says.
    def note_end(self, device):
        self._possible = [Snapshot(device)]

    # --- what must hold

    # What a start found, and that another would find the same. is_undone: an operation of this
    # start was dropped; the next one does it.
    def check_found(self, board, found, is_undone):
        must(board.data_is_unharmed(), "the data region is unharmed")
        if board.flash.is_unsettled:
            self._confirmed = tuple(self._rules.names.values()) + (None,)
            return
        if self._possible is not None:
            must(found in self._possible, "%r is one of %r" % (found, self._possible))
        self._check_again(board, found, is_undone)
        self._check_counter(found)
        self._check_history(found)
        self._last = found

    def _check_again(self, board, found, is_undone):
        other = board.copy()
        other.flash.restart()
        before, operations = other.cells(), []
        other.flash.watcher = lambda *operation: operations.append(operation)
        stable = other.flash.is_stable and not is_undone
        again = Snapshot(settled_device(other))
        must(again == found, "%r is found again: %r" % (found, again))
        if stable:
            must(other.cells() == before, "a second restart changes no cell")
            must(len(operations) <= _REFRESHED, "a second restart does nothing: %r" % operations)

    def _check_counter(self, found):
        name, index = None, found.confirmed()
        if index >= 0:
            name = self._rules.names.get(found.hashes[index])
            must(name is not None, "what is confirmed is a release")
        if self._confirmed is None:
            self._confirmed = (name,)
        must(name in self._confirmed, "%s is one of %r" % (name, self._confirmed))
        self._confirmed = (name,)
        counter = self._rules.counters.get(name, 0)
        must(found.security_counter == counter, "the counter is %s's" % name)
        if name in self._rules.no_return:
            must(ledger.PREVIOUS not in found.states, "there is no way back")

    def _check_history(self, found):
        chain = None
        for octets in found.history:
            event = ledger.Event(octets)
            if chain is not None:
                must(event.chain == chain, "the history is a chain")
            chain = ledger.hashlib.sha256(octets).digest()
        if self._last is not None and self._last.history:
            must(self._last.history[-1] in found.history, "the history is kept")

    # What was chosen to start, after `found` was found. falls_back: the image before the confirmed
    # one may have taken its place.
    def check_chosen(self, board, device, found, chosen, falls_back):
        confirmed = found.confirmed()
        # on cells in doubt an image, or the key that it is checked with, may be whole now and
        # damaged a moment later
        is_lost = confirmed >= 0 and board.is_in_doubt("slot%d" % confirmed)
        if chosen is None:
            must(
                is_lost
                or board.is_in_doubt("anchors")
                or confirmed < 0
                or not self._is_whole(board, confirmed, found.hashes[confirmed]),
                "a confirmed image starts",
            )
            return
        index = chosen[0]
        slot = device.ledger.slots[index]
        must(
            slot.image_hash in self._rules.names
            if board.is_in_doubt("slot%d" % index)
            else self._is_whole(board, index, slot.image_hash),
            "what starts is a release",
        )
        name, state = self._rules.names[slot.image_hash], slot.state
        if index == confirmed:
            must(state == ledger.CONFIRMED, "what starts is confirmed")
        elif (falls_back or is_lost) and found.states[index] == ledger.PREVIOUS:
            must(
                state == ledger.CONFIRMED or board.flash.fired,
                "what was fallen back to is confirmed",
            )
        else:
            must(found.states[index] in (ledger.PENDING, ledger.TRIAL), "what starts was activated")
            must(state == ledger.TRIAL, "what is not confirmed is on trial")
            must(device.ledger.attempts <= TRIAL_STARTS, "a trial has so many starts")
            # from the successor on the key before it vouches for nothing new
            is_by_successor = name in self._rules.by_successor
            must(
                is_by_successor == (_SUCCESSOR in found.anchors),
                "the key that counts signed what is not confirmed",
            )
            running = None if confirmed < 0 else self._rules.names[found.hashes[confirmed]]
            must(
                running in self._rules.follows[name]
                # the cure of a damaged one is the very same
                or (running == name and found.states[confirmed] == ledger.DAMAGED),
                "%s may follow %s" % (name, running),
            )

    # Whether slot `index` holds the release of that hash, in every octet.
    def _is_whole(self, board, index, image_hash):
        name = self._rules.names.get(image_hash)
        if name is None:
            return False
        image = self._rules.manufacturer_image(name)
        return board.octets("slot%d" % index)[: len(image)] == image
