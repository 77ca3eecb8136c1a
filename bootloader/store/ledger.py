# What the device remembers of its firmware: the state of each slot, trial attempts, security
# counter, last verdict and upgrade history. Every transition is one journal record, so a power
# cut leaves the state before it or the state after it. Security counter, lock and the highest
# sequences of the trust anchors have a second home (backup.py), written after the journal; of two
# that differ the higher one counts.
#
#   EMPTY -> STAGED -> PENDING -> TRIAL -> CONFIRMED -> PREVIOUS
#                                  |           `-> DAMAGED
#                                  `-> REVERTED
#
# EMPTY also stands for a slot that is being written. At most one slot is CONFIRMED (or DAMAGED):
# what runs, unless the other is on TRIAL. The store knows nothing of images: it keeps what it is
# told.

import hashlib
import struct

from hanbootloader.compat import const
from hanbootloader.reasons import Refused
from hanbootloader.store.backup import pack_sequences, unpack_sequences
from hanbootloader.store.journal import HISTORY

if __debug__:  # in annotations alone
    from hanbootloader.store.backup import Backup
    from hanbootloader.store.journal import Journal

# fmt: off
# states of a slot
EMPTY      = const(0)
STAGED     = const(1)  # verified, allowed, waiting for activation
PENDING    = const(2)  # activated, starts at the next boot
TRIAL      = const(3)  # started, not confirmed
CONFIRMED  = const(4)
PREVIOUS   = const(5)  # was confirmed before the one that is now
REVERTED   = const(6)  # its trial failed
DAMAGED    = const(7)  # confirmed, but it verifies no longer

# events of the history
EVENT_CONFIRMED = const(1)
EVENT_REVERTED  = const(2)
EVENT_FELL_BACK = const(3)  # a damaged slot: back to the previous image
# and what is no part of it
EVENT_DAMAGED       = const(4)  # a damaged slot, and nothing before it
EVENT_NOT_ACTIVATED = const(5)  # asked for, and refused
EVENT_NOT_STARTED   = const(6)  # activated, and its start cannot be counted

# journal keys
_STATE      = const(1)
_VERDICT    = const(2)  # what _OFFER was before it named models
_LAST_EVENT = const(3)  # what has happened to an image since; empty where nothing has
_LIVES      = const(4)  # starts in a row of the confirmed application that did not last
_SEQUENCES  = const(5)  # highest sequence of each trust anchor
_OFFER      = const(6)  # the last refusal or acceptance of an offered image

ACCEPTS_KEPT = const(8)  # predecessors that a stored verdict names
# fmt: on

_SLOT = "<BBIII32s"  # state, point of no return, file version, image octets, counter, image hash
_SLOT_BYTES = const(46)
_TAIL = "<BBIB"  # trial attempts, how the last one ended, security counter, anchors locked
_EVENT = "<IBBBI32sI32s32s"  # index, event, reason, from known, from, to, hash of the one before
_VERDICT_HEAD = "<BiIB32sBI32sIB"
_MODEL = "<BHHHH"  # known, manufacturer code, image type, hardware versions
_MODEL_BYTES = const(9)
_ACCEPT = "<IB32s"
_ACCEPT_BYTES = const(37)
_OFFSET_MAX = const(0x7FFFFFFF)
_NO_HASH = bytes(32)
_NO_MODEL = (0, 0, 0, 0)


class SlotRecord:
    # image_hash: Manufacturer Image Hash, all zero while the slot is EMPTY
    def __init__(
        self,
        state: int = EMPTY,
        point_of_no_return: bool = False,
        file_version: int = 0,
        image_bytes: int = 0,
        security_counter: int = 0,
        image_hash: bytes = _NO_HASH,
    ) -> None:
        self.state = state
        self.point_of_no_return = point_of_no_return
        self.file_version = file_version
        self.image_bytes = image_bytes
        self.security_counter = security_counter
        self.image_hash = image_hash

    def pack(self) -> bytes:
        return struct.pack(
            _SLOT,
            self.state,
            self.point_of_no_return,
            self.file_version,
            self.image_bytes,
            self.security_counter,
            self.image_hash,
        )


def _unpack_slot(octets: "bytes | memoryview") -> SlotRecord:
    fields = struct.unpack_from(_SLOT, octets, 0)
    return SlotRecord(fields[0], bool(fields[1]), *fields[2:])


