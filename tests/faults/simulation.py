# A device and what acts on it: a client that wants a release on it, an application that confirms or
# does not, a supply that may fail. `run` goes on, over as many restarts as it takes, until the
# release is confirmed; invariants.py says what must hold at every start.
#
# The simulation knows nothing of how the device keeps its state.

import cells
import flows
from faultboard import Snapshot
from invariants import TRIAL_STARTS, Invariants
from nor_faults import PowerCut
from rules import must

from hanbootloader import boot
from hanbootloader.image import cbor
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer
from hanbootloader.lives import Lives
from hanbootloader.reasons import (
    ACCEPTED,
    BELOW_MINIMUM_BASE,
    FLASH_FAULT,
    NOT_A_PREDECESSOR,
    TRIAL_CRASHED,
    TRIAL_RUNNING,
    UNKNOWN_SIGNER,
    Refused,
)
from hanbootloader.store import ledger

# fmt: off
RESTARTS_MORE = 4  # restarts that a fault may cost, beyond those that happen without one
_TRIES        = 6  # of one thing after a fault of the flash, before it counts as not possible
_PIECE_BYTES  = 500
# fmt: on


class Simulation:
    # goal: the release to be confirmed at the end
    # offers_first: one that the device must refuse, offered once before
    # bad_trials: whether the application crashes, hangs and crashes again in its first trial
    # held_first: one that is uploaded and activated before, until the client thinks otherwise
    # anchors: names of the cells that are wanted, in this order
    # short_lives: the application ends each of its starts until the link is served alone
    # falls_back: the confirmed image is damaged, and the one before it is not
    def __init__(
        self,
        board,
        rules,
        goal,
        offers_first=None,
        held_first=None,
        bad_trials=False,
        anchors=("supplier", "manufacturer"),
        short_lives=False,
        confirm="confirm",
        falls_back=False,
    ):
        self.board = board
        self.rules = rules
        self.goal = goal
        self.offers_first = offers_first
        self.held_first = held_first
        self.bad_trials = bad_trials
        self.anchors = anchors
        self.short_lives = short_lives
        self.confirm_phase = confirm
        self.falls_back = falls_back
        self.phase = "restart"
        self.restarts = 0
        self.flash_faults = 0  # refusals that said so
        self.restarts_most = 40
        self._is_opening = False
        self.tell = lambda text: None  # told what happens
        self._invariants = Invariants(rules)

    # The same simulation around another board; what is to come is the same.
    def copy(self, board):
        simulation = Simulation(board, self.rules, self.goal)
        for name, value in self.__dict__.items():
            if name != "board":
                setattr(simulation, name, value)
        simulation._invariants = self._invariants.copy()
        return simulation

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
            self._invariants.note_cut(self.board, self._is_opening)
            self.tell("power fails")
            done = False
        self.board.flash.restart()
        return done

    # --- one start

    def _session(self):
        board = self.board
        self.phase = "restart"
        fired = board.flash.fired
        self._is_opening = True
        device = board.device()
        self._is_opening = False
        if device.doubts.needs_restart:
            return self._restart("opening")
        found = Snapshot(device)
        self.tell("start %d finds %r" % (self.restarts, found))
        self._invariants.check_found(board, found, board.flash.fired > fired)
        chosen = self._choose(device, found)
        if device.doubts.needs_restart:
            self._invariants.note_end(device)
            return self._restart("verifying")
        if chosen is None:
            console_alone = ConsoleServer(device, Installer(device), lambda: False)
            must(is_alive(board, console_alone), "the link is served without an application")
        done = self._serve(device)
        self._invariants.note_end(device)
        return done

    # The device restarts because something is in doubt. The chip forgets why it was reset before.
    def _restart(self, while_doing):
        self.tell("something is in doubt while %s" % while_doing)
        self.board.hung = False
        return False

    def _choose(self, device, found):
        self.phase = "first boot"
        if ledger.TRIAL in found.states and (found.trial[0] >= TRIAL_STARTS or self.board.hung):
            self.phase = "revert"
        elif not (ledger.TRIAL in found.states or ledger.PENDING in found.states):
            self.phase = "fall back" if self.falls_back else "restart"
        if self.falls_back and ledger.PREVIOUS in found.states:
            self._invariants.may_confirm(found.hashes[found.states.index(ledger.PREVIOUS)])
        if any([cell.is_old for cell in device.anchors.cells()]):
            self.phase = "migrate"
        chosen = boot.choose(device)
        self.board.hung = False
        if chosen is not None:
            device.started = chosen[0]
        self.tell("slot %d starts" % device.started if chosen else "nothing starts")
        if not device.doubts.needs_restart:
            self._invariants.check_chosen(self.board, device, found, chosen, self.falls_back)
        return chosen

    # What application and client do while the device runs. True if nothing is left to do.
    def _serve(self, device):
        tried = self._is_on_trial(device)
        if tried:
            if not self._trial(device):
                return False
        elif self.short_lives and not self._live(device):
            return False
        self._provision(device)
        if self.confirmed(device) == self.goal:
            # the start behind the one that confirmed it tells that it stays
            return not tried
        installer = Installer(device)
        if self.offers_first is not None:
            self._offer_wrong(installer)
        if self.held_first is not None:
            first, self.held_first = self.held_first, None
            self._bring(device, installer, first)
        self._upgrade(device, installer)
        return False

    def _is_on_trial(self, device):
        return device.started >= 0 and device.ledger.slots[device.started].state == ledger.TRIAL

    # The application's part. Whether it goes on to run.
    def _trial(self, device):
        if self.bad_trials:
            self.phase = "revert"
            if device.ledger.attempts == 2:
                self.board.hung = True  # the watchdog ends it
            else:
                self._try(device.ledger.note_trial, TRIAL_CRASHED)
            return False
        self.phase = self.confirm_phase
        self._invariants.may_confirm(device.ledger.slots[device.started].image_hash)
        return self._try(device.ledger.confirm, device.started)

    # A start of the confirmed application, as start.py counts it. Whether a client gets a word in.
    def _live(self, device):
        lives = Lives(device.ledger)
        if self.confirmed(device) == self.goal:
            self.phase = "lasting"
            lives.begin()
            lives.lasted()
            return True
        self.phase = "short life"
        if not lives.needs_grace:
            lives.begin()
        return lives.needs_grace

    def _try(self, call, *arguments):
        try:
            call(*arguments)
        except Refused as refused:
            self._note(refused)
            return False
        return True

    def _note(self, refused):
        self.tell("%s: refused, reason %d" % (self.phase, refused.reason))
        must(
            refused.reason == FLASH_FAULT or self.board.flash.is_unsettled,
            "refused for a fault of the flash, not %d" % refused.reason,
        )
        self.flash_faults += 1

    # --- the client

    def _provision(self, device):
        held = device.anchors
        for name in self.anchors:
            cell, sequence = held.cell(cells.ROLES[name]), cells.SEQUENCES.get(name, 1)
            # one lost for good wants its maker's signature; a PPMID does without
            is_lost = cell is None and held.is_provisioned and self.board.flash.is_unsettled
            if not is_lost and (cell is None or cell.sequence < sequence):
                self._put(device, name)

    def _put(self, device, name):
        self.phase = "anchor update" if name in cells.SEQUENCES else "provision"
        signature = None
        if device.anchors.is_provisioned:
            signature = cells.images.signature(name + ", manufacturer")
        for _ in range(_TRIES):
            if self._try(cells.put, device, name, signature):
                return
        must(False, name + "'s cell can be written")

    # Offers the release that the device must refuse.
    def _offer_wrong(self, installer):
        self.phase = "refusal"
        try:
            flows.send(installer, self.rules.ota_image(self.offers_first))
            must(False, "a release that may not follow is refused")
        except Refused as refused:
            if refused.reason not in (BELOW_MINIMUM_BASE, NOT_A_PREDECESSOR, UNKNOWN_SIGNER):
                self._note(refused)
        self.offers_first = None

    # Brings the goal, or what leads there, onto the device and has it started.
    def _upgrade(self, device, installer):
        running = self._running(device)
        wanted = self.goal
        # the cure of a damaged one is the very same
        if running != self.goal:
            wanted = self.rules.next_step(running, self.goal)
        if ledger.REVERTED in [slot.state for slot in device.ledger.slots]:
            self.bad_trials = False
        self._bring(device, installer, wanted)

    def _bring(self, device, installer, wanted):
        wanted_hash = self.rules.image_hash(wanted)
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
        octets = self.rules.ota_image(wanted)
        for _ in range(_TRIES):
            self.phase = "receive"
            try:
                flows.send(installer, octets, _PIECE_BYTES)
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

    # The name of what is confirmed.
    def confirmed(self, device):
        index = device.ledger.find(ledger.CONFIRMED)
        return None if index < 0 else self.rules.names.get(device.ledger.slots[index].image_hash)

    # The same, be it damaged or not.
    def _running(self, device):
        running = device.running()
        return None if running is None else self.rules.names.get(running.image_hash)

    # A fault of the flash is said, and the device lives on.
    def _check_reported(self, device):
        verdict = device.ledger.verdict()
        # one more fault, and the journal did not take it
        if self.board.flash.fired < 2:
            must(verdict is not None and verdict.reason == FLASH_FAULT, "the fault is the verdict")
        console = ConsoleServer(device, Installer(device), lambda: False)
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
