# GBCS messages to and from the hub (tunneling.py): commands are checked and done one at a time;
# outcomes go out until the hub has them, answers that are not kept a few times.

from hanbootloader.compat import const
from hanbootloader.han import outcomes, reports, tunneling, zcl
from hanbootloader.han.gbcs.message import RESPONSE, Message
from hanbootloader.han.gbcs.use_cases import CS06_COMMAND, CS08_RESPONSE, SUCCESS
from hanbootloader.reasons import Refused
from hanbootloader.trust.cell import ACCESS_CONTROL_BROKER, KEY_AGREEMENT

if __debug__:  # in annotations alone
    from hanbootloader.han.activation import Activations
    from hanbootloader.han.authority import Authority
    from hanbootloader.han.identity import NetworkIdentity
    from hanbootloader.store.han_records import HanRecords

# fmt: off
_RESEND_MS      = const(2000)
_RESEND_MOST_MS = const(600_000)  # waits double up to this
_ANSWER_SENDS   = const(8)        # of an answer that is not kept
# fmt: on


class Mail:
    # send(frame octets payload): a Transfer Data to the hub; returns the sequence it went out with
    # has_hub(): whether there is one to send to
    # running_version(): file version of what runs, 0 where nothing does
    def __init__(  # type: ignore[no-untyped-def]
        self,
        records: "HanRecords",
        identity: "NetworkIdentity",
        authority: "Authority",
        activations: "Activations",
        send,
        has_hub,
        running_version,
    ) -> None:
        self._records = records
        self._identity = identity
        self._authority = authority
        self._activations = activations
        self._send = send
        self._has_hub = has_hub
        self._running_version = running_version
        self._job = None
        self._accepted = b""  # the last command that was done, should it come once more
        self._outgoing = b""  # message under way
        self._reported = b""  # outcome that it reports; b"" where it is an answer
        self._sequence = -1
        self._sends = 0
        self._due = 0
        self._now = 0
        # why the last command was refused; 0 where it was not
        self.last_reason = 0

    # Does what is due. True if there was anything.
    def poll(self, now_ms: int) -> bool:
        self._now = now_ms
        if self._job is not None:
            try:
                next(self._job)
            except StopIteration:
                self._job = None
            return True
        if self._outgoing:
            if now_ms < self._due:
                return False
            self._transmit()
            return True
        if not self._has_hub():
            return False
        for octets in self._records.outcomes():
            outcome = outcomes.unpack(octets)
            if not outcome.is_waiting:
                self._job = self._report_steps(octets, outcome)
                return True
        return False

    # --- out

    def _report_steps(self, octets: bytes, outcome: outcomes.OutcomeRecord):  # type: ignore[no-untyped-def]
        message = yield from reports.message_steps(outcome, self._identity)
        self._begin(message, octets)

    def _begin(self, message: bytes, reported: bytes) -> None:
        self._outgoing, self._reported = message, reported
        self._sends, self._due = 0, self._now

    def _transmit(self) -> None:
        if not self._reported and self._sends == _ANSWER_SENDS:
            self._outgoing = b""
            return
        self._sequence = self._send(tunneling.encode_transfer(self._outgoing))
        wait_ms = _RESEND_MS << min(self._sends, 16)
        self._sends += 1
        self._due = self._now + min(wait_ms, _RESEND_MOST_MS)

    # The hub's Default Response: only then is an outcome forgotten.
    def on_receipt(self, sequence: int, status: int) -> None:
        if not self._outgoing or sequence != self._sequence or status != zcl.SUCCESS:
            return
        if self._reported:
            kept = [octets for octets in self._records.outcomes() if octets != self._reported]
            self._records.set_outcomes(kept)
        self._outgoing = b""

    # --- in

    # A message from the hub. receipt(status): called when it is done. One that comes while another
    # is being checked is passed over: the hub sends it again.
    def on_transfer(self, octets: "bytes | memoryview", receipt) -> None:  # type: ignore[no-untyped-def]
        if self._job is None:
            self._job = self._command_steps(bytes(octets), receipt)

    def _command_steps(self, octets: bytes, receipt):  # type: ignore[no-untyped-def]
        # the receipt for it was lost
        if octets == self._accepted:
            receipt(zcl.SUCCESS)
            return
        try:
            command, use_case, values = yield from self._authority.check_steps(octets)
            self.last_reason = 0
            if use_case is CS06_COMMAND:
                self._activations.command(command, values, self._now)
            else:
                yield from self._answer_version_steps(command)
        except Refused as refused:
            self.last_reason = refused.reason
            receipt(zcl.FAILURE)
            return
        self._accepted = octets
        receipt(zcl.SUCCESS)

    # CS08: the version that runs, to the broker.
    def _answer_version_steps(self, command: Message):  # type: ignore[no-untyped-def]
        broker = self._authority.cell(ACCESS_CONTROL_BROKER, KEY_AGREEMENT)
        version = self._running_version()
        values = {"version": version, "response_code": SUCCESS if version else 1}
        answer = Message(
            RESPONSE,
            CS08_RESPONSE.code,
            command.counter,
            self._identity.eui64,
            command.originator,
            CS08_RESPONSE.encode(values),
            party=command.party,
        )
        assert broker is not None
        yield from self._identity.mac_steps(answer, broker.key)
        # an outcome that is under way is still kept, and comes after this
        self._begin(answer.encode(), b"")
