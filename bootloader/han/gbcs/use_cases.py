# The firmware messages that a device sends and receives: what each is called, how it is protected
# and what its payload holds (GBCS 11, use cases CS06, CS08, CS09, CCS08).

from hanbootloader.compat import const
from hanbootloader.han.gbcs import der, receipt
from hanbootloader.han.gbcs.message import ALERT, COMMAND, RESPONSE
from hanbootloader.reasons import MESSAGE_PAYLOAD, MESSAGE_PROTECTION, MESSAGE_USE_CASE, Refused

if __debug__:  # in annotations alone
    from hanbootloader.han.gbcs.message import Message

# fmt: off
# protection
SIGNED = const(1)
MACED  = const(2)

# activateImageResponseCode of CS06
SUCCESS            = const(0)
NO_IMAGE_HELD      = const(1)
HASH_MISMATCH      = const(2)
ACTIVATION_FAILURE = const(3)

# alert codes
RECEIVED_GOOD       = const(0x8F72)  # Firmware Verification Successful
RECEIVED_BAD        = const(0x8F1C)  # Firmware Verification Failed
FUTURE_DATED_DONE   = const(0x8F66)  # a future-dated command was executed
FUTURE_DATED_FAILED = const(0x8F67)
PPMID_ACTIVATED     = const(0x8F8B)
TRANSFERRED         = const(0x8F8A)
TRANSFER_FAILED     = const(0x8F89)  # in no public source but by its name

_COUNTER_MOST = 0xFFFFFFFFFFFFFFFF

_OUTCOME = (
    ("response_code", der.INTEGER, 3),
    ("version",       der.VERSION, 0),
)
_ACTIVATE = (
    ("image_hash",     der.OCTETS,  32),
    ("counter",        der.INTEGER, _COUNTER_MOST),
    ("execution_time", der.TIME | der.OPTIONAL, 0),
)
_ACTIVATED = (
    ("alert_code", der.INTEGER, 0xFFFF),
    ("time",       der.TIME,    0),
    ("counter",    der.INTEGER, _COUNTER_MOST),
    ("outcome",    der.OUTCOME, _OUTCOME),
)
_READ_VERSION = (
    ("version",       der.VERSION, 0),
    ("response_code", der.INTEGER, 1),
)
_PPMID_ACTIVATED = (
    ("alert_code",    der.INTEGER, 0xFFFF),
    ("time",          der.TIME,    0),
    ("version",       der.VERSION, 0),
    ("response_code", der.INTEGER, 1),
)
_TRANSFER = (
    ("alert_code",    der.INTEGER, 0xFFFF),
    ("time",          der.TIME,    0),
    ("target",        der.OCTETS,  8),
    ("version",       der.VERSION, 0),
    ("response_code", der.INTEGER, 3),
)
# fmt: on


# One kind of message.
#
#   protection   SIGNED, MACED or both, in its final form
#   alert_codes  those it may carry; empty for a command or response
class UseCase:
    def __init__(
        self,
        name: str,
        code: int,
        kind: int,
        protection: int,
        alert_codes: "tuple[int, ...]" = (),
    ) -> None:
        self.name = name
        self.code = code
        self.kind = kind
        self.protection = protection
        self.alert_codes = alert_codes

    # The payload's values; Refused(MESSAGE_PAYLOAD) with the message's offset.
    def decode(self, message: "Message") -> "dict":  # type: ignore[type-arg]
        values = self._decode(memoryview(message.payload), message.payload_at)
        if self.alert_codes and values["alert_code"] not in self.alert_codes:
            raise Refused(MESSAGE_PAYLOAD, message.payload_at)
        return values

    # The payload of `values`; ValueError where they do not fit.
    def encode(self, values: "dict") -> bytes:  # type: ignore[type-arg]
        raise NotImplementedError

    def _decode(self, octets: memoryview, offset: int) -> "dict":  # type: ignore[type-arg]
        raise NotImplementedError


