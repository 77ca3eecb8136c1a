"""What devices say, turned into documents for their supplier and into the inventory.

A message is checked like its recipient would check it: signatures with the device's certificate,
MACs with the broker's key. One that fails goes nowhere, and is logged.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from hanboot.dcc import journal, schema, smi
from hanboot.dcc.keys import DspKeys
from hanboot.dcc.parties import certificates_of, find_assignments
from hanboot.dcc.service import Clock, Service, now
from hanboot.duis import codes, responses
from hanboot.duis.building import Part
from hanboot.duis.identifiers import RequestID
from hanboot.duis.parsing import Element
from hanboot.errors import BadFile
from hanboot.gbcs import codec, protection
from hanboot.gbcs.codec import Decoded
from hanboot.gbcs.protection import Secret
from hanboot.registry.storage.database import Database
from hanboot.trust.smki.certificate import eui_text, parse_eui
from hanbootloader.han.gbcs import clock as gbcs_clock
from hanbootloader.han.gbcs import message, use_cases

_log = logging.getLogger(__name__)


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
        self._service = service
        self._keys = keys
        self._clock = clock
        self._smi = smi.Smi(self._tell, clock, answer_after)

    def sweep(self) -> None:
        """Sets the states of devices that the time or the CPL brings about."""
        with schema.turn(self._database) as connection:
            self._smi.sweep(connection)

    def take_versions(self, hub: str, versions: Mapping[str, int]) -> None:
        """What a hub says its devices run; of devices that are on another hub it says nothing."""
        with schema.turn(self._database) as connection:
            assigned = find_assignments(connection, list(versions))
            for device_id, version in versions.items():
                if device_id in assigned and assigned[device_id].hub == hub:
                    self._smi.report(connection, device_id, version, only_news=True)

    def take(self, octets: bytes) -> bool:
        """Takes a message, once; whether it was right.

        What it brings about - a document for a party, a change of the inventory - is written in
        one transaction with the fact that it was taken.
        """
        digest = hashlib.sha256(octets).digest()
        # most are: a hub keeps what it has handed over
        with self._database.reading() as connection:
            if journal.is_heard(connection, digest):
                return True
        try:
            decoded = codec.decode(octets)
        except BadFile as bad:
            _log.warning("a message of a device was dropped: %s", bad)
            return False
        with schema.turn(self._database) as connection:
            if journal.is_heard(connection, digest):
                return True
            failures = self._failures(connection, decoded)
            if failures:
                _log.warning(
                    "%s of %s was dropped: %s",
                    decoded.use_case.name,
                    eui_text(decoded.message.originator),
                    "; ".join(failures),
                )
                return False
            journal.mark_heard(connection, digest, self._clock())
            self._handle(connection, decoded, octets)
        kind = {message.RESPONSE: "response", message.ALERT: "alert"}[decoded.message.kind]
        sender = eui_text(decoded.message.originator)
        _log.info("%s, %s of %s", decoded.use_case.name, kind, sender)
        return True

    def _failures(self, connection: Connection, decoded: Decoded) -> list[str]:
        if decoded.message.kind == message.COMMAND:
            return ["a device sends no commands"]
        held = certificates_of(connection, eui_text(decoded.message.originator))
        to_broker = decoded.message.recipient == self._keys.broker
        secret = Secret(key=self._keys.broker_key) if decoded.has_mac and to_broker else None
        if secret and not any("agreement" in one.usages for one in held):
            return ["the device's certificate for key agreement is not here"]
        return protection.verify(decoded, held, secret, self._clock()).failures

    def _handle(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        handlers = {
            (use_cases.CS06_RESPONSE.code, message.RESPONSE): self._activation_response,
            (use_cases.CS06_ALERT.code, message.ALERT): self._activation_alert,
            (use_cases.CS08_RESPONSE.code, message.RESPONSE): self._version_response,
            (0x0059, message.RESPONSE): self._version_response,
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
        task = journal.image_task(connection, eui_text(target))
        alert = responses.hub_alert(
            sent.originator,
            values["alert_code"],
            self._clock(),
            target,
            values["version"],
            code,
        )
        self._tell(connection, eui_text(target), alert, sent.counter)
        if task:
            text = None if code == 0 else responses.TRANSFER_CODES[code]
            # a PPMID goes on by itself, and its CS09 is still to come
            arrived = "arrived" if task.reference == "11.4" else "done"
            outcome = arrived if code == 0 else "failed"
            journal.settle_task(connection, task.number, outcome, text)
            if code:
                self._smi.record(connection, task, "failed", text)

    def _device_alert(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent = decoded.message
        response_id = RequestID(sent.originator, sent.recipient, sent.counter)
        code = decoded.values.get("alert_code", 0)
        root = responses.device_alert(response_id, code, octets, self._clock())
        self._send(connection, eui_text(sent.recipient), root)

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
        self._send(connection, eui_text(originator), root)

    def _tell(
        self, connection: Connection, device_id: str, alert: Part, counter: int | None = None
    ) -> None:
        """An alert of the DCC to the supplier of a device.

        Args:
            counter: of the message that it comes from; None takes the time.
        """
        assignment = find_assignments(connection, [device_id]).get(device_id)
        if assignment is None:
            _log.warning("an alert about %s, which is not assigned, was dropped", device_id)
            return
        supplier = parse_eui(assignment.supplier)
        number = int(self._clock().timestamp() * 1000) if counter is None else counter
        response_id = RequestID(self._keys.broker, supplier, number)
        root = responses.dcc_alert(response_id, codes.ANY_ALERT, alert, self._clock())
        self._send(connection, assignment.supplier, root)

    def _send(self, connection: Connection, party: str, root: Element) -> None:
        journal.add_outgoing(connection, party, self._service.sign(root), self._clock())
