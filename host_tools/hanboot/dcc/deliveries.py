"""What became of what went to hubs, for the inventory and for the party that had sent it.

An image that its hub has, and one that its hub could not be given, is a DCC alert N60 or N61 with a
CSPFirmwareDeliveryStatus. A command that its hub could not be given is a response with an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from hanboot.dcc import journal
from hanboot.dcc.outbox import Outbox
from hanboot.dcc.parties import find_hubs, keep_hubs
from hanboot.dcc.service import Clock
from hanboot.dcc.smi import Smi
from hanboot.duis import codes, responses
from hanboot.duis.building import Part
from hanboot.duis.identifiers import RequestID
from hanboot.inventory.devices import find_devices
from hanboot.registry.storage.database import Database
from hanboot.trust.smki.certificate import eui_text, parse_eui


@dataclass(frozen=True)
class HandedOver:
    """An image that a hub has. path: of its control socket. hub: its EUI-64, as text."""

    task: journal.Task
    path: str
    hub: str


class Deliveries:
    """Writes down how deliveries to hubs ended: state, inventory and document at once.

    Args:
        database: with inventory and the service's tables.
        outbox: takes the documents.
        smi: the inventory.
        clock: the time, UTC.
    """

    def __init__(self, database: Database, outbox: Outbox, smi: Smi, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._smi = smi
        self._clock = clock

    def succeeded(self, handed_over: Sequence[HandedOver]) -> None:
        """Hubs have taken images: a piece of what is due."""
        if not handed_over:
            return
        with self._database.writing() as connection:
            numbers = [one.task.number for one in handed_over]
            journal.settle_tasks(connection, numbers, "passed")
            keep_hubs(connection, {one.path: one.hub for one in handed_over})
            types = find_devices(connection, [one.task.device_id for one in handed_over])
            for one in handed_over:
                device = types.get(one.task.device_id)
                if device and device.device_type in codes.DELIVERY_REPORTED:
                    self._report(connection, one.task, self._status(one.task, one.hub, True))

    def failed(self, task: journal.Task, path: str, why: str) -> None:
        """A hub could not be given an image or a command, and is not tried again."""
        with self._database.writing() as connection:
            journal.settle_task(connection, task.number, "failed", why)
            self._smi.record(connection, task, "failed", journal.kept(why))
            request_id = RequestID.parse(task.request_id)
            if task.image is None:
                root = responses.response(
                    request_id, task.reference, codes.NOT_DELIVERED, self._clock()
                )
                self._outbox.send(connection, eui_text(request_id.originator), root)
                return
            device = find_devices(connection, [task.device_id]).get(task.device_id)
            hub = find_hubs(connection, [path]).get(path)
            if hub and device and device.device_type in codes.DELIVERY_REPORTED:
                self._report(connection, task, self._status(task, hub, False))
                return
            # the schema wants the hub's EUI-64 in the alert above
            alert = responses.distribution_failure(request_id, [parse_eui(task.device_id)])
            self._report(connection, task, (codes.ANY_ALERT, alert))

    def _status(self, task: journal.Task, hub: str, success: bool) -> tuple[str, Part]:
        """Code and content of the alert."""
        alert = responses.hub_delivery(
            RequestID.parse(task.request_id),
            parse_eui(hub),
            parse_eui(task.device_id),
            task.file_version or 0,
            self._clock(),
            success,
        )
        return (codes.IMAGE_DELIVERED if success else codes.IMAGE_NOT_DELIVERED, alert)

    def _report(self, connection: Connection, task: journal.Task, coded: tuple[str, Part]) -> None:
        code, alert = coded
        originator = RequestID.parse(task.request_id).originator
        self._outbox.alert(connection, eui_text(originator), alert, code)
