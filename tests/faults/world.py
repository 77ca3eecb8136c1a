# A device in its world: a client that wants a release on it, an application that confirms or does
# not, a supply that may fail. `run` goes on, over as many restarts as it takes, until the release
# is confirmed, and checks at every restart what must hold whatever happened before.
#
# One pair of faults is beyond what a device can notice: cells that power left unstable, and then a
# silent drop of the very operation that would have settled them. It reads back well, and reads
# otherwise some day. Records may be lost then, and images have to be sent again; from there on it
# is only checked that nothing starts but a whole release that may, and that the goal is reached.
#
# The world knows nothing of how the device keeps its state. What the rules allow is written down
# here a second time, as a table, so that a wrong rule of the device is not checked against itself.

import cells
import flows
import images
from faultboard import Snapshot, snapshot_of

from bootloader import boot
from bootloader.image import cbor
from bootloader.install import Installer
from bootloader.link import frame, smp
from bootloader.link.console import Console
from bootloader.reasons import (
    ACCEPTED,
    BELOW_MINIMUM_BASE,
    FLASH_FAULT,
    NOT_A_PREDECESSOR,
    TRIAL_CRASHED,
    TRIAL_RUNNING,
    Refused,
)
from bootloader.store import ledger
from nor_faults import PowerCut

# fmt: off
RESTARTS_MORE = 4    # restarts that a fault may cost, beyond those that happen without one
_STARTS       = 3    # that a trial may take
_TRIES        = 6    # of one thing after a fault of the flash, before it counts as not possible
_REFRESHED    = 6    # operations that may repeat at a start: records and cells programmed once more
# fmt: on

# which releases each one may follow; None: a device without any
ALLOWED = {
    "1.0.0": (None,),
    "1.1.0": ("1.0.0",),
    "1.2.0": ("1.1.0",),
    "2.0.0": ("1.1.0",),
    "2.1.0": ("1.1.0", "2.0.0"),
}
COUNTERS = {"1.0.0": 1, "1.1.0": 1, "1.2.0": 1, "2.0.0": 2, "2.1.0": 2}
NO_RETURN = ("2.1.0",)


class Violation(Exception):
    pass


_made = {}


# What images.py makes of a release, made once.
def of_release(make, name):
    key = (make, name)
    if key not in _made:
        _made[key] = make(name)
    return _made[key]


