# Activation over the HAN: by CS06 (GBCS 11.5), now or at a date, or by the time in an Upgrade End
# Response. And what became of it, which is known only after the trial.
#
# An activation is kept as an outcome that waits before the image is activated: power may fail
# anywhere. settle() brings it to its end from whatever state it finds.

from hanbootloader import reasons
from hanbootloader.han import outcomes
from hanbootloader.han.gbcs import clock
from hanbootloader.han.gbcs.use_cases import (
    ACTIVATION_FAILURE,
    HASH_MISMATCH,
    NO_IMAGE_HELD,
    SUCCESS,
)
from hanbootloader.han.outcomes import ACCEPTED, ALERT, PPMID, RESPONSE, OutcomeRecord
from hanbootloader.reasons import (
    CLOCK_LEAPT,
    TIME_PAST,
    TIME_UNKNOWN,
    Refused,
)
from hanbootloader.store import ledger
from hanbootloader.store.han_records import Activation
from hanbootloader.trust.cell import ACCESS_CONTROL_BROKER, KEY_AGREEMENT
from hanbootloader.verdict import make_verdict

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.han.gbcs.message import Message
    from hanbootloader.han.identity import NetworkIdentity
    from hanbootloader.han.network_time import NetworkTime
    from hanbootloader.install import Installer
    from hanbootloader.store.han_records import HanRecords

NO_ENTITY = b"\xff" * 8
_NO_HASH = bytes(32)
_KEEP_TIME_S = 21_600  # how often the time is kept in flash while an activation waits

# what CS06 calls our reasons
_CODES = {reasons.NO_IMAGE_HELD: NO_IMAGE_HELD, reasons.HASH_MISMATCH: HASH_MISMATCH}