class VerdictRecord:
    # The last word on an offered image, with the remedy. offered_hash and running_hash: None where
    # not known, or nothing runs. accepts: (file_version, hash or None), the first ACCEPTS_KEPT of
    # accepts_total; what would be accepted in place of what runs. offered_model: manufacturer code,
    # image type, lowest and highest hardware version of the OTA Header; None where it was not read.
    def __init__(
        self,
        reason: int,
        offset: int,
        offered_version: int,
        offered_hash: "bytes | None",
        running_version: int,
        running_hash: "bytes | None",
        minimum_base_version: int = 0,
        accepts: "tuple[tuple[int, bytes | None], ...]" = (),
        accepts_total: int = 0,
        offered_model: "tuple[int, int, int, int] | None" = None,
    ) -> None:
        self.reason = reason
        self.offset = offset
        self.offered_version = offered_version
        self.offered_hash = offered_hash
        self.running_version = running_version
        self.running_hash = running_hash
        self.minimum_base_version = minimum_base_version
        self.accepts = accepts
        self.accepts_total = accepts_total
        self.offered_model = offered_model

    def pack(self) -> bytes:
        head = struct.pack(
            _VERDICT_HEAD,
            self.reason,
            # an image may name keys and lengths that no file has
            min(self.offset, _OFFSET_MAX),
            self.offered_version,
            self.offered_hash is not None,
            self.offered_hash or _NO_HASH,
            self.running_hash is not None,
            self.running_version,
            self.running_hash or _NO_HASH,
            self.minimum_base_version,
            min(self.accepts_total, 255),
        )
        model = struct.pack(
            _MODEL, self.offered_model is not None, *(self.offered_model or _NO_MODEL)
        )
        return (
            head
            + model
            + b"".join(
                [
                    struct.pack(_ACCEPT, version, digest is not None, digest or _NO_HASH)
                    for version, digest in self.accepts[:ACCEPTS_KEPT]
                ]
            )
        )


# has_model: False for a record of the format before
def _unpack_verdict(octets: "bytes | memoryview", has_model: bool = True) -> VerdictRecord:
    fields = struct.unpack_from(_VERDICT_HEAD, octets, 0)
    start, model = struct.calcsize(_VERDICT_HEAD), None
    if has_model:
        model = struct.unpack_from(_MODEL, octets, start)
        start += _MODEL_BYTES
    accepts = []
    for at in range(start, len(octets), _ACCEPT_BYTES):
        version, known, digest = struct.unpack_from(_ACCEPT, octets, at)
        accepts.append((version, digest if known else None))
    return VerdictRecord(
        fields[0],
        fields[1],
        fields[2],
        fields[4] if fields[3] else None,
        fields[6],
        fields[7] if fields[5] else None,
        fields[8],
        tuple(accepts),
        fields[9],
        model[1:] if model and model[0] else None,
    )


def _pack_event(event: int, verdict: VerdictRecord) -> bytes:
    return bytes((event,)) + verdict.pack()


def _unpack_event(octets: "bytes | None") -> "tuple[int, VerdictRecord] | None":
    return (octets[0], _unpack_verdict(octets[1:])) if octets else None


class Event:
    # One entry of the upgrade history. chain: SHA-256 of the entry before, zeros for the first.
    def __init__(self, octets: "bytes | memoryview") -> None:
        fields = struct.unpack_from(_EVENT, octets, 0)
        self.index, self.event, self.reason = fields[0], fields[1], fields[2]
        self.from_version = fields[4]
        self.from_hash = fields[5] if fields[3] else None
        self.to_version, self.to_hash, self.chain = fields[6], fields[7], fields[8]


