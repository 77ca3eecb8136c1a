# The life of one device, sampled: upgrades without end, and whatever gets in their way. Called
# by its seed and its number, soak@1.17, which is all that it takes to live it again, on CPython or
# MicroPython.

import hashlib
from binascii import hexlify

import cyclic_releases
import scenarios
from faultboard import MAPS, FaultBoard, settled_device
from nor_faults import ERASE_KINDS, PROGRAM_KINDS, Dice, Fault
from rules import Violation
from simulation import RESTARTS_MORE, Simulation

from hanbootloader.store import ledger

PLACE = "soak"
UPGRADES = 40

_WITHIN = 40  # operations from one fault to the next, at most
_RESTARTS = 12  # of an upgrade over two steps, with a trial that fails


# A fault that hits whatever comes: its kind is one of those that the operation has.
class _AnyFault(Fault):
    def kind_of(self, name):
        kinds = PROGRAM_KINDS if name == "program" else ERASE_KINDS
        return kinds[self.kind % len(kinds)]

    def __repr__(self):
        return "%d.any%d.%d" % (self.operation, self.kind, self.number)


class Life:
    # tell: is told what happens
    def __init__(self, case, tell=None):
        self.case = case
        self.upgrades = self.faults = self.damaged = self.refused = self.reverted = 0
        self.is_unsettled = False
        self.violation = None
        self._dice = Dice(case)
        self._rules = cyclic_releases.rules()
        self._board = FaultBoard(MAPS[self._dice.choice(sorted(MAPS))])
        self.simulation = Simulation(self._board, self._rules, "first")
        if tell is not None:
            self.simulation.tell = tell

    def live(self):
        try:
            while self.upgrades < UPGRADES and not self.is_unsettled:
                self._upgrade()
        except Violation as violation:
            self.violation = violation.args[0]
        except Exception as error:
            self.violation = "%s while %s: %r" % (
                type(error).__name__,
                self.simulation.phase,
                error.args,
            )
        self.cells = self._board.flash.cells
        return self

    def _upgrade(self):
        dice, simulation, flash = self._dice, self.simulation, self._board.flash
        self._want()
        count = dice.choice((0, 1, 1, 2, 3))
        flash.faults = [
            _AnyFault(dice.below(_WITHIN), dice.below(64), dice.below(1000)) for _ in range(count)
        ]
        flash.fired = flash.operations = 0
        flash.on_fault = lambda fault: simulation.tell("%s: fault %r" % (simulation.phase, fault))
        simulation.restarts_most = simulation.restarts + _RESTARTS + RESTARTS_MORE * count
        simulation.run()
        simulation.falls_back = simulation.bad_trials = False
        self.upgrades += 1
        self.faults += flash.fired
        self.is_unsettled = flash.is_unsettled
        flash.faults = []  # what did not happen until then

    # What client, application and time do next.
    def _want(self):
        dice, simulation = self._dice, self.simulation
        device = settled_device(self._board)
        running = simulation.confirmed(device)
        if running is None:
            return
        simulation.goal = dice.choice([goal for goal in cyclic_releases.GOALS if goal != running])
        simulation.bad_trials = dice.below(4) == 0
        self.reverted += simulation.bad_trials
        if dice.below(8) == 0 and device.ledger.find(ledger.PREVIOUS) >= 0:
            scenarios.damage(self._board)
            simulation.falls_back = True
            self.damaged += 1
        elif dice.below(4) == 0:
            simulation.offers_first = dice.choice(cyclic_releases.refused_over(running))
            self.refused += 1
        simulation.tell(
            "%s over %s%s%s"
            % (
                simulation.goal,
                running,
                ", its first trial fails" if simulation.bad_trials else "",
                ", what runs is damaged" if simulation.falls_back else "",
            )
        )


def live(case, tell=None):
    return Life(case, tell).live()


# All that came of a life, as a value.
def facts(lived):
    return [
        lived.case,
        lived.upgrades,
        lived.faults,
        lived.simulation.restarts,
        lived.violation,
        hexlify(hashlib.sha256(lived.cells).digest()).decode(),
    ]
