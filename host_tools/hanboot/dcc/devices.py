"""What devices say, turned into documents for their supplier and into the inventory.

A message is checked like its recipient would check it: signatures with the device's certificate,
MACs with the broker's key. One that fails goes nowhere, and is logged.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from hanboot.dcc import journal, smi
from hanboot.dcc.deliveries import Deliveries
from hanboot.dcc.keys import DspKeys
from hanboot.dcc.outbox import Outbox
from hanboot.dcc.parties import certificates_of, find_assignments
from hanboot.dcc.service import Clock, Service, now
from hanboot.duis import responses
from hanboot.duis.building import Part
from hanboot.duis.identifiers import RequestID
from hanboot.errors import BadFile
from hanboot.gbcs import codec, protection
from hanboot.gbcs.codec import Decoded
from hanboot.gbcs.host_use_cases import ECS52_RESPONSE, GCS38_RESPONSE
from hanboot.gbcs.protection import Secret
from hanboot.inventory.devices import find_devices
from hanboot.registry.storage.database import Database
from hanboot.trust.smki.certificate import eui_text
from hanbootloader.han.gbcs import clock as gbcs_clock
from hanbootloader.han.gbcs import message, use_cases

_log = logging.getLogger(__name__)

#: Messages in one transaction: requests wait for it.
_TAKEN_AT_ONCE = 50
#: Dropped messages that are not logged again: a hub hands over what it keeps with every round.
_DROPPED_MOST = 10_000


class _Dropped(Exception):
    """A message that goes nowhere. what, why: for the log."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why


