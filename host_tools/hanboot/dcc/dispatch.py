"""What is to be done beside answering: images and commands to hubs, messages from them, documents
to parties. All of it stands in the database first, so it goes on after a restart.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from hanboot.dcc import journal
from hanboot.dcc.deliveries import HandedOver
from hanboot.dcc.devices import Devices
from hanboot.dcc.http_client import Undelivered, post
from hanboot.dcc.parties import find_assignments, find_party, hubs
from hanboot.dcc.service import Clock, now
from hanboot.errors import HanbootError, NoDevice
from hanboot.image.ota_file import Layout
from hanboot.inventory import reports
from hanboot.registry.storage.database import Database

_log = logging.getLogger(__name__)

_AT_ONCE = 200
_HUBS_AT_ONCE = 200
#: Messages that are kept until they are taken together.
_HEARD_AT_ONCE = 50
#: A hub that fails after so long has kept others waiting; one that is gone fails at once.
_STUCK_S = 1.0
_LEFT_ALONE = datetime.timedelta(minutes=5)
_SWEEP_EVERY = datetime.timedelta(minutes=10)
_FIRST_RETRY_S = 2.0
_LONGEST_RETRY_S = 900.0
#: How long a hub is tried.
GIVE_UP_AFTER = datetime.timedelta(hours=48)


class HubLink(Protocol):
    """A Communications Hub, as the service reaches it.

    `once` names what is handed over: after a kill it may be handed over again, and a hub does
    nothing for a name that it had before.
    """

    def offer(self, device_id: str, image: bytes, layout: Layout, once: str) -> str:
        """Hands over an image for a device: one with a supplier's signature ("signed") waits for
        CS06, one without is activated as soon as the device has it. Returns the hub's EUI-64."""

    def send(self, device_id: str, command: bytes, once: str) -> None:
        """Hands over a GBCS message for a device."""

    def messages(self) -> list[bytes]:
        """GBCS messages of devices and of the hub itself, all that it keeps."""

    def versions(self) -> dict[str, int]:
        """The version that each device last reported to it, by device ID."""


#: Reaches the hub whose control socket is at a path.
Connect = Callable[[str], HubLink]


def _wait_s(attempts: int) -> float:
    """Until the next try, after so many and one more."""
    return min(_FIRST_RETRY_S * (1 << min(attempts, 16)), _LONGEST_RETRY_S)


def _attempts_within(time: datetime.timedelta) -> int:
    """Tries that the waits between them leave room for."""
    attempts, waited = 1, 0.0
    while waited < time.total_seconds():
        waited += _wait_s(attempts - 1)
        attempts += 1
    return attempts


def _layout(task: journal.Task) -> Layout:
    return "signed" if task.reference == "11.1" else "unsigned"


