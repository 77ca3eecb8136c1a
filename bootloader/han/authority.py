# Who may command this device: the checks on a message before anything it says is done. Each has a
# reason of its own; until all of them pass nothing is kept.
#
#   message -> recipient -> use case -> protection -> originator -> payload -> counter
#           -> signature -> MAC -> the counter is kept

import hashlib

from hanbootloader.board import TEST_TIERS
from hanbootloader.han.gbcs import mac, message, use_cases
from hanbootloader.han.gbcs.use_cases import CS06_COMMAND, CS08_COMMAND, MACED, SIGNED
from hanbootloader.policy import HCALCS
from hanbootloader.reasons import (
    BROKER_MISSING,
    MESSAGE_COUNTER,
    MESSAGE_MAC,
    MESSAGE_ORIGINATOR,
    MESSAGE_PAYLOAD,
    MESSAGE_RECIPIENT,
    MESSAGE_SIGNATURE,
    Refused,
)
from hanbootloader.trust.cell import (
    ACCESS_CONTROL_BROKER,
    DIGITAL_SIGNATURE,
    KEY_AGREEMENT,
    SUPPLIER,
)

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.han.gbcs.message import Message
    from hanbootloader.han.gbcs.use_cases import UseCase
    from hanbootloader.han.identity import NetworkIdentity
    from hanbootloader.store.han_records import HanRecords
    from hanbootloader.trust.cell import Cell

# commands that a device takes: one that messages activate, and one that the hub's time does
# (SECMP0007)
_BY_MESSAGE = (CS06_COMMAND, CS08_COMMAND)
_BY_TIME = (CS08_COMMAND,)


class Authority:
    def __init__(
        self, device: "Device", records: "HanRecords", identity: "NetworkIdentity"
    ) -> None:
        self._device = device
        self._records = records
        self._identity = identity

    # Authenticates a command. Generator; returns (message, use case, values of the payload), or
    # Refused with the reason.
    def check_steps(self, octets: bytes):  # type: ignore[no-untyped-def]
        command = message.parse(octets)
        if command.recipient != self._identity.eui64:
            raise Refused(MESSAGE_RECIPIENT)
        is_external = self._device.board.device_type == HCALCS
        use_case = use_cases.find(command, _BY_MESSAGE if is_external else _BY_TIME)
        use_cases.check_protection(use_case, command)
        self._check_originator(command, use_case)
        values = use_case.decode(command)
        # the payload repeats the counter, and both must be one
        if values.get("counter", command.counter) != command.counter:
            raise Refused(MESSAGE_PAYLOAD, command.payload_at)
        if command.counter <= self._records.originator_counter(command.originator):
            raise Refused(MESSAGE_COUNTER)
        if use_case.protection & SIGNED:
            yield from self._check_signature_steps(command)
        if use_case.protection & MACED:
            yield from self._check_mac_steps(command, use_case)
        # before what it says is done: power that fails from here on loses the command, and a replay
        # of it is refused
        if not self._records.raise_originator_counter(command.originator, command.counter):
            raise Refused(MESSAGE_COUNTER)
        return command, use_case, values

    # The cell that is held for a party.
    def cell(self, role: int, usage: int) -> "Cell | None":
        return self._device.anchors.cell(role, usage)

    # The cell of the party that may send `use_case`.
    def _sender(self, use_case: "UseCase") -> "Cell | None":
        anchors = self._device.anchors
        if use_case is CS06_COMMAND:
            return anchors.cell(SUPPLIER, DIGITAL_SIGNATURE)
        return anchors.cell(ACCESS_CONTROL_BROKER, KEY_AGREEMENT)

    def _check_originator(self, command: "Message", use_case: "UseCase") -> None:
        cell = self._sender(use_case)
        if cell is None and use_case is CS08_COMMAND:
            raise Refused(BROKER_MISSING)
        if cell is None or cell.entity != command.originator:
            raise Refused(MESSAGE_ORIGINATOR)

    def _check_signature_steps(self, command: "Message"):  # type: ignore[no-untyped-def]
        cell = self._device.anchors.cell(SUPPLIER, DIGITAL_SIGNATURE)
        digest = hashlib.sha256(command.signed_octets()).digest()
        assert cell is not None and command.signature is not None
        if not (yield from cell.verify_steps(digest, command.signature)):
            raise Refused(MESSAGE_SIGNATURE)

    # The MAC is the broker's, whatever the originator.
    def _check_mac_steps(self, command: "Message", use_case: "UseCase"):  # type: ignore[no-untyped-def]
        cell = self._device.anchors.cell(ACCESS_CONTROL_BROKER, KEY_AGREEMENT)
        secret = None
        if cell is not None:
            secret = yield from self._identity.secret_steps(cell.key)
        if secret is None:
            # a signature is left to go by; a message with a MAC alone has nothing
            is_signed = bool(use_case.protection & SIGNED)
            if not is_signed or self._device.board.tier not in TEST_TIERS:
                raise Refused(BROKER_MISSING)
            return
        if not mac.is_right(secret, command):
            raise Refused(MESSAGE_MAC)
