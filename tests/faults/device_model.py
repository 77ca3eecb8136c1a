"""What a device may do, written down a second time, as plainly as can be: no flash, no octets, no
code of the device. test_device_model.py plays it against a whole device.

A release is its name. What it may follow stands here as a table of names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hanbootloader import reasons

#: Release -> what it may follow; None is a device without an application.
FOLLOWS: dict[str, tuple[str | None, ...]] = {
    "1.0.0": (None,),
    "1.1.0": ("1.0.0",),
    "1.1.0 rebuilt": ("1.0.0",),
    # names the hash of one of the two builds
    "1.2.0": ("1.1.0",),
    "2.0.0": ("1.1.0", "1.1.0 rebuilt"),
    "2.1.0": ("1.1.0", "1.1.0 rebuilt", "2.0.0"),
    "stranger's": ("1.0.0",),
    "forged": ("1.0.0",),
}
#: File Versions that the name does not tell.
VERSIONS = {"1.1.0 rebuilt": "1.1.0", "stranger's": "1.1.0", "forged": "1.1.0"}
COUNTERS = {"2.0.0": 2, "2.1.0": 2}  # others: 1
#: What 2.0.0 asks of whatever runs: at least version 1.1.
TOO_OLD_FOR = {"2.0.0": (None, "1.0.0")}
BADLY_SIGNED = {
    "stranger's": reasons.UNKNOWN_SIGNER,
    "forged": reasons.MANUFACTURER_SIGNATURE,
}
NO_RETURN = ("2.1.0",)
STARTS = 3

#: What is wrong with a file besides -> (reason, whether that is seen before anything is erased)
SPOILT = {
    "manufacturer code": (reasons.MANUFACTURER_CODE, True),
    "file version": (reasons.HEADER_MISMATCH, True),
    "payload": (reasons.PAYLOAD_HASH, False),
}


def _version(name: str | None) -> str | None:
    return None if name is None else VERSIONS.get(name, name)


@dataclass
class Slot:
    name: str
    state: str
    #: some of its octets have changed in flash
    is_bad: bool = False


@dataclass
class Model:
    is_provisioned: bool = False
    supplier: int = 0
    slots: list[Slot | None] = field(default_factory=lambda: [None, None])
    attempts: int = 0
    how_it_ended: int = 0
    counter: int = 0
    events: int = 0
    #: of the kept verdict
    reason: int | None = None
    #: of what happened to an image since
    event: int | None = None
    #: reported until the next verdict, change or restart: in place of the verdict, of the event
    transient: int | None = None
    transient_event: int | None = None
    started: int | None = None

    # --- questions

    def find(self, *states: str) -> int | None:
        for index, slot in enumerate(self.slots):
            if slot is not None and slot.state in states:
                return index
        return None

    @property
    def running(self) -> str | None:
        index = self.find("confirmed", "damaged")
        return None if index is None else self._at(index).name

    @property
    def held(self) -> int | None:
        return self.find("staged", "pending")

    @property
    def told(self) -> int | None:
        return self.reason if self.transient is None else self.transient

    @property
    def told_event(self) -> int | None:
        return self.event if self.transient_event is None else self.transient_event

    @property
    def last_word(self) -> int | None:
        """That is kept."""
        return self.reason if self.event is None else self.event

    def changed(self) -> None:
        """Something is written: what was not kept is gone."""
        self.transient = self.transient_event = None

    def is_on_trial(self) -> bool:
        return self.started is not None and self._at(self.started).state == "trial"

    def _at(self, index: int) -> Slot:
        slot = self.slots[index]
        assert slot is not None
        return slot

    # --- what is offered

    def check_early(self, name: str, spoilt: str | None) -> int:
        """Why it is refused before anything is erased; 0 if it is not."""
        if spoilt is not None and SPOILT[spoilt][1]:
            return SPOILT[spoilt][0]
        running = self.running
        damaged = self.find("damaged")
        if name == running:
            return 0 if damaged is not None else reasons.ALREADY_RUNNING
        # what has the version of a damaged image may be its cure: the hash tells in the end
        if damaged is not None and _version(name) == _version(running):
            return BADLY_SIGNED.get(name, 0)
        return self.check_pathway(name) or BADLY_SIGNED.get(name, 0)

    def check_pathway(self, name: str) -> int:
        if self.running in TOO_OLD_FOR.get(name, ()):
            return reasons.BELOW_MINIMUM_BASE
        if self.running not in FOLLOWS[name]:
            return reasons.NOT_A_PREDECESSOR
        if COUNTERS.get(name, 1) < self.counter:
            return reasons.SECURITY_COUNTER
        return 0

    def takes_none(self) -> int:
        """Why the device takes no image at all; 0 if it does."""
        if not self.is_provisioned:
            return reasons.NOT_PROVISIONED
        return reasons.TRIAL_RUNNING if self.find("trial") is not None else 0

    def begin(self) -> int:
        reason = self.takes_none()
        if reason:
            self.transient = reason
        return reason

    def refuse(self, reason: int) -> None:
        self.reason, self.event = reason, None
        self.changed()

    def lose_other(self) -> None:
        """The other slot is written to."""
        if self.slots[self.other()] is not None:
            self.changed()
        self.slots[self.other()] = None

    def other(self) -> int:
        return 1 if self.find("confirmed", "damaged") == 0 else 0

    def arrived(self, name: str, spoilt: str | None) -> int:
        """All octets are there, and the front of it was allowed."""
        reason = 0
        # what is spoilt has another hash: no cure for a damaged image, but one that must follow it
        if spoilt is not None or name != self.running:
            reason = self.check_pathway(name)
        if spoilt is not None:
            reason = reason or SPOILT[spoilt][0]
        self.refuse(reason)
        if not reason:
            self.slots[self.other()] = Slot(name, "staged")
        return reason

    # --- what is asked

    def activate(self, name: str | None) -> int:
        """name: None for a hash that nothing has."""
        held = self.held
        if held is None:
            self.transient_event = reasons.NO_IMAGE_HELD
        elif self._at(held).name != name:
            self.transient_event = reasons.HASH_MISMATCH
        else:
            if self._at(held).state == "staged":
                self.changed()
            self._at(held).state = "pending"
            return 0
        return self.transient_event

    def erase(self) -> None:
        if self.held is not None:
            self.slots[self.held] = None
            self.changed()

    def confirm(self) -> bool:
        if self.started is None:
            return False
        if not self.is_on_trial():
            return True
        new, old_index = self._at(self.started), 1 - self.started
        old = self.slots[old_index]
        new.state = "confirmed"
        if old is not None and old.state == "confirmed" and new.name not in NO_RETURN:
            old.state = "previous"
        else:
            self.slots[old_index] = None
        self.counter = max(self.counter, COUNTERS.get(new.name, 1))
        self.attempts = 0
        self.events += 1
        self.changed()
        return True

    # --- starts

    def note(self, reason: int) -> None:
        if self.how_it_ended != reason:
            self.how_it_ended = reason
            self.changed()

    def restart(self, hung: bool) -> None:
        self.changed()
        self.started = None
        if not self.is_provisioned:
            return
        trial = self.find("trial")
        if trial is not None:
            if hung:
                self.note(reasons.TRIAL_HUNG)
            if self.attempts >= STARTS:
                self._revert(trial, self.how_it_ended or reasons.TRIAL_NOT_STARTED)
                trial = None
        else:
            trial = self.find("pending")
            if trial is not None:
                self.attempts, self.how_it_ended = 0, 0
        if trial is not None:
            if not self._at(trial).is_bad:
                self._at(trial).state = "trial"
                self.attempts += 1
                self.started = trial
                return
            self._revert(trial, reasons.PAYLOAD_HASH)
        self._start_confirmed()

    def _revert(self, index: int, reason: int) -> None:
        self._at(index).state = "reverted"
        self.attempts = 0
        self.events += 1
        self.event = reason

    def _start_confirmed(self) -> None:
        index = self.find("confirmed", "damaged")
        if index is None:
            return
        if not self._at(index).is_bad:
            self._at(index).state = "confirmed"
            self.started = index
            return
        older = self.slots[1 - index]
        if older is not None and older.state == "previous" and not older.is_bad:
            if COUNTERS.get(older.name, 1) >= self.counter:
                older.state = "confirmed"
                self.slots[index] = None
                self.events += 1
                self.event = reasons.SLOT_DAMAGED
                self.started = 1 - index
                return
        if self._at(index).state != "damaged":
            self.event = reasons.SLOT_DAMAGED
        self._at(index).state = "damaged"