class Ledger:
    # backup: None where there is no second home
    def __init__(self, journal: "Journal", backup: "Backup | None" = None) -> None:
        self._journal = journal
        self._backup = backup
        # A verdict on the device rather than on an image, and an event that changed nothing:
        # reported until the next one or the next change, and not kept in flash. Packed, as the
        # journal has them: what a client can make a device keep is bounded by that.
        self.transient: "bytes | None" = None
        self.transient_event: "bytes | None" = None
        self._load()
        self._restore()

    def _load(self) -> None:
        self.slots = [SlotRecord(), SlotRecord()]
        self.attempts = 0
        self.security_counter = 0
        self.trial_reason = 0  # how the last start of the image on trial ended, if known
        self.is_locked = False  # the trust anchors were provisioned
        state = self._journal.latest(_STATE)
        if state is not None:
            self.slots = [_unpack_slot(state), _unpack_slot(state[_SLOT_BYTES:])]
            tail = struct.unpack_from(_TAIL, state, 2 * _SLOT_BYTES)
            self.attempts, self.trial_reason, self.security_counter = tail[:3]
            self.is_locked = bool(tail[3])
        lives = self._journal.latest(_LIVES)
        self.short_lives = lives[0] if lives else 0
        # of a trust anchor, by its identity (trust/anchors.py)
        self.sequences = unpack_sequences(self._journal.latest(_SEQUENCES) or b"")
        backup = self._backup
        if backup is not None:
            self.security_counter = max(self.security_counter, backup.security_counter)
            self.is_locked = self.is_locked or backup.is_locked
            for identity, sequence in backup.sequences.items():
                self.sequences[identity] = max(sequence, self.sequences.get(identity, 0))
            if not self._journal.is_in_doubt:
                self._back_up()

    # A journal that lost what its second home still has gets it back: else the loss of that home,
    # however much later, would be for good.
    def _restore(self) -> None:
        journal = self._journal
        state, sequences = journal.latest(_STATE), pack_sequences(self.sequences)
        tail = (0, 0, 0, 0) if state is None else struct.unpack_from(_TAIL, state, 2 * _SLOT_BYTES)
        is_whole = tail[2:] == (self.security_counter, int(self.is_locked))
        if is_whole and (journal.latest(_SEQUENCES) or b"") == sequences:
            return
        try:
            self._save([(_SEQUENCES, sequences)])
        except Refused:
            pass  # the backup has it; the next start tries again

    def _back_up(self) -> None:
        if self._backup is not None:
            self._backup.keep(self.security_counter, self.is_locked, self.sequences)

    # --- questions

    # Index of the slot in `state`, -1 if none is.
    def find(self, state: int) -> int:
        for index in (0, 1):
            if self.slots[index].state == state:
                return index
        return -1

    # The slot that the next image is written to; -1 while a trial needs both.
    def free_slot(self) -> int:
        if self.find(TRIAL) >= 0:
            return -1
        return 1 if self.confirmed() == 0 else 0

    # The slot of the device's firmware, damaged or not; -1 if it has none.
    def confirmed(self) -> int:
        index = self.find(CONFIRMED)
        return index if index >= 0 else self.find(DAMAGED)

    # Hash of the image in `index` if a key that was replaced may still vouch for it: what was
    # confirmed once, and nothing that has yet to be.
    def vouched_hash(self, index: int) -> "bytes | None":
        slot = self.slots[index]
        return slot.image_hash if slot.state in (CONFIRMED, PREVIOUS, DAMAGED) else None

    # The slot that holds an image waiting for activation, or activated; -1 if there is none.
    def held(self) -> int:
        staged = self.find(STAGED)
        return staged if staged >= 0 else self.find(PENDING)

    # The last verdict on an offered image. No command but an upload changes it, and no trial.
    def offer(self) -> "VerdictRecord | None":
        octets = self.transient or self._journal.latest(_OFFER)
        if octets:
            return _unpack_verdict(octets)
        octets = self._journal.latest(_VERDICT)
        return _unpack_verdict(octets, False) if octets else None

    # What has happened to an image since that verdict: (event, verdict), None if nothing has.
    def last_event(self) -> "tuple[int, VerdictRecord] | None":
        return _unpack_event(self.transient_event or self._journal.latest(_LAST_EVENT))

    # The last word on an image, for people: no stray command has it.
    def verdict(self) -> "VerdictRecord | None":
        kept = _unpack_event(self._journal.latest(_LAST_EVENT))
        return kept[1] if kept and self.transient is None else self.offer()

    # The events that are kept, oldest first.
    def history(self) -> "list[Event]":
        return [Event(octets) for _, octets in self._journal.history()]

    # --- what is reported, and changes nothing

    def report(self, verdict: VerdictRecord) -> None:
        self.transient = verdict.pack()

    def report_event(self, event: int, verdict: VerdictRecord) -> None:
        self.transient_event = _pack_event(event, verdict)

    # --- transitions, each one record

    # The trust anchors are there: no caller provisions this device again. sequences: of theirs, by
    # identity; none below them counts again.
    def keep_anchors(self, sequences: "dict[int, int]") -> None:
        highest = dict(self.sequences)
        for identity, sequence in sequences.items():
            highest[identity] = max(sequence, highest.get(identity, 0))
        entries = []
        if highest != self.sequences:
            entries.append((_SEQUENCES, pack_sequences(highest)))
        if entries or not self.is_locked:
            self.sequences = highest
            self.is_locked = True
            self._save(entries)

    def empty(self, index: int) -> None:
        if self.slots[index].state != EMPTY:
            self.slots[index] = SlotRecord()
            self._save([])

    def stage(self, index: int, slot: SlotRecord, verdict: VerdictRecord) -> None:
        slot.state = STAGED
        self.slots[index] = slot
        self._save(self._offer_entries(verdict.pack()))

    def activate(self, index: int) -> None:
        self.slots[index].state = PENDING
        self._save([])

    # One more start of the image in `index`, counted before it happens.
    def count_attempt(self, index: int) -> None:
        if self.slots[index].state != TRIAL:
            self.slots[index].state = TRIAL
            self.attempts = 0
            self.trial_reason = 0
        self.attempts += 1
        self._save([])

    # Keeps how a start of the image on trial ended, for the verdict if it is reverted.
    def note_trial(self, reason: int) -> None:
        if self.trial_reason != reason:
            self.trial_reason = reason
            self._save([])

    # Starts in a row of the confirmed application that did not last, this one among them until it
    # does. The same number twice costs no flash.
    def keep_short_lives(self, count: int) -> None:
        if self.short_lives != count:
            self._journal.append([(_LIVES, bytes((count,)))])
            self.short_lives = count

    # The image on trial is the device's firmware from here on. Only now does the counter rise.
    def confirm(self, index: int) -> None:
        confirmed = self.slots[index]
        older = self.slots[1 - index]
        source = older if older.state in (CONFIRMED, DAMAGED) else SlotRecord()
        event = self._event(EVENT_CONFIRMED, 0, source, confirmed)
        confirmed.state = CONFIRMED
        if older.state == CONFIRMED:
            older.state = PREVIOUS
        # behind a point of no return nothing older may start again
        if confirmed.point_of_no_return or older.state != PREVIOUS:
            self.slots[1 - index] = SlotRecord()
        self.security_counter = max(self.security_counter, confirmed.security_counter)
        self.attempts = 0
        entries = [event]
        if self.short_lives:
            self.short_lives = 0
            entries.append((_LIVES, b"\0"))
        self._save(entries)

    # The image in `index` failed its trial, or may not start: back to the confirmed one.
    def revert(self, index: int, verdict: VerdictRecord) -> None:
        failed = self.slots[index]
        event = self._event(EVENT_REVERTED, verdict.reason, failed, self.slots[1 - index])
        failed.state = REVERTED
        self.attempts = 0
        self._save([event, (_LAST_EVENT, _pack_event(EVENT_REVERTED, verdict))])

    # The confirmed image no longer verifies; the one before it takes its place.
    def fall_back(self, index: int, verdict: VerdictRecord) -> None:
        damaged = self.slots[1 - index]
        event = self._event(EVENT_FELL_BACK, verdict.reason, damaged, self.slots[index])
        self.slots[1 - index] = SlotRecord()
        self.slots[index].state = CONFIRMED
        self._save([event, (_LAST_EVENT, _pack_event(EVENT_FELL_BACK, verdict))])

    # The confirmed image no longer verifies, and nothing may take its place but itself.
    def damage(self, index: int, verdict: VerdictRecord) -> None:
        if self.slots[index].state != DAMAGED:
            self.slots[index].state = DAMAGED
            self._save([(_LAST_EVENT, _pack_event(EVENT_DAMAGED, verdict))])

    # It does verify, after all.
    def repair(self, index: int) -> None:
        if self.slots[index].state != CONFIRMED:
            self.slots[index].state = CONFIRMED
            self._save([])

    # Keeps the verdict on an offered image; the same one twice costs no flash.
    def record(self, verdict: VerdictRecord) -> None:
        self.transient = self.transient_event = None
        octets = verdict.pack()
        entries = self._offer_entries(octets)
        if len(entries) > 1 or self._journal.latest(_OFFER) != octets:
            self._journal.append(entries)

    # A new verdict ends what was said of the one before.
    def _offer_entries(self, octets: bytes) -> "list[tuple[int, bytes]]":
        stale = [(key, b"") for key in (_VERDICT, _LAST_EVENT) if self._journal.latest(key)]
        return [(_OFFER, octets)] + stale

    def _save(self, entries: "list[tuple[int, bytes]]") -> None:
        self.transient = self.transient_event = None
        state = self.slots[0].pack() + self.slots[1].pack()
        state += struct.pack(
            _TAIL, self.attempts, self.trial_reason, self.security_counter, self.is_locked
        )
        try:
            self._journal.append([(_STATE, state)] + entries)
        except Refused:
            # what could not be written did not happen
            self._load()
            raise
        self._back_up()

    def _event(
        self, event: int, reason: int, source: SlotRecord, target: SlotRecord
    ) -> "tuple[int, bytes]":
        history = self._journal.history()
        chain, index = _NO_HASH, 0
        if history:
            chain = hashlib.sha256(history[-1][1]).digest()
            index = Event(history[-1][1]).index + 1
        octets = struct.pack(
            _EVENT,
            index,
            event,
            reason,
            source.state != EMPTY,
            source.file_version,
            source.image_hash,
            target.file_version,
            target.image_hash,
            chain,
        )
        return (HISTORY, octets)