# A payload in DER. template: None where it is NULL; may_be_null: where NULL is one of two forms,
# with no values.
class DerUseCase(UseCase):
    def __init__(
        self,
        name: str,
        code: int,
        kind: int,
        protection: int,
        template: "tuple | None",  # type: ignore[type-arg]
        may_be_null: bool = False,
        alert_codes: "tuple[int, ...]" = (),
    ) -> None:
        super().__init__(name, code, kind, protection, alert_codes)
        self._template = template
        self._may_be_null = may_be_null or template is None

    def encode(self, values: "dict") -> bytes:  # type: ignore[type-arg]
        if self._may_be_null and not values:
            return der.NULL
        if self._template is None:
            raise ValueError
        return der.encode(self._template, values)

    def _decode(self, octets: memoryview, offset: int) -> "dict":  # type: ignore[type-arg]
        if self._may_be_null and octets == der.NULL:
            return {}
        if self._template is None:
            raise Refused(MESSAGE_PAYLOAD, offset)
        return der.decode(self._template, octets, offset)


class ReceiptUseCase(UseCase):
    def encode(self, values: "dict") -> bytes:  # type: ignore[type-arg]
        return receipt.encode(values)

    def _decode(self, octets: memoryview, offset: int) -> "dict":  # type: ignore[type-arg]
        return receipt.decode(octets, offset)


# fmt: off
CS06_COMMAND  = DerUseCase("CS06", 0x0012, COMMAND,  SIGNED | MACED, _ACTIVATE)
# NULL: accepted, to be executed later or cancelled
CS06_RESPONSE = DerUseCase("CS06", 0x0012, RESPONSE, SIGNED, _OUTCOME, True)
CS06_ALERT    = DerUseCase("CS06", 0x00CA, ALERT,    SIGNED, _ACTIVATED, False,
                           (FUTURE_DATED_DONE, FUTURE_DATED_FAILED))
CS08_COMMAND  = DerUseCase("CS08", 0x0129, COMMAND,  MACED, None)
CS08_RESPONSE = DerUseCase("CS08", 0x0129, RESPONSE, MACED, _READ_VERSION)
CS09_ALERT    = DerUseCase("CS09", 0x012B, ALERT,    SIGNED, _PPMID_ACTIVATED, False,
                           (PPMID_ACTIVATED,))
CCS08_ALERT   = DerUseCase("CCS08", 0x0128, ALERT,   SIGNED, _TRANSFER, False,
                           (TRANSFERRED, TRANSFER_FAILED))
RECEIPT_ALERT = ReceiptUseCase("FDRA", 0x00CE, ALERT, SIGNED, (RECEIVED_GOOD, RECEIVED_BAD))
# fmt: on

ALL = (
    CS06_COMMAND,
    CS06_RESPONSE,
    CS06_ALERT,
    CS08_COMMAND,
    CS08_RESPONSE,
    CS09_ALERT,
    CCS08_ALERT,
    RECEIPT_ALERT,
)


# The use case of a message among `served`; Refused(MESSAGE_USE_CASE) if it is none of them.
def find(message: "Message", served: "tuple[UseCase, ...]" = ALL) -> UseCase:
    for use_case in served:
        if use_case.code == message.code and use_case.kind == message.kind:
            return use_case
    raise Refused(MESSAGE_USE_CASE)


# Whether the message carries the signature and the MAC that it must have in its final form, and
# nothing else; Refused(MESSAGE_PROTECTION). What they are is not checked here.
def check_protection(use_case: UseCase, message: "Message") -> None:
    is_signed = bool(message.signature)
    is_maced = message.mac is not None
    if is_signed != bool(use_case.protection & SIGNED):
        raise Refused(MESSAGE_PROTECTION)
    if is_maced != bool(use_case.protection & MACED) or message.signature is None:
        raise Refused(MESSAGE_PROTECTION)
