# The messages that report outcomes: built, signed and sent until the hub has them.
#
# Only facts are kept (outcomes.py); a message is built when it is sent. It is the same each time,
# for signatures are deterministic (RFC 6979).

from hanbootloader.han import outcomes
from hanbootloader.han.gbcs import clock, use_cases
from hanbootloader.han.gbcs.message import ALERT, RESPONSE, Message
from hanbootloader.han.gbcs.use_cases import SUCCESS

if __debug__:  # in annotations alone
    from hanbootloader.han.identity import NetworkIdentity
    from hanbootloader.han.outcomes import OutcomeRecord

# DLMS date-time with nothing specified: the time was not known
_NO_DATE_TIME = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x00\xff"


# The message that reports `outcome`, without its signature.
def build(outcome: "OutcomeRecord", eui64: bytes) -> Message:
    use_case, values = _contents(outcome)
    kind = RESPONSE if use_case.kind == RESPONSE else ALERT
    # signed responses carry a date-time, alerts have it in the payload
    date_time = _date_time(outcome.seconds) if kind == RESPONSE else b""
    return Message(
        kind,
        use_case.code,
        outcome.counter,
        eui64,
        outcome.party,
        use_case.encode(values),
        date_time,
    )


def _contents(outcome: "OutcomeRecord") -> "tuple[use_cases.UseCase, dict[str, object]]":
    result: "dict[str, object]" = {"response_code": outcome.code, "version": outcome.version}
    if outcome.kind == outcomes.ACCEPTED:
        return use_cases.CS06_RESPONSE, {}
    if outcome.kind == outcomes.RESPONSE:
        return use_cases.CS06_RESPONSE, result
    # a time that is not known reads as 2000-01-01
    time = clock.time_of(outcome.seconds)
    is_good = outcome.code == SUCCESS
    if outcome.kind == outcomes.ALERT:
        code = use_cases.FUTURE_DATED_DONE if is_good else use_cases.FUTURE_DATED_FAILED
        counter = outcome.command_counter
        return use_cases.CS06_ALERT, {
            "alert_code": code,
            "time": time,
            "counter": counter,
            "outcome": result,
        }
    if outcome.kind == outcomes.PPMID:
        # CS09 knows success and failure
        result["response_code"] = 0 if is_good else 1
        result["alert_code"] = use_cases.PPMID_ACTIVATED
        result["time"] = time
        return use_cases.CS09_ALERT, result
    return use_cases.RECEIPT_ALERT, {
        "invocation": outcome.counter & 0xFFFFFF,
        "alert_code": use_cases.RECEIVED_GOOD if is_good else use_cases.RECEIVED_BAD,
        "date_time": _date_time(outcome.seconds),
        "image_hash": outcome.image_hash,
    }


def _date_time(seconds: int) -> bytes:
    return clock.date_time_of(seconds) if seconds else _NO_DATE_TIME


# The message that reports `outcome`, as octets. Generator.
def message_steps(outcome: "OutcomeRecord", identity: "NetworkIdentity"):  # type: ignore[no-untyped-def]
    message = build(outcome, identity.eui64)
    yield from identity.sign_steps(message)
    return message.encode()