class World:
    # prefix: of the releases' names. goal: the release to be confirmed at the end
    # offers_first: one that the device must refuse, offered once before
    # bad_trials: trials in which the application crashes, hangs and crashes again
    # supplier: sequence of the supplier's cell that is wanted
    def __init__(
        self, board, goal, prefix="", offers_first=None, bad_trials=0, supplier=1, confirm="confirm"
    ):
        self.board = board
        self.goal = goal
        self.prefix = prefix
        self.offers_first = offers_first
        self.bad_trials = bad_trials
        self.supplier = supplier
        self.confirm_phase = confirm
        self.phase = "restart"
        self.restarts = 0
        self.flash_faults = 0  # refusals that said so
        self.restarts_most = 40
        self.may_fall_back = False
        self._possible = None  # what may be found at the next restart, if that is known
        self._last = None  # what was found at the last one
        self._confirmed = None  # names: what may be confirmed
        self._names = {
            of_release(images.image_hash, prefix + name): name
            for name in ALLOWED
            if prefix + name in images.RELEASES
        }

    # The same world around another board; what is to come is the same.
    def copy(self, board):
        world = World(board, self.goal, self.prefix)
        for name, value in self.__dict__.items():
            if name != "board":
                setattr(world, name, value)
        return world

    # --- the supply

    # From the start to the end that is wanted, over all restarts.
    def run(self):
        while not self.run_once():
            pass

    # From one start to the next. True if there is nothing left to do.
    def run_once(self):
        self.restarts += 1
        must(self.restarts <= self.restarts_most, "the goal is reached")
        try:
            done = self._session()
        except PowerCut:
            self._after_cut()
            return False
        self._possible = None
        self.board.flash.restart()
        return done

    def _after_cut(self):
        flash = self.board.flash
        if flash.before is not None:
            self._possible = [
                snapshot_of(self.board.map, cells) for cells in (flash.before, flash.after)
            ]
        elif self.phase != "restart":
            self._possible = None
        flash.restart()

    # --- one start

    def _session(self):
        board = self.board
        self.phase = "restart"
        fired = board.flash.fired
        device = board.device()
        found = Snapshot(device)
        # what a dropped operation left undone is done at the next start
        self._check_found(found, board.flash.fired > fired)
        device, chosen = self._choose(device, found)
        if chosen is None:
            console_alone = Console(device, Installer(device), lambda: False)
            must(is_alive(board, console_alone), "the link is served without an application")
        return self._serve(device, chosen)

    def _choose(self, device, found):
        self.phase = "first boot"
        if ledger.TRIAL in found.states and (found.trial[0] >= _STARTS or self.board.hung):
            self.phase = "revert"
        elif not (ledger.TRIAL in found.states or ledger.PENDING in found.states):
            self.phase = "fall back" if self.may_fall_back else "restart"
        if self.may_fall_back and ledger.PREVIOUS in found.states:
            older = found.hashes[found.states.index(ledger.PREVIOUS)]
            self._confirmed = self._confirmed + (self._names[older],)
        chosen = boot.choose(device)
        self.board.hung = False
        if chosen is not None:
            device.started = chosen[0]
        self._check_chosen(device, found, chosen)
        return device, chosen

    # What application and client do while the device runs. True if nothing is left to do.
    def _serve(self, device, chosen):
        if self.is_on_trial(device):
            if not self._trial(device):
                return False
        self._provision(device)
        if self.confirmed(device) == self.goal:
            return True
        installer = Installer(device)
        if self.offers_first is not None:
            self._offer_wrong(installer)
        self._upgrade(device, installer)
        return False

    def is_on_trial(self, device):
        return device.started >= 0 and device.ledger.slots[device.started].state == ledger.TRIAL

    # The application's part. Whether it goes on to run.
    def _trial(self, device):
        attempts = device.ledger.attempts
        if self.bad_trials:
            self.phase = "revert"
            if attempts == 2:
                self.board.hung = True  # the watchdog ends it
            else:
                self._try(device.ledger.note_trial, TRIAL_CRASHED)
            return False
        self.phase = self.confirm_phase
        name = self._name(device, device.started)
        self._confirmed = (self._confirmed or ()) + (name,)
        return self._try(device.ledger.confirm, device.started)

    def _try(self, call, *arguments):
        try:
            call(*arguments)
        except Refused as refused:
            self._note(refused)
            return False
        return True

    def _note(self, refused):
        must(
            refused.reason == FLASH_FAULT or self.board.flash.is_unsettled,
            "refused for a fault of the flash, not %d" % refused.reason,
        )
        self.flash_faults += 1

    # --- the client

    def _provision(self, device):
        held = device.anchors
        wanted = [("supplier", 1), ("manufacturer", 1), ("next supplier", 2)]
        for name, sequence in wanted[: 1 + self.supplier]:
            cell = held.cell(cells.ROLES[name])
            if cell is None or cell.sequence < sequence:
                self._put(held, name)

    def _put(self, held, name):
        self.phase = "anchor update" if name == "next supplier" else "provision"
        signature = None
        if held.is_provisioned:
            signature = images.signature(name + ", manufacturer")
        comb = cells.table(name) if name == "manufacturer" else b""
        for _ in range(_TRIES):
            if self._try(cells.put, held, name, comb, signature):
                return
        must(False, name + "'s cell can be written")

    # Offers the release that the device must refuse.
    def _offer_wrong(self, installer):
        self.phase = "refusal"
        try:
            flows.send(installer, of_release(images.ota_image, self.prefix + self.offers_first))
            must(False, "a release that may not follow is refused")
        except Refused as refused:
            if refused.reason not in (BELOW_MINIMUM_BASE, NOT_A_PREDECESSOR):
                self._note(refused)
        self.offers_first = None

    # Brings the goal, or what leads there, onto the device and has it started.
    def _upgrade(self, device, installer):
        wanted = self._next(self.confirmed(device))
        if ledger.REVERTED in [slot.state for slot in device.ledger.slots]:
            self.bad_trials = 0
        wanted_hash = of_release(images.image_hash, self.prefix + wanted)
        store = device.ledger
        held = store.held()
        if held >= 0 and store.slots[held].image_hash == wanted_hash:
            if store.slots[held].state == ledger.PENDING:
                return
        elif not self._upload(device, installer, wanted):
            return
        self.phase = "activate"
        for _ in range(_TRIES):
            if self._try(installer.activate, wanted_hash) or self.board.flash.is_unsettled:
                return
        must(False, "what is staged can be activated")

    def _upload(self, device, installer, wanted):
        octets = of_release(images.ota_image, self.prefix + wanted)
        for _ in range(_TRIES):
            self.phase = "receive"
            try:
                flows.send(installer, octets, 500)
                self.phase = "finalise"
                flows.verify(installer)
            except Refused as refused:
                # a trial, or a way back, that the journal did not take: a restart helps
                if refused.reason == TRIAL_RUNNING and self.board.flash.fired:
                    return False
                self._note(refused)
                self._check_reported(device)
                continue
            verdict = device.ledger.verdict()
            if device.ledger.held() >= 0:
                must(verdict.reason == ACCEPTED, "what is staged was accepted")
                return True
            self._note(Refused(verdict.reason or FLASH_FAULT))
        must(False, "an image can be uploaded")

    def _next(self, confirmed):
        if confirmed in ALLOWED[self.goal]:
            return self.goal
        for name in ALLOWED[self.goal]:
            if confirmed in ALLOWED.get(name, ()):
                return name
        must(False, "there is a way from %s to %s" % (confirmed, self.goal))

    # --- what must hold

    def confirmed(self, device):
        index = device.ledger.find(ledger.CONFIRMED)
        return None if index < 0 else self._name(device, index)

    def _name(self, device, index):
        return self._names.get(device.ledger.slots[index].image_hash)

    # What a restart found, and that another would find the same.
    def _check_found(self, found, is_undone):
        board = self.board
        must(board.data_is_unharmed(), "the data region is unharmed")
        if board.flash.is_unsettled:
            self._confirmed = tuple(self._names.values()) + (None,)
            return
        if self._possible is not None:
            must(found in self._possible, "%r is one of %r" % (found, self._possible))
        other = board.copy()
        other.flash.restart()
        before, operations = other.cells(), []
        other.flash.watcher = lambda *operation: operations.append(operation)
        stable = other.flash.is_stable and not is_undone
        again = Snapshot(other.device())
        must(again == found, "%r is found again: %r" % (found, again))
        if stable:
            must(other.cells() == before, "a second restart changes no cell")
            must(len(operations) <= _REFRESHED, "a second restart does nothing: %r" % operations)
        self._check_counter(found)
        self._check_history(found)
        self._last = found

    def _check_counter(self, found):
        name = None
        if ledger.CONFIRMED in found.states:
            name = self._names.get(found.hashes[found.states.index(ledger.CONFIRMED)])
            must(name is not None, "what is confirmed is a release")
        if self._confirmed is None:
            self._confirmed = (name,)
        must(name in self._confirmed, "%s is one of %r" % (name, self._confirmed))
        self._confirmed = (name,)
        counter = COUNTERS.get(name, 0)
        must(found.security_counter == counter, "the counter is %s's" % name)
        if name in NO_RETURN:
            must(ledger.PREVIOUS not in found.states, "there is no way back")

    def _check_history(self, found):
        chain = None
        for octets in found.history:
            event = ledger.Event(octets)
            if chain is not None:
                must(event.chain == chain, "the history is a chain")
            chain = images.sha256(octets)
        if self._last is not None and self._last.history:
            must(self._last.history[-1] in found.history, "the history is kept")

    # The choice of what starts.
    def _check_chosen(self, device, found, chosen):
        confirmed = found.states.index(ledger.CONFIRMED) if ledger.CONFIRMED in found.states else -1
        if chosen is None:
            must(confirmed < 0, "a confirmed image starts")
            return
        index = chosen[0]
        name = self._name(device, index)
        must(name is not None, "what starts is a release")
        image = of_release(images.manufacturer_image, self.prefix + name)
        must(self.board.octets("slot%d" % index)[: len(image)] == image, "every octet is right")
        state = device.ledger.slots[index].state
        if index == confirmed:
            must(state == ledger.CONFIRMED, "what starts is confirmed")
        elif self.may_fall_back and found.states[index] == ledger.PREVIOUS:
            must(
                state == ledger.CONFIRMED or self.board.flash.fired,
                "what was fallen back to is confirmed",
            )
        else:
            must(found.states[index] in (ledger.PENDING, ledger.TRIAL), "what starts was activated")
            must(state == ledger.TRIAL, "what is not confirmed is on trial")
            must(device.ledger.attempts <= _STARTS, "a trial has so many starts")
            running = None if confirmed < 0 else self._names[found.hashes[confirmed]]
            must(running in ALLOWED[name], "%s may follow %s" % (name, running))

    # A fault of the flash is said, and the device lives on.
    def _check_reported(self, device):
        verdict = device.ledger.verdict()
        # one more fault, and the journal did not take it
        if self.board.flash.fired < 2:
            must(verdict is not None and verdict.reason == FLASH_FAULT, "the fault is the verdict")
        console = Console(device, Installer(device), lambda: False)
        must(is_alive(self.board, console), "the link is alive after a fault of the flash")


# Whether the device answers an echo.
def is_alive(board, console):
    request = smp.encode(1, smp.WRITE, 0, 7, 0, {"d": "alive?"})
    board.console.incoming = frame.encode(request)
    board.console.outgoing = b""
    while board.console.incoming:
        console.poll()
    for reply in frame.FrameReader().feed(board.console.outgoing):
        return cbor.decode(reply[smp.HEADER_BYTES :], False) == {"r": "alive?"}
    return False


def must(holds, what):
    if not holds:
        raise Violation(what)