class Activations:
    def __init__(
        self,
        device: "Device",
        installer: "Installer",
        records: "HanRecords",
        identity: "NetworkIdentity",
        time: "NetworkTime",
    ) -> None:
        self._device = device
        self._installer = installer
        self._records = records
        self._identity = identity
        self._time = time
        self._leaps = 0
        self.is_activated = False  # a restart is due

    # --- commands

    # CS06, authenticated. values: of its payload.
    def command(self, message: "Message", values: "dict[str, object]", now_ms: int) -> None:
        image_hash, when = values["image_hash"], values.get("execution_time")
        # a later command takes the place of one that waits, whatever it says
        if when == clock.CANCELLED:
            self._records.replace_activation(None, self._accepted(message, now_ms).pack())
        elif when is not None:
            self._arm(message, image_hash, clock.seconds_of(when), now_ms)  # type: ignore[arg-type]
        else:
            outcome = self._outcome(RESPONSE, message.counter, message.originator, now_ms)
            self._execute(outcome, image_hash)  # type: ignore[arg-type]

    def _accepted(self, message: "Message", now_ms: int) -> OutcomeRecord:
        return self._outcome(ACCEPTED, message.counter, message.originator, now_ms)

    def _arm(self, message: "Message", image_hash: bytes, when: "int | None", now_ms: int) -> None:
        now = self._time.seconds(now_ms)
        reason = 0
        if now is None:
            reason = TIME_UNKNOWN
        elif when is None or when <= now:
            # a date that is past never becomes an activation
            reason = TIME_PAST
        if reason:
            outcome = self._outcome(RESPONSE, message.counter, message.originator, now_ms)
            outcome.code = ACTIVATION_FAILURE
            self._records.replace_activation(None, outcome.pack())
            self._note(reason, image_hash)
            return
        assert now is not None and when is not None
        self._records.keep_time(now)
        waiting = Activation(image_hash, message.counter, when, message.originator)
        self._records.replace_activation(waiting, self._accepted(message, now_ms).pack())

    # The time of an Upgrade End Response has come (PPMID). Refused where the image may not start.
    def by_server(self, image_hash: bytes, now_ms: int) -> None:
        broker = self._device.anchors.cell(ACCESS_CONTROL_BROKER, KEY_AGREEMENT)
        outcome = self._outcome(PPMID, 0, broker.entity if broker else NO_ENTITY, now_ms)
        outcome.counter = self._identity.next_counter(self._time.seconds(now_ms))
        self._execute(outcome, image_hash)
        if not self.is_activated:
            raise Refused(reasons.NO_LONGER_ALLOWED)

    # --- dates

    # Does what is due. True if there was anything.
    def poll(self, now_ms: int) -> bool:
        if self._settle(now_ms):
            return True
        waiting = self._records.activation()
        now = self._time.seconds(now_ms)
        if waiting is None or now is None:
            return False
        has_leapt, self._leaps = self._time.leaps != self._leaps, self._time.leaps
        if now < waiting.time:
            if now >= (self._records.time() or 0) + _KEEP_TIME_S:
                self._records.keep_time(now)
            return has_leapt
        outcome = self._outcome(ALERT, 0, waiting.originator, now_ms)
        outcome.counter = self._identity.next_counter(now)
        outcome.command_counter = waiting.counter
        if has_leapt:
            # the clock did not run to the date, it was set past it
            outcome.code = ACTIVATION_FAILURE
            outcome.image_hash = waiting.image_hash
            self._records.replace_activation(None, outcome.pack())
            self._note(CLOCK_LEAPT, waiting.image_hash)
        else:
            self._execute(outcome, waiting.image_hash)
        return True

    # --- execution

    def _outcome(self, kind: int, counter: int, party: bytes, now_ms: int) -> OutcomeRecord:
        running = self._device.running()
        version = running.file_version if running else 0
        seconds = self._time.seconds(now_ms) or 0
        return OutcomeRecord(kind, SUCCESS, counter, party, seconds, version, 0, _NO_HASH)

    # Activates the image held, if it is the one with this hash. The order of the questions is that
    # of GBCS 11.5: an image held, the right one.
    def _execute(self, outcome: OutcomeRecord, image_hash: bytes) -> None:
        outcome.image_hash = image_hash
        held = self._device.ledger.held()
        if held < 0 or self._device.ledger.slots[held].image_hash != image_hash:
            outcome.code = self._refusal(image_hash)
            self._records.replace_activation(None, outcome.pack())
            return
        outcome.is_waiting = True
        self._records.replace_activation(None, outcome.pack())
        code = self._refusal(image_hash)
        if code:
            self._finish(outcome, code)
        else:
            self.is_activated = True

    # 0 where the image with this hash is activated, or why not, as CS06 numbers it.
    def _refusal(self, image_hash: bytes) -> int:
        if self._installer.busy:
            # what is being verified is not held yet
            return NO_IMAGE_HELD
        try:
            self._installer.activate(image_hash)
            return SUCCESS
        except Refused as refused:
            return _CODES.get(refused.reason, ACTIVATION_FAILURE)

    def _note(self, reason: int, image_hash: bytes) -> None:
        running = self._device.running()
        self._device.ledger.record(make_verdict(reason, -1, 0, image_hash, running, None))

    # --- the end of a trial

    # Brings activations that wait for the end of their trial to it. True if there was one.
    def _settle(self, now_ms: int) -> bool:
        if self.is_activated:
            return False
        for octets in self._records.outcomes():
            outcome = outcomes.unpack(octets)
            if outcome.is_waiting and self._settle_one(outcome):
                return True
        return False

    def _settle_one(self, outcome: OutcomeRecord) -> bool:
        store = self._device.ledger
        for slot in store.slots:
            if slot.image_hash == outcome.image_hash:
                if slot.state in (ledger.PENDING, ledger.TRIAL):
                    return False
                if slot.state == ledger.CONFIRMED:
                    self._finish(outcome, SUCCESS)
                    return True
                if slot.state == ledger.STAGED:
                    # power failed between the record and the activation
                    code = self._refusal(outcome.image_hash)
                    if code:
                        self._finish(outcome, code)
                    else:
                        self.is_activated = True
                    return True
        self._finish(outcome, ACTIVATION_FAILURE)
        return True

    # `outcome` is known now: it can be reported.
    def _finish(self, outcome: OutcomeRecord, code: int) -> None:
        before = outcome.pack()
        running = self._device.running()
        outcome.code = code
        outcome.version = running.file_version if running else 0
        outcome.is_waiting = False
        kept = [outcome.pack() if one == before else one for one in self._records.outcomes()]
        self._records.set_outcomes(kept)