class TaskDispatcher:
    """Works off what is due.

    Args:
        database: with the service's tables.
        devices: takes what devices say.
        connect: reaches hubs.
        clock: the time, UTC.
        give_up_after: how long a hub is tried.
    """

    def __init__(
        self,
        database: Database,
        devices: Devices,
        connect: Connect,
        clock: Clock = now,
        give_up_after: datetime.timedelta = GIVE_UP_AFTER,
    ) -> None:
        self._database = database
        self._devices = devices
        self._connect = connect
        self._clock = clock
        self._attempts_most = _attempts_within(give_up_after)
        self._heard_last = ""
        self._next_sweep = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        #: hubs that kept others waiting, and until when they are not heard
        self._stuck_until: dict[str, datetime.datetime] = {}
        #: day on which a hub was asked for its devices' versions
        self._asked_on: dict[str, datetime.date] = {}

    def run(self, stop: threading.Event, every_s: float = 1.0) -> None:
        """Works until `stop`."""
        while not stop.wait(every_s):
            try:
                self.work()
            except HanbootError as error:
                # a database that is locked for a moment, for instance: it is tried again
                _log.warning("%s", error)
            except Exception:
                # what is due stays due: one bad round must not be the last
                _log.exception("a round of the service failed")

    def work(self) -> None:
        """One round: all that is due, in pieces.

        Raises:
            OtherSchema: another process has taken the tables to another version. Nothing is handed
                over that could not be written down.
        """
        with self._database.reading() as connection:
            self._database.check_schemas(connection)
        while self._tasks():
            pass
        self._hear()
        self._sweep()
        self._deliver()

    # --- to hubs

    def _tasks(self) -> bool:
        """A piece of what is due; whether there was any. What fails is due later."""
        with self._database.reading() as connection:
            tasks = journal.due_tasks(connection, self._clock(), _AT_ONCE)
            assigned = find_assignments(connection, [task.device_id for task in tasks])
            images = {
                task.image: journal.image_octets(connection, task.image)
                for task in tasks
                if task.image
            }
        passed: list[HandedOver] = []
        #: what goes wrong with tasks that nothing was wrong with before
        obstacles: list[str] = []
        # a hub that does not answer is asked once in a piece
        away: dict[str, str] = {}
        for task in tasks:
            assignment = assigned.get(task.device_id)
            path = assignment.hub if assignment else ""
            try:
                if path in away:
                    raise NoDevice(away[path], "it did not answer before", "")
                if assignment is None:
                    raise NoDevice("the device is not assigned", "its assignment was removed", "")
                if task.image:
                    image = images[task.image]
                    hub = self._connect(path).offer(task.device_id, image, _layout(task), task.once)
                    passed.append(HandedOver(task, path, hub))
                else:
                    self._connect(path).send(task.device_id, task.command or b"", task.once)
                    _log.info("a command handed to the hub of %s", task.device_id)
                    # an activation has an outcome still to come
                    self._settle(task, "passed" if task.file_version else "done")
            except HanbootError as error:
                if isinstance(error, NoDevice) and path:
                    away[path] = error.what
                if task.attempts == 0:
                    obstacles.append(f"{task.device_id}: {journal.kept(error.what)}")
                self._postpone(task, path, error.what)
        # a hub that gets an image twice holds it once, so these are written down together
        self._devices.deliveries.succeeded(passed)
        if passed:
            _log.info("images handed to hubs: %d", len(passed))
        if obstacles:
            _log.warning(
                "tasks that wait for another try: %d, first %s", len(obstacles), obstacles[0]
            )
        return bool(tasks)

    def _settle(self, task: journal.Task, state: str) -> None:
        with self._database.writing() as connection:
            journal.settle_task(connection, task.number, state)

    def _postpone(self, task: journal.Task, path: str, why: str) -> None:
        if task.attempts + 1 >= self._attempts_most:
            _log.warning(
                "task %d for %s was given up: %s", task.number, task.device_id, journal.kept(why)
            )
            self._devices.deliveries.failed(task, path, why)
            return
        with self._database.writing() as connection:
            journal.postpone_task(connection, task, self._later(task.attempts), why)

    def _later(self, attempts: int) -> datetime.datetime:
        return self._clock() + datetime.timedelta(seconds=_wait_s(attempts))

    # --- what is overdue

    def _sweep(self) -> None:
        if self._clock() >= self._next_sweep:
            self._devices.sweep()
            self._next_sweep = self._clock() + _SWEEP_EVERY

    # --- from hubs

    def _hear(self) -> None:
        with self._database.reading() as connection:
            paths = hubs(connection, self._heard_last, _HUBS_AT_ONCE)
        # in turns: with 50,000 of them each is heard every four minutes, a few each second
        self._heard_last = paths[-1] if len(paths) == _HUBS_AT_ONCE else ""
        heard: list[tuple[bytes, str | None]] = []
        for path in paths:
            until = self._stuck_until.get(path)
            if until and self._clock() < until:
                continue
            began = time.monotonic()
            try:
                heard += ((octets, path) for octets in self._connect(path).messages())
            except HanbootError as error:
                if time.monotonic() - began > _STUCK_S:
                    # it takes a connection and does not answer: others wait as long as it is asked
                    _log.warning(
                        "the hub at %s is left alone for a while: %s",
                        path,
                        journal.kept(str(error)),
                    )
                    self._stuck_until[path] = self._clock() + _LEFT_ALONE
                else:
                    _log.debug("%s: %s", path, journal.kept(str(error)))
                continue
            if len(heard) >= _HEARD_AT_ONCE:
                self._devices.take_all(heard)
                heard.clear()
            self._ask_versions(path)
        self._devices.take_all(heard)

    def _ask_versions(self, path: str) -> None:
        """Once a day, each hub from its own second of the day on: so they are spread."""
        moment = self._clock()
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        if self._asked_on.get(path) == moment.date() or second < reports.due_second(path):
            return
        try:
            versions = self._connect(path).versions()
        except HanbootError as error:
            _log.debug("%s: %s", path, journal.kept(str(error)))
            return
        self._asked_on[path] = moment.date()
        self._devices.take_versions(path, versions)

    # --- to parties

    def _deliver(self) -> None:
        with self._database.reading() as connection:
            waiting = journal.due_outgoing(connection, self._clock(), _AT_ONCE)
            parties = {eui: find_party(connection, eui) for eui in {one.party for one in waiting}}
        behind: set[str] = set()
        for one in waiting:
            # in order: where one could not be delivered, later ones of the party wait, too
            if one.party in behind:
                continue
            party = parties[one.party]
            try:
                if party is None or not party.answers_url:
                    raise Undelivered("the party has no address for answers")
                post(party.answers_url, one.octets)
            except Undelivered as error:
                behind.add(one.party)
                if one.attempts == 0:
                    _log.warning(
                        "documents for %s wait for another try: %s",
                        one.party,
                        journal.kept(str(error)),
                    )
                with self._database.writing() as connection:
                    journal.postpone_outgoing(
                        connection, one, self._later(one.attempts), str(error)
                    )
                continue
            with self._database.writing() as connection:
                journal.mark_delivered(connection, one.number, self._clock())
            _log.info("document %d delivered to %s", one.number, one.party)
