# A case: one scenario, one to three faults. It has a name, and the name is all that it takes to run
# it again, on CPython or MicroPython:
#
#   upgrade/112@17.weak-new.0,3.prefix.1
#
#   upgrade      the scenario; small-upgrade: on the smallest device there can be; pair-upgrade:
#                with a journal of two sectors only; kept-pending: flash of an earlier hanboot
#   112          octets that are left in the journal's sector when it begins
#   17.weak-new.0    operation 17 of the scenario fails as weak-new, first draw
#   3.prefix.1       the third operation after that one, as prefix, second draw

import hashlib
from binascii import hexlify

import cyclic_releases
import long_run
import scenarios
import signatures
import small_releases
from nor_faults import ERASE_KINDS, PROGRAM_KINDS, parse_faults
from rules import Violation
from simulation import RESTARTS_MORE

_SIZES = ("small-", "pair-", "kept-")

_plain = {}


# To be called once, before any case.
def prepare():
    signatures.remember()
    small_releases.add()
    cyclic_releases.add()


# The device's own code, and its own releases, as they were.
def undo():
    signatures.forget()
    small_releases.remove()
    cyclic_releases.remove()
    forget_places()


# What is known of the way without a fault is found out anew.
def forget_places():
    _plain.clear()


class CaseResult:
    # phases: in which each fault happened. violation: text, None if all held
    def __init__(self, case, wanted):
        self.case = case
        self.wanted = wanted
        self.kind = ""  # where the case's name does not end with it
        self.phases = []
        self.violation = None
        self.restarts = 0
        self.flash_faults = 0
        self.unsettled = False
        self.cells = b""  # the flash in the end

    @property
    def fired(self):
        return len(self.phases)


# All that comes of a case, as a value: the same on CPython and MicroPython, down to the last cell.
def facts_of(case):
    if case.startswith(long_run.PLACE + "@"):
        return long_run.facts(long_run.live(case))
    return facts(run(case))


def facts(outcome):
    return [
        outcome.case,
        outcome.wanted,
        outcome.phases,
        outcome.violation,
        outcome.restarts,
        outcome.flash_faults,
        outcome.unsettled,
        hexlify(hashlib.sha256(outcome.cells).digest()).decode(),
    ]


# (scenario, size, space) of a name without its faults
def parse_place(place):
    name, _, space = place.partition("/")
    size = ""
    for prefix in _SIZES:
        if name.startswith(prefix):
            size, name = prefix, name[len(prefix) :]
    return name, size, int(space) if space else None


def place_of(name, size="", space=None):
    return size + name + ("" if space is None else "/%d" % space)


# What happens without a fault: (restarts, [(phase, operation, whether it changes a cell)])
def plain(place):
    if place not in _plain:
        simulation = scenarios.simulation(*parse_place(place))
        _plain[place] = operations_of(simulation)
    return _plain[place]


# Runs a simulation to its end; (restarts, operations) on the way.
def operations_of(simulation):
    found = []
    simulation.board.flash.watcher = lambda name, start, changes: found.append(
        (simulation.phase, name, changes)
    )
    simulation.run()
    return simulation.restarts, found


# The ways in which an operation can fail that differ. One that changes no cell cannot be torn; but
# an erase may leave anything even of an erased sector.
def kinds_of(operation):
    _, name, changes = operation
    if not changes:
        return ("not-started", "dropped") + (("mixed",) if name == "erase" else ())
    return PROGRAM_KINDS if name == "program" else ERASE_KINDS


# tell: is told what happens
def run(case, tell=None):
    place, _, text = case.partition("@")
    faults = parse_faults(text)
    simulation = _simulation(place, faults)
    if tell is not None:
        simulation.tell = tell
    return finish(simulation, CaseResult(case, len(faults)))


def _simulation(place, faults):
    simulation = scenarios.simulation(*parse_place(place), faults=faults)
    simulation.restarts_most = plain(place)[0] + RESTARTS_MORE * len(faults)
    return simulation


# Runs `simulation` to its end, and says in `outcome` how it went.
def finish(simulation, outcome):
    def on_fault(fault):
        outcome.phases.append(simulation.phase)
        simulation.tell("%s: fault %r" % (simulation.phase, fault))

    simulation.board.flash.on_fault = on_fault
    try:
        simulation.run()
    except Violation as violation:
        outcome.violation = violation.args[0]
    except Exception as error:
        # nothing but Refused is ever to be seen, and the simulation takes that
        outcome.violation = "%s while %s: %r" % (type(error).__name__, simulation.phase, error.args)
    outcome.restarts = simulation.restarts
    outcome.flash_faults = simulation.flash_faults
    outcome.unsettled = simulation.board.flash.is_unsettled
    outcome.cells = simulation.board.flash.cells
    return outcome


# Runs a simulation up to its first fault and the restart after it, and lets it be taken from there
# as often as wanted: a pair of faults then costs what comes after the first.
class Checkpoint:
    def __init__(self, place, fault):
        self._place = place
        self._faults = [fault]
        simulation = _simulation(place, self._faults)
        flash = simulation.board.flash
        self._phases = []
        flash.on_fault = lambda fault: self._phases.append(simulation.phase)
        # a fault that nobody sees does not end the run: nothing to go on from but the beginning
        self._begun = None
        if fault.kind != "dropped":
            while not flash.fired:
                simulation.run_once()
            self._begun = simulation

    # The same simulation again, with more to go wrong.
    def simulation(self, faults=()):
        faults = self._faults + list(faults)
        simulation = _simulation(self._place, faults)
        if self._begun is None:
            return simulation
        board = self._begun.board.copy()
        board.flash.faults = faults
        board.flash.fired = 1
        begun = self._begun.copy(board)
        begun.restarts_most = simulation.restarts_most
        return begun

    # What happens behind the first fault until the device has recovered from it: the operations up
    # to the end of the first start that nothing goes wrong in. From there on it is in a state that
    # other cases begin in.
    def operations(self):
        simulation = self.simulation()
        found = []

        def watch(name, start, changes):
            if simulation.board.flash.fired:
                found.append((simulation.phase, name, changes))

        simulation.board.flash.watcher = watch
        starts = 0
        while starts < 2:
            if simulation.board.flash.fired:
                starts += 1 if self._begun is None else 2
            if simulation.run_once():
                break
        return found

    # What happens behind a second fault until nothing is left to do.
    def operations_after(self, second):
        simulation = self.simulation((second,))
        found = []

        def watch(name, start, changes):
            if simulation.board.flash.fired == 2:
                found.append((simulation.phase, name, changes))

        simulation.board.flash.watcher = watch
        simulation.run()
        return found

    def run(self, *faults):
        case = "%s@%s" % (self._place, ",".join([repr(f) for f in self._faults + list(faults)]))
        outcome = CaseResult(case, 1 + len(faults))
        if self._begun is not None:
            outcome.phases = list(self._phases)
        return finish(self.simulation(faults), outcome)
