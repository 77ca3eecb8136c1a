# What a device goes through while faults are put in its way: where it begins, and what is wanted of
# it. Each begins from the same octets every time, so that an operation has a number.

import flows
import rules
import small_releases
import state_before
from faultboard import MAPS, FaultBoard, settled_device
from simulation import Simulation

from hanbootloader.store import ledger
from hanbootloader.store.flash import Region
from hanbootloader.store.journal import Journal
from nor import SECTOR_BYTES

_JUNK = 9  # a journal key that the ledger does not use

# Octets left in the journal's sector when the scenario begins: the first, second, ... record that
# it needs is the one that has to move to a fresh sector. None: as many as there happen to be.
SPACES = (None, 0, 112, 320, 432, 544)


class Scenario:
    # about: in words. installed: releases, one after the other, before it begins. events: so many
    # more in the history. damaged: a cell of the confirmed image has lost a bit. rotated: the
    # manufacturer's key has a successor, named before the second release. activated: one that was
    # activated before that, and has yet to start. before: all of it is as the state before left it.
    # simulation: what is wanted
    def __init__(
        self,
        about,
        goal,
        installed=(),
        events=0,
        damaged=False,
        rotated=False,
        activated=None,
        before=False,
        **simulation,
    ):
        self.about = about
        self.goal = goal
        self.installed = installed
        self.events = events
        self.damaged = damaged
        self.rotated = rotated
        self.activated = activated
        self.before = before
        self.simulation = simulation


_NEXT_SUPPLIER = ("supplier", "manufacturer", "next supplier")
_NEXT_MANUFACTURER = ("supplier", "manufacturer", "next manufacturer")

SCENARIOS = {
    "provision": Scenario("cells of supplier and manufacturer, and the first application", "1.0.0"),
    "upgrade": Scenario("over an image that is kept to fall back to", "1.2.0", ("1.0.0", "1.1.0")),
    "revert": Scenario(
        "three starts of an application that never confirms; then one that does",
        "1.1.0",
        ("1.0.0",),
        bad_trials=True,
    ),
    "counter": Scenario(
        "the security counter rises", "2.0.0", ("1.0.0", "1.1.0"), confirm="counter"
    ),
    "no-return": Scenario(
        "the security counter rises, and nothing older may be kept",
        "2.1.0",
        ("1.0.0", "1.1.0"),
        confirm="counter",
    ),
    "history": Scenario(
        "a revert, and a history that is full: its oldest event goes",
        "1.1.0",
        ("1.0.0",),
        events=18,
        bad_trials=True,
        confirm="history",
    ),
    "anchor": Scenario(
        "a cell is replaced; then an upgrade", "1.1.0", ("1.0.0",), anchors=_NEXT_SUPPLIER
    ),
    "fall-back": Scenario(
        "the confirmed image is damaged, the one before it starts; then the upgrade again",
        "1.1.0",
        ("1.0.0", "1.1.0"),
        damaged=True,
        falls_back=True,
    ),
    "repair": Scenario(
        "the confirmed image is damaged, there is no other; it is sent again",
        "1.0.0",
        ("1.0.0",),
        damaged=True,
    ),
    "rescue": Scenario(
        "the confirmed image is damaged, there is no other; its successor is sent",
        "1.1.0",
        ("1.0.0",),
        damaged=True,
    ),
    "replace": Scenario(
        "an image is activated, and another one sent in its place",
        "2.1.0",
        ("1.0.0", "1.1.0"),
        held_first="2.0.0",
    ),
    "refusal": Scenario(
        "an image that may not follow, then one that may", "1.1.0", ("1.0.0",), offers_first="2.0.0"
    ),
    "short-lives": Scenario(
        "the confirmed application ends each of its starts; then an upgrade over the link alone",
        "1.1.0",
        ("1.0.0",),
        short_lives=True,
    ),
    "migrate": Scenario(
        "a device of the state before: its cells are written anew; then an upgrade",
        "1.1.0",
        ("1.0.0",),
        before=True,
    ),
    "rotate": Scenario(
        "the manufacturer's key has a successor: what it signed is refused; then an upgrade under "
        "the successor",
        "1.1.0 next",
        ("1.0.0",),
        anchors=_NEXT_MANUFACTURER,
        offers_first="1.1.0",
    ),
    "rotate-staged": Scenario(
        "what the key before the successor signed is activated, and must not start any more; then "
        "an upgrade under the successor",
        "1.1.0 next",
        ("1.0.0",),
        rotated=True,
        activated="1.1.0",
        anchors=_NEXT_MANUFACTURER,
    ),
    "rotate-revert": Scenario(
        "a trial under the successor fails: back to what the key before it signed; then again",
        "1.1.0 next",
        ("1.0.0",),
        rotated=True,
        anchors=_NEXT_MANUFACTURER,
        bad_trials=True,
    ),
    "rotate-back": Scenario(
        "what the successor signed is damaged, what the key before it signed starts; then the "
        "upgrade again",
        "1.1.0 next",
        ("1.0.0", "1.1.0 next"),
        rotated=True,
        damaged=True,
        anchors=_NEXT_MANUFACTURER,
        falls_back=True,
    ),
}

