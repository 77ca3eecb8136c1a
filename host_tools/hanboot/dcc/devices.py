"""What devices say, turned into documents for their supplier and into the inventory.

A message is checked like its recipient would check it: signatures with the device's certificate,
MACs with the broker's key. One that fails goes nowhere, and is logged.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.dcc import journal, schema
from hanboot.dcc.keys import DspKeys
from hanboot.dcc.parties import certificates_of, find_assignments
from hanboot.dcc.service import Clock, Service, now
from hanboot.duis import responses
from hanboot.duis.identifiers import RequestID
from hanboot.duis.parsing import Element
from hanboot.errors import BadFile
from hanboot.gbcs import codec, protection
from hanboot.gbcs.codec import Decoded
from hanboot.gbcs.protection import Secret
from hanboot.inventory.devices import find_devices
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.schema import DEVICE, DISTRIBUTION
from hanboot.trust.smki.certificate import eui_text
from hanbootloader.han.gbcs import message, use_cases

_log = logging.getLogger(__name__)

#: DCC alert code for alerts whose own is in no public source: the schema's catch-all.
ALERT_CODE = "N999"


class Devices:
    """Takes messages of devices.

    Args:
        database: with inventory and the service's tables.
        service: signs what goes to parties.
        keys: the service's.
        clock: the time, UTC.
    """

    def __init__(
        self, database: Database, service: Service, keys: DspKeys, clock: Clock = now
    ) -> None:
        self._database = database
        self._service = service
        self._keys = keys
        self._clock = clock

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
        with self._database.writing() as connection:
            schema.take_turns(connection)
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

    def _activation_alert(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        values = decoded.values
        content = responses.future_dated_alert(values["alert_code"], octets)
        self._answer(connection, decoded, content, counter=values["counter"])
        self._activated(connection, decoded, values["outcome"])

    def _activated(self, connection: Connection, decoded: Decoded, outcome: dict[str, Any]) -> None:
        device_id = eui_text(decoded.message.originator)
        success = outcome["response_code"] == use_cases.SUCCESS
        self._runs(connection, device_id, outcome["version"], success)

    def _version_response(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent = decoded.message
        counter = sent.party[1] if sent.party else sent.counter
        party = sent.party[0] if sent.party else sent.recipient
        self._answer(
            connection, decoded, responses.gbcs_payload(octets), counter=counter, party=party
        )
        version = decoded.values.get("version")
        if version is not None and not decoded.values.get("response_code"):
            self._reports(connection, eui_text(sent.originator), version)

    def _ppmid_activated(self, connection: Connection, decoded: Decoded, octets: bytes) -> None:
        sent, values = decoded.message, decoded.values
        success = values["response_code"] == 0
        alert = responses.ppmid_alert(
            sent.originator, values["alert_code"], self._clock(), values["version"], success
        )
        self._tell(connection, decoded, responses.dcc_alert, ALERT_CODE, alert, sent.originator)
        self._runs(connection, eui_text(sent.originator), values["version"], success)

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
        self._tell(connection, decoded, responses.dcc_alert, ALERT_CODE, alert, target)
        if task:
            outcome = "done" if code == 0 else "failed"
            text = None if code == 0 else responses.TRANSFER_CODES[code]
            journal.settle_task(connection, task.number, outcome, text)
            if code:
                self._record(connection, task, "failed", text)

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
        self,
        connection: Connection,
        decoded: Decoded,
        make: Any,
        code: str,
        alert: Any,
        device: bytes,
    ) -> None:
        """An alert to the supplier of a device."""
        device_id = eui_text(device)
        assignment = find_assignments(connection, [device_id]).get(device_id)
        if assignment is None:
            _log.warning("an alert about %s, which is not assigned, was dropped", device_id)
            return
        supplier = RequestID.parse(f"{assignment.supplier}:{assignment.supplier}:0").originator
        response_id = RequestID(self._keys.broker, supplier, decoded.message.counter)
        root = make(response_id, code, alert, self._clock())
        self._send(connection, assignment.supplier, root)

    def _send(self, connection: Connection, party: str, root: Element) -> None:
        journal.add_outgoing(connection, party, self._service.sign(root), self._clock())

    # --- the inventory

    def _runs(self, connection: Connection, device_id: str, version: int, success: bool) -> None:
        """An activation ended: the inventory follows where it succeeded."""
        task = journal.image_task(connection, device_id)
        if task:
            journal.settle_task(connection, task.number, "done" if success else "failed")
            text = None if success else f"{version:08X} runs on"
            self._record(connection, task, "activated" if success else "failed", text)
        if success:
            is_task = task is not None and task.file_version == version
            connection.execute(
                sa.update(DEVICE)
                .where(DEVICE.c.device_id == device_id)
                .values(
                    firmware_version=version,
                    image_hash=task.image_hash if task and is_task else None,
                    reported_version=version,
                    reported_hash=None,
                    reported_at=_second(self._clock),
                )
            )
        else:
            self._reports(connection, device_id, version)

    def _reports(self, connection: Connection, device_id: str, version: int) -> None:
        """A device said which version it runs; where the inventory differs, its supplier hears."""
        device = find_devices(connection, [device_id]).get(device_id)
        assignment = find_assignments(connection, [device_id]).get(device_id)
        connection.execute(
            sa.update(DEVICE)
            .where(DEVICE.c.device_id == device_id)
            .values(reported_version=version, reported_hash=None, reported_at=_second(self._clock))
        )
        if device is None or assignment is None or device.firmware_version == version:
            return
        identifiers = RequestID.parse(f"{device_id}:{assignment.supplier}:0")
        alert = responses.version_mismatch(
            identifiers.originator, device.device_type, device.firmware_version, version
        )
        response_id = RequestID(
            self._keys.broker, identifiers.target, int(self._clock().timestamp() * 1000)
        )
        root = responses.dcc_alert(response_id, ALERT_CODE, alert, self._clock())
        self._send(connection, assignment.supplier, root)

    def _record(
        self, connection: Connection, task: journal.Task, outcome: str, detail: str | None
    ) -> None:
        connection.execute(
            sa.insert(DISTRIBUTION).values(
                at=_second(self._clock),
                device_id=task.device_id,
                file_version=task.file_version,
                image_hash=task.image_hash,
                cpl_entry_id=task.cpl_entry_id,
                outcome=outcome,
                detail=detail,
            )
        )


def _second(clock: Clock) -> str:
    """As the inventory writes times: 2026-01-31T03:12:45Z."""
    return f"{clock():%Y-%m-%dT%H:%M:%SZ}"