class Devices:
    """Takes messages of devices.

    Args:
        database: with inventory and the service's tables.
        service: signs what goes to parties.
        keys: the service's.
        clock: the time, UTC.
        answer_after: how long a device may leave an image or an activation unanswered.
    """

    def __init__(
        self,
        database: Database,
        service: Service,
        keys: DspKeys,
        clock: Clock = now,
        answer_after: datetime.timedelta = smi.ANSWER_AFTER,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._outbox = Outbox(service, keys.broker, clock)
        self._smi = smi.Smi(self._tell, clock, answer_after)
        #: of what goes to them, for who hands it over
        self.deliveries = Deliveries(database, self._outbox, self._smi, clock)
        self._dropped: set[bytes] = set()

    def sweep(self) -> None:
        """Sets the states of devices that the time or the CPL brings about."""
        has_more = True
        while has_more:
            with self._database.writing() as connection:
                has_more = self._smi.sweep(connection)

    def take_versions(self, hub: str, versions: Mapping[str, int]) -> None:
        """What a hub says its devices run; of devices that are on another hub it says nothing."""
        with self._database.writing() as connection:
            assigned = find_assignments(connection, list(versions))
            for device_id, version in versions.items():
                if device_id in assigned and assigned[device_id].hub == hub:
                    self._smi.report(connection, device_id, version, only_news=True)

    def take(self, octets: bytes, hub: str | None = None) -> bool:
        """Takes a message, once; whether it was right.

        Args:
            octets: the message.
            hub: path of the hub that handed it over; None where that is not known.
        """
        return self.take_all([(octets, hub)])[0]

    def take_all(self, heard: Sequence[tuple[bytes, str | None]]) -> list[bool]:
        """Takes messages as `take` does, several in one transaction.

        What a message brings about - a document for a party, a change of the inventory - is written
        wholly or not at all, together with the fact that it was taken. One that cannot be taken
        keeps no other from it.
        """
        found: list[bool] = []
        for start in range(0, len(heard), _TAKEN_AT_ONCE):
            found += self._take_piece(heard[start : start + _TAKEN_AT_ONCE])
        return found

    def _take_piece(self, heard: Sequence[tuple[bytes, str | None]]) -> list[bool]:
        digests = [hashlib.sha256(octets).digest() for octets, _ in heard]
        # most are: a hub keeps what it has handed over
        with self._database.reading() as connection:
            known = journal.heard(connection, digests)
        if known.issuperset(digests):
            return [True] * len(digests)
        dropped: list[tuple[bytes, str, str]] = []
        with self._database.writing() as connection:
            known = before = journal.heard(connection, digests)
            for (octets, hub), digest in zip(heard, digests, strict=True):
                if digest in known:
                    continue
                try:
                    with connection.begin_nested():
                        self._take(connection, octets, hub)
                        journal.mark_heard(connection, digest, self._clock())
                    known = known | {digest}
                except _Dropped as bad:
                    dropped.append((digest, bad.what, bad.why))
                except SQLAlchemyError as error:
                    if not isinstance(error, IntegrityError | DataError):
                        # no fault of the message's
                        raise
                    dropped.append((digest, "a message of a device", repr(error)))
                except Exception as error:
                    dropped.append((digest, "a message of a device", f"internal error: {error!r}"))
        # no longer in the transaction: a log that is not read must not hold the lock
        for one in dropped:
            self._drop(*one)
        for (octets, _), digest in zip(heard, digests, strict=True):
            if digest in known - before:
                decoded = codec.decode(octets)
                kind = codec.KINDS[decoded.message.kind]
                sender = eui_text(decoded.message.originator)
                _log.info("%s, %s of %s", decoded.use_case.name, kind, sender)
        return [digest in known for digest in digests]

    def _take(self, connection: Connection, octets: bytes, hub: str | None) -> None:
        try:
            decoded = codec.decode(octets)
        except BadFile as bad:
            raise _Dropped("a message of a device", str(bad)) from None
        failures = self._failures(connection, decoded, hub)
        if failures:
            sender = eui_text(decoded.message.originator)
            raise _Dropped(f"{decoded.use_case.name} of {sender}", "; ".join(failures))
        self._handle(connection, decoded, octets)

    def _drop(self, digest: bytes, what: str, why: str) -> None:
        """Logs, once, that a message goes nowhere; it is checked anew when it comes again, as the
        certificate that it lacks may have been entered."""
        if digest in self._dropped:
            return
        if len(self._dropped) >= _DROPPED_MOST:
            self._dropped.clear()
        self._dropped.add(digest)
        _log.warning("%s was dropped: %s", what, why)

    def _failures(self, connection: Connection, decoded: Decoded, hub: str | None) -> list[str]:
        if decoded.message.kind == message.COMMAND:
            return ["a device sends no commands"]
        if decoded.use_case is use_cases.CCS08_ALERT:
            failure = self._not_its_hub(connection, decoded, hub)
            if failure:
                return [failure]
        held = certificates_of(connection, eui_text(decoded.message.originator))
        to_broker = decoded.message.recipient == self._keys.broker
        secret = Secret(key=self._keys.broker_key) if decoded.has_mac and to_broker else None
        if secret and not any("agreement" in one.usages for one in held):
            return ["the device's certificate for key agreement is not here"]
        return protection.verify(decoded, held, secret, self._clock()).failures

    def _not_its_hub(self, connection: Connection, decoded: Decoded, hub: str | None) -> str | None:
        """Why a report of a transfer is not of the target's hub; None if nothing speaks against."""
        sender, target = eui_text(decoded.message.originator), eui_text(decoded.values["target"])
        known = find_devices(connection, [sender]).get(sender)
        if known and known.device_type != "CH":
            return f"its sender is a {known.device_type}, and no Communications Hub"
        assignment = find_assignments(connection, [target]).get(target)
        if hub is not None and assignment and assignment.hub != hub:
            return f"{target} is on another hub than the one that handed it over"
        return None

    def _handle(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        handlers = {
            (use_cases.CS06_RESPONSE.code, message.RESPONSE): self._activation_response,
            (use_cases.CS06_ALERT.code, message.ALERT): self._activation_alert,
            (use_cases.CS08_RESPONSE.code, message.RESPONSE): self._version_response,
            (ECS52_RESPONSE.code, message.RESPONSE): self._version_response,
            (GCS38_RESPONSE.code, message.RESPONSE): self._version_response,
            (use_cases.CS09_ALERT.code, message.ALERT): self._ppmid_activated,
            (use_cases.CCS08_ALERT.code, message.ALERT): self._transferred,
        }
        handler = handlers.get((decoded.message.code, decoded.message.kind))
        if handler:
            handler(connection, decoded, octets)
        else:
            self._device_alert(connection, decoded, octets)

    # --- by use case

    def _activation_response(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        self._answer(connection, decoded, responses.gbcs_payload(octets))
        if "response_code" in decoded.values:
            self._activated(connection, decoded, decoded.values)
        else:
            self._accepted(connection, decoded.message)

    def _accepted(self, connection: Connection, sent: message.Message) -> None:
        """A future-dated activation, or a cancellation, which leaves nothing to wait for."""
        open_ = journal.open_tasks(connection, eui_text(sent.originator))
        activations = [task for task in open_ if task.command]
        if not activations:
            return
        at = codec.decode(activations[0].command or b"").values["execution_time"]
        if at == gbcs_clock.CANCELLED:
            for task in activations:
                journal.settle_task(connection, task.number, "done")
        elif at:
            due = datetime.datetime.strptime(at, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)
            journal.expect_later(connection, activations[0].number, due)

    def _activation_alert(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        values = decoded.values
        content = responses.future_dated_alert(values["alert_code"], octets)
        self._answer(connection, decoded, content, counter=values["counter"])
        self._activated(connection, decoded, values["outcome"])

    def _activated(self, connection: Connection, decoded: Decoded, outcome: dict[str, Any]) -> None:
        device_id = eui_text(decoded.message.originator)
        success = outcome["response_code"] == use_cases.SUCCESS
        self._smi.activation(connection, device_id, outcome["version"], success)

    def _version_response(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent = decoded.message
        counter = sent.party[1] if sent.party else sent.counter
        party = sent.party[0] if sent.party else sent.recipient
        self._answer(
            connection, decoded, responses.gbcs_payload(octets), counter=counter, party=party
        )
        version = decoded.values.get("version")
        if version is not None and not decoded.values.get("response_code"):
            self._smi.answer(connection, eui_text(sent.originator), version)

    def _ppmid_activated(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent, values = decoded.message, decoded.values
        success = values["response_code"] == 0
        alert = responses.ppmid_alert(
            sent.originator, values["alert_code"], self._clock(), values["version"], success
        )
        device_id = eui_text(sent.originator)
        self._tell(connection, device_id, alert, sent.counter)
        self._smi.activation(connection, device_id, values["version"], success)

    def _transferred(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent, values = decoded.message, decoded.values
        target, code = values["target"], values["response_code"]
        task = self._smi.transfer(
            connection, eui_text(target), values["version"], responses.TRANSFER_CODES[code]
        )
        alert = responses.hub_alert(
            sent.originator,
            values["alert_code"],
            self._clock(),
            target,
            values["version"],
            code,
            RequestID.parse(task.request_id) if task else None,
        )
        self._tell(connection, eui_text(target), alert, sent.counter)

    def _device_alert(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent = decoded.message
        response_id = RequestID(sent.originator, sent.recipient, sent.counter)
        code = decoded.values.get("alert_code", 0)
        root = responses.device_alert(response_id, code, octets, self._clock())
        self._outbox.send(connection, eui_text(sent.recipient), root)

    # --- to parties

    def _answer(
        self,
        connection: Connection,
        decoded: Decoded,
        content: Any,
        counter: int | None = None,
        party: bytes | None = None,
    ) -> None:
        sent = decoded.message
        originator = party or sent.recipient
        asked = journal.find_asked(
            connection, originator, sent.originator, sent.counter if counter is None else counter
        )
        if asked is None:
            _log.warning("%s answers nothing that was asked", eui_text(sent.originator))
            return
        request_id, reference = asked
        root = responses.response(
            request_id, reference, responses.SUCCESS, self._clock(), content, from_device=True
        )
        self._outbox.send(connection, eui_text(originator), root)

    def _tell(
        self, connection: Connection, device_id: str, alert: Part, counter: int | None = None
    ) -> None:
        """An alert of the DCC to the supplier of a device.

        Args:
            counter: of the message that it comes from; None takes the broker's next.
        """
        assignment = find_assignments(connection, [device_id]).get(device_id)
        if assignment is None:
            _log.warning("an alert about %s, which is not assigned, was dropped", device_id)
            return
        self._outbox.alert(connection, assignment.supplier, alert, counter=counter)
