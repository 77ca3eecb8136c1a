# What the HAN side remembers across restarts, in sectors of its own so that its traffic does not
# wear the journal: originator counters, the activation that waits for its date, the outcomes that
# are still to be reported, and how far a download has come.
#
# The store knows nothing of GBCS: hashes, times and outcomes are bytes that it keeps. Every call
# that changes something is one record: it holds as a whole afterwards, or not at all. A region in
# doubt (doubts.py) takes nothing at this start: Refused(FLASH_FAULT), and the device is to restart.

import struct

from hanbootloader.compat import const
from hanbootloader.reasons import FLASH_FAULT, Refused
from hanbootloader.store.doubts import HAN, TRANSFER
from hanbootloader.store.journal import Journal

if __debug__:  # in annotations alone
    from hanbootloader.store.doubts import Doubts
    from hanbootloader.store.flash import Region

# fmt: off
ORIGINATORS_MOST = const(8)   # entities whose counters are kept
OUTCOMES_MOST    = const(8)   # outcomes that wait to be reported
OUTCOME_BYTES    = const(160) # of one, at most

# keys of the journal in "han"
_ACTIVATION = const(1)
_OUTCOMES   = const(2)
_TIME       = const(3)
_COUNTER    = const(0x10)     # and ORIGINATORS_MOST - 1 behind it
# keys of the journal in "transfer"
_DOWNLOAD   = const(1)
_OFFSET     = const(2)
# fmt: on

_ORIGINATOR = "<8sQ"  # EUI-64, highest counter


# A record of the future-dated activation: what CS06 gives (GBCS 11.5).
class Activation:
    # image_hash: 32 bytes; counter: the originator's; time: seconds since 2000-01-01 UTC, as ZCL
    # counts them; originator: EUI-64
    def __init__(self, image_hash: bytes, counter: int, time: int, originator: bytes) -> None:
        self.image_hash = image_hash
        self.counter = counter
        self.time = time
        self.originator = originator


_ACTIVATION_FIELDS = "<32sQI8s"


class HanRecords:
    def __init__(self, region: "Region", doubts: "Doubts") -> None:
        self._journal = Journal(region, lambda is_failed: doubts.weigh(HAN, is_failed))

    # The highest counter seen from `originator`; -1 if none was.
    def originator_counter(self, originator: bytes) -> int:
        for key in range(_COUNTER, _COUNTER + ORIGINATORS_MOST):
            kept = self._journal.latest(key)
            if kept is not None:
                entity, counter = struct.unpack(_ORIGINATOR, kept)
                if entity == originator:
                    return counter  # type: ignore[no-any-return]
        return -1

    # Keeps `counter`, before what came with it is acted upon. Whether it is above the one that is
    # kept: nothing is written, and nothing to be done, where it is not.
    def raise_originator_counter(self, originator: bytes, counter: int) -> bool:
        free = -1
        for key in range(_COUNTER, _COUNTER + ORIGINATORS_MOST):
            kept = self._journal.latest(key)
            if kept is None:
                if free < 0:
                    free = key
                continue
            entity, highest = struct.unpack(_ORIGINATOR, kept)
            if entity == originator:
                if counter <= highest:
                    return False
                free = key
                break
        # one more entity than there is room for must not push out a counter
        if free < 0:
            raise Refused(FLASH_FAULT)
        self._journal.append([(free, struct.pack(_ORIGINATOR, originator, counter))])
        return True

    # The activation that waits for its date; None if none does.
    def activation(self) -> "Activation | None":
        kept = self._journal.latest(_ACTIVATION)
        if not kept:
            return None
        digest, counter, time, originator = struct.unpack(_ACTIVATION_FIELDS, kept)
        return Activation(digest, counter, time, originator)

    # The activation that waits is now this one, or none, and there is one more outcome: both
    # together, so that no activation is lost between the two, and none is done twice.
    def replace_activation(self, activation: "Activation | None", outcome: bytes) -> None:
        outcomes = (self.outcomes() + [outcome])[-OUTCOMES_MOST:]
        self._journal.append(
            [(_ACTIVATION, _pack_activation(activation)), (_OUTCOMES, _pack_outcomes(outcomes))]
        )

    # The network's time that was known last, seconds since 2000-01-01 UTC; None if none was.
    def time(self) -> "int | None":
        kept = self._journal.latest(_TIME)
        return int.from_bytes(kept, "little") if kept else None

    def keep_time(self, seconds: int) -> None:
        self._journal.append([(_TIME, seconds.to_bytes(4, "little"))])

    # What is to be reported, oldest first.
    def outcomes(self) -> "list[bytes]":
        kept = self._journal.latest(_OUTCOMES) or b""
        found, at = [], 0
        while at < len(kept):
            length = kept[at]
            found.append(bytes(kept[at + 1 : at + 1 + length]))
            at += 1 + length
        return found

    # One more. Where OUTCOMES_MOST wait already, the oldest goes.
    def add_outcome(self, outcome: bytes) -> None:
        self.set_outcomes((self.outcomes() + [outcome])[-OUTCOMES_MOST:])

    # All that is to be reported, in place of what was.
    def set_outcomes(self, outcomes: "list[bytes]") -> None:
        self._journal.append([(_OUTCOMES, _pack_outcomes(outcomes))])


def _pack_activation(activation: "Activation | None") -> bytes:
    if activation is None:
        return b""
    return struct.pack(
        _ACTIVATION_FIELDS,
        activation.image_hash,
        activation.counter,
        activation.time,
        activation.originator,
    )


def _pack_outcomes(outcomes: "list[bytes]") -> bytes:
    if any([len(outcome) > OUTCOME_BYTES for outcome in outcomes]):
        raise Refused(FLASH_FAULT)
    return b"".join([bytes([len(outcome)]) + outcome for outcome in outcomes])


# How far the download of an image has come, so that it goes on after a restart.
class Transfer:
    def __init__(self, region: "Region", doubts: "Doubts") -> None:
        self._journal = Journal(region, lambda is_failed: doubts.weigh(TRANSFER, is_failed))

    # What was begun: the bytes that name the download (the receiver's choice, at most 64); b"" if
    # nothing is.
    def name(self) -> bytes:
        return bytes(self._journal.latest(_DOWNLOAD) or b"")

    # Bytes of it that are in the slot.
    def offset(self) -> int:
        return int.from_bytes(self._journal.latest(_OFFSET) or b"", "little")

    # A download begins; b"": none is under way any more.
    def begin(self, name: bytes) -> None:
        if name != self.name() or self.offset():
            self._journal.append([(_DOWNLOAD, name), (_OFFSET, b"")])

    # Once a sector of the slot: some 200 of these go into one erase of a sector here.
    def advance(self, offset: int) -> None:
        self._journal.append([(_OFFSET, offset.to_bytes(4, "little"))])