# How full the journal is when all pairs of faults are tried: each of the records of an upgrade is
# once the one that has to move, and the upgrade is there without a move, too.
PAIR_SPACES = {
    "provision": (None,),
    "upgrade": (None, 0, 432),
    "revert": (None,),
    "counter": (544,),
    "no-return": (544,),
    "anchor": (0,),
    "fall-back": (0,),
    "repair": (0,),
    "rescue": (544,),
    "replace": (None,),
    "refusal": (0,),
    "short-lives": (0,),
    "migrate": (None,),
    "rotate": (None,),
    "rotate-back": (None,),
}

# Most of their operations are another scenario's, too: two fillings of the journal are enough, and
# a quarter of the pairs.
VARIANTS = ("short-lives", "migrate", "rotate", "rotate-staged", "rotate-revert", "rotate-back")
_VARIANT_SPACES = (None, 0)


# The fillings of the journal that make a difference to the scenario called `name`.
def spaces_of(name):
    if name in VARIANTS:
        return _VARIANT_SPACES
    # on a blank device there is nothing to fill
    return (None,) if name == "provision" else SPACES


_begun = {}


# Octets of the flash that the scenario called `name` begins with. size: of the device (MAPS)
def beginning(name, size="", space=None):
    key = (name, size, space)
    if key not in _begun:
        _begun[key] = _begin(SCENARIOS[name], size, space)
    return _begun[key]


def _begin(scenario, size, space):
    board = FaultBoard(MAPS[size])
    prefix = small_releases.PREFIX if size else ""
    if scenario.installed:
        flows.cells.provision(settled_device(board))
    for release in scenario.installed[:1]:
        flows.install(board, prefix + release)
    if scenario.activated is not None:
        flows.activate(board, prefix + scenario.activated)
    if scenario.rotated:
        _rotate(board)
    for release in scenario.installed[1:]:
        flows.install(board, prefix + release)
    if scenario.before:
        state_before.leave(board, settled_device(board))
    journal = Journal(Region(*board.region("journal")))
    for _ in range(scenario.events):
        history = ledger.Ledger(journal)
        event = history._event(ledger.EVENT_REVERTED, 42, history.slots[1], history.slots[0])
        journal.append([event])
    if space is not None:
        _fill(board, journal, space)
    if scenario.damaged:
        damage(board)
    # whatever is done once at a first start is done; a migration is to be seen
    if not scenario.before:
        settled_device(board)
    return board.cells()


def _rotate(board):
    signature = flows.images.signature("next manufacturer, manufacturer")
    flows.cells.put(settled_device(board), "next manufacturer", signature)


# Appends what nobody reads until so many octets are left in the sector.
def _fill(board, journal, space):
    while True:
        left = _left(board)
        if left <= space:
            return
        # a record is 11 octets and its value, up to a multiple of 4
        journal.append([(_JUNK, b"\0" * (max(min(left - space, 800), 24) - 24 + 1))])
        if left - space < 24:
            return


# Octets of the journal's current sector that are erased.
def _left(board):
    octets = board.octets("journal")
    newest, left = 0, 0
    for at in range(0, len(octets), SECTOR_BYTES):
        generation = int.from_bytes(octets[at + 4 : at + 8], "little")
        if octets[at] == 0x53 and generation > newest:
            sector = octets[at : at + SECTOR_BYTES]
            used = SECTOR_BYTES
            while sector[used - 4 : used] == b"\xff" * 4:
                used -= 4
            newest, left = generation, SECTOR_BYTES - used
    return left


# A cell of the confirmed image's payload has lost a bit.
def damage(board):
    device = settled_device(board)
    index = device.ledger.find(ledger.CONFIRMED)
    first, _ = board.map["slot%d" % index]
    at = first * SECTOR_BYTES + device.ledger.slots[index].image_bytes - 1
    octet = board.flash.cells[at]
    board.flash.cells[at] = octet & (octet - 1)


# The simulation of a scenario; faults: what is to go wrong in it.
def simulation(name, size="", space=None, faults=()):
    if size == "kept-":
        # only here: MicroPython cannot unpack what is kept
        import kept_devices

        return kept_devices.simulation(name, faults)
    scenario = SCENARIOS[name]
    board = FaultBoard(MAPS[size], beginning(name, size, space), faults)
    prefix = small_releases.PREFIX if size else ""
    return Simulation(board, rules.of(prefix), scenario.goal, **scenario.simulation)
