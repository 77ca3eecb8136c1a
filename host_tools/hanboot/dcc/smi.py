"""The Smart Metering Inventory, kept by what devices report and by what they leave unanswered.

Two states are the service's own. A device is *unanswered* where an image or its activation went out
and nothing came back in time: a record of the distribution, which the next record ends. It is
*Suspended* where the CPL no longer has what it runs as Active; a report of firmware that the CPL
has ends that, as MP105 has it of Service Request 11.2.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.dcc import journal
from hanboot.duis import responses
from hanboot.duis.building import Part
from hanboot.inventory.devices import UNANSWERED, DeviceRecord, find_devices
from hanboot.inventory.listing import CplStatuses, cpl_status
from hanboot.registry.storage.schema import DEVICE, DISTRIBUTION
from hanboot.trust.smki.certificate import parse_eui

_log = logging.getLogger(__name__)

#: Tells the supplier of a device: connection, device ID, alert.
Tell = Callable[[Connection, str, Part], None]
Clock = Callable[[], datetime.datetime]

#: Statuses of entries that were Active once; firmware that no entry names suspends nothing.
_ENDED = ("Cancelled", "Expired", "Withdrawn")
_AT_ONCE = 500
_RUNS_ALREADY = "the device runs it already"
#: When nothing was heard for so long, a device is unanswered.
ANSWER_AFTER = datetime.timedelta(hours=24)


class Smi:
    """Changes the inventory, inside its caller's transactions.

    Args:
        tell: sends an alert to a device's supplier.
        clock: the time, UTC.
        answer_after: how long a device may leave an image or an activation unanswered.
    """

    def __init__(self, tell: Tell, clock: Clock, answer_after: datetime.timedelta) -> None:
        self._tell = tell
        self._clock = clock
        self._answer_after = answer_after

    # --- what devices report

    def transfer(
        self, connection: Connection, device_id: str, version: int, code: str
    ) -> journal.Task | None:
        """A hub's transfer to a device ended.

        Args:
            version: of the image.
            code: of `responses.TRANSFER_CODES`.

        Returns:
            the distribution that has ended, or is with the device; None if there is none.
        """
        sent = [
            task
            for task in journal.open_tasks(connection, device_id)
            if task.image is not None and task.file_version == version
        ]
        if not sent:
            return None
        # what a hub drops for a newer offer is the one before
        task = sent[-1] if code == responses.DISCARDED else sent[0]
        if code == responses.TRANSFERRED:
            # a PPMID goes on by itself, and its CS09 is still to come
            state = "arrived" if task.reference == "11.4" else "done"
            journal.settle_task(connection, task.number, state)
        elif code == responses.DISCARDED and self._runs(connection, task):
            journal.settle_task(connection, task.number, "done", _RUNS_ALREADY)
            self.record(connection, task, "refused", _RUNS_ALREADY)
        else:
            journal.settle_task(connection, task.number, "failed", code)
            self.record(connection, task, "failed", code)
        return task

    def _runs(self, connection: Connection, task: journal.Task) -> bool:
        """Whether a device runs an image already, by the inventory."""
        device = find_devices(connection, [task.device_id]).get(task.device_id)
        return (
            device is not None
            and device.firmware_version == task.file_version
            and device.image_hash in (None, task.image_hash)
        )

    def activation(
        self, connection: Connection, device_id: str, version: int, success: bool
    ) -> None:
        """An activation ended. version: what runs now."""
        open_ = journal.open_tasks(connection, device_id)
        ended = [task for task in open_ if not success or task.file_version == version]
        for task in ended:
            journal.settle_task(connection, task.number, "done" if success else "failed")
        sent = next(iter(ended), None) or journal.image_task(connection, device_id)
        if not success:
            if sent:
                self.record(connection, sent, "failed", f"{version:08X} runs on")
            self.report(connection, device_id, version)
            return
        is_sent = sent is not None and sent.file_version == version
        if sent and is_sent:
            self.record(connection, sent, "activated", None)
        self._set(
            connection,
            device_id,
            firmware_version=version,
            image_hash=sent.image_hash if sent and is_sent else None,
            reported_version=version,
            reported_hash=None,
            reported_at=self._now(),
        )
        self._restore(connection, device_id)

    def answer(self, connection: Connection, device_id: str, version: int) -> None:
        """A device was asked for its version: what was not answered before is answered now."""
        open_ = journal.open_tasks(connection, device_id)
        if any(task.file_version == version for task in open_):
            self.activation(connection, device_id, version, success=True)
            return
        for task in open_:
            if task.state == "silent":
                journal.settle_task(connection, task.number, "failed")
                self.record(connection, task, "failed", f"{version:08X} runs on")
        self.report(connection, device_id, version)

    def report(
        self, connection: Connection, device_id: str, version: int, only_news: bool = False
    ) -> None:
        """A device runs a version; where the inventory differs, its supplier gets an alert.

        Args:
            only_news: whether what it reported before is passed over, as of daily reports.
        """
        device = find_devices(connection, [device_id]).get(device_id)
        if device is None or (only_news and device.reported_version == version):
            return
        self._set(
            connection,
            device_id,
            reported_version=version,
            reported_hash=None,
            reported_at=self._now(),
        )
        if device.firmware_version == version:
            self._restore(connection, device_id)
            return
        alert = responses.version_mismatch(
            parse_eui(device_id), device.device_type, device.firmware_version, version
        )
        self._tell(connection, device_id, alert)

    # --- what they leave unanswered, and what the CPL ends

    def sweep(self, connection: Connection) -> bool:
        """Sets both states where they are due, a piece of them: others want to write in between.

        Returns:
            whether there may be more.
        """
        before = self._clock() - self._answer_after
        overdue = journal.overdue(connection, before, _AT_ONCE)
        for task in overdue:
            what = "activated" if task.command else "sent"
            journal.settle_task(connection, task.number, "silent")
            self.record(connection, task, UNANSWERED, f"{what}, and no answer came")
        room = _AT_ONCE - len(overdue)
        return self._suspend(connection, room) == room

    def _suspend(self, connection: Connection, most: int) -> int:
        """Suspends devices, at most so many; how many."""
        statuses = CplStatuses(connection, self._clock().date())
        firmware = [DEVICE.c[name] for name in _FIRMWARE]
        running = (
            sa.select(*(sa.type_coerce(column, sa.String()) for column in firmware), *firmware)
            .where(DEVICE.c.state == "Commissioned")
            .distinct()
        )
        count = 0
        for row in connection.execute(running).all():
            texts, values = row[: len(_FIRMWARE)], row[len(_FIRMWARE) :]
            if statuses.of(*texts) not in _ENDED:
                continue
            same = [column == value for column, value in zip(firmware, values, strict=True)]
            ids = sa.select(DEVICE.c.device_id).where(*same, DEVICE.c.state == "Commissioned")
            for device_id in connection.execute(ids.limit(most - count)).scalars().all():
                self._change_state(connection, device_id, "Suspended")
                count += 1
        return count

    def _restore(self, connection: Connection, device_id: str) -> None:
        """Ends a suspension, where the CPL has what the device runs."""
        device = find_devices(connection, [device_id]).get(device_id)
        if device and device.state == "Suspended" and self._is_active(connection, device):
            self._change_state(connection, device_id, "Commissioned")

    def _is_active(self, connection: Connection, device: DeviceRecord) -> bool:
        return cpl_status(connection, device, self._clock().date()) == "Active"

    def _change_state(self, connection: Connection, device_id: str, state: str) -> None:
        _log.info("%s is %s now", device_id, state)
        self._set(connection, device_id, state=state)
        alert = responses.status_change(parse_eui(device_id), state == "Suspended")
        self._tell(connection, device_id, alert)

    # --- rows

    def record(
        self, connection: Connection, task: journal.Task, outcome: str, detail: str | None
    ) -> None:
        """What came of a distribution or an activation."""
        if task.image_hash is None or task.file_version is None:
            return
        connection.execute(
            sa.insert(DISTRIBUTION).values(
                at=self._now(),
                device_id=task.device_id,
                file_version=task.file_version,
                image_hash=task.image_hash,
                cpl_entry_id=task.cpl_entry_id,
                outcome=outcome,
                detail=detail,
                command=f"SR {task.reference}",
            )
        )

    def _set(self, connection: Connection, device_id: str, **values: Any) -> None:
        connection.execute(sa.update(DEVICE).where(DEVICE.c.device_id == device_id).values(values))

    def _now(self) -> str:
        """As the inventory writes times: 2026-01-31T03:12:45Z."""
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ}"


_FIRMWARE = ("manufacturer_code", "device_model", "firmware_version", "image_hash")
