"""What the service has taken and what it has to do: rows of its tables."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.dcc.schema import COUNTER, HEARD, IMAGE, OUTGOING, REQUEST, TASK
from hanboot.duis.identifiers import RequestID
from hanboot.terminal import clean
from hanboot.trust.smki.certificate import eui_text

_COUNTER_DIGITS = 20
_ROWS_AT_ONCE = 1000
#: Characters kept of why something is in the way.
_DETAIL_MAX = 500

_NO_TASK = {
    "state": "waiting",
    "attempts": 0,
    "image": None,
    "image_hash": None,
    "file_version": None,
    "cpl_entry_id": None,
    "command": None,
}


def time_text(instant: datetime.datetime) -> str:
    """UTC with milliseconds, so that texts sort as times do."""
    return instant.astimezone(datetime.UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Taken:
    """A request that was taken before: its number, answer and command."""

    number: int
    answer: bytes
    command: bytes | None


def find_repetition(connection: Connection, digest: bytes) -> Taken | None:
    """The request with this very document."""
    return _taken(connection, REQUEST.c.digest == digest)


def find_request(connection: Connection, request_id: RequestID, variant: int) -> Taken | None:
    """The request with this RequestID and command variant."""
    return _taken(
        connection,
        sa.and_(REQUEST.c.request_id == str(request_id), REQUEST.c.variant == variant),
    )


def _taken(connection: Connection, condition: Any) -> Taken | None:
    columns = (REQUEST.c.number, REQUEST.c.answer, REQUEST.c.command)
    row = connection.execute(sa.select(*columns).where(condition)).first()
    return Taken(*row) if row else None


def find_asked(
    connection: Connection, originator: bytes, target: bytes, counter: int
) -> tuple[RequestID, str] | None:
    """RequestID and service of the last request of a user to a device with this counter."""
    request_id = RequestID(originator, target, counter)
    query = (
        sa.select(REQUEST.c.reference)
        .where(REQUEST.c.request_id == str(request_id))
        .order_by(REQUEST.c.number.desc())
    )
    reference = connection.execute(query).scalars().first()
    return (request_id, reference) if reference else None


def keep_request(
    connection: Connection,
    request_id: RequestID,
    reference: str,
    variant: int,
    digest: bytes,
    at: datetime.datetime,
    answer: bytes,
    command: bytes | None,
) -> int:
    """Writes a request down; returns its number."""
    result = connection.execute(
        sa.insert(REQUEST).values(
            request_id=str(request_id),
            originator=eui_text(request_id.originator),
            target=eui_text(request_id.target),
            counter=_padded(request_id.counter),
            reference=reference,
            variant=variant,
            digest=digest,
            at=time_text(at),
            answer=answer,
            command=command,
        )
    )
    number = result.inserted_primary_key
    assert number is not None
    return int(number[0])


def _padded(counter: int) -> str:
    return f"{counter:0{_COUNTER_DIGITS}d}"


def last_counter(connection: Connection, originator: str) -> int:
    query = sa.select(COUNTER.c.counter).where(COUNTER.c.originator == originator)
    return int(connection.execute(query).scalar() or 0)


def raise_counter(connection: Connection, originator: str, counter: int) -> None:
    """Sets a party's last counter."""
    connection.execute(sa.delete(COUNTER).where(COUNTER.c.originator == originator))
    connection.execute(sa.insert(COUNTER).values(originator=originator, counter=_padded(counter)))


def next_counter(connection: Connection, originator: str, at: datetime.datetime) -> int:
    """A counter above all before, and not below the milliseconds since 1970."""
    return max(last_counter(connection, originator) + 1, int(at.timestamp() * 1000))


# --- tasks


def keep_image(connection: Connection, digest: bytes, octets: bytes) -> None:
    """Keeps an image file, once."""
    known = connection.execute(sa.select(IMAGE.c.digest).where(IMAGE.c.digest == digest)).first()
    if known is None:
        connection.execute(sa.insert(IMAGE).values(digest=digest, octets=octets))


def image_octets(connection: Connection, digest: bytes) -> bytes:
    query = sa.select(IMAGE.c.octets).where(IMAGE.c.digest == digest)
    octets: bytes = connection.execute(query).scalar_one()
    return octets


def add_tasks(
    connection: Connection,
    request: int,
    at: datetime.datetime,
    tasks: Sequence[dict[str, Any]],
    spread: datetime.timedelta,
) -> None:
    """Writes down what has to reach devices, due one after the other over `spread`.

    There may be 50,000, so rows are made and written piece by piece.
    """
    for start in range(0, len(tasks), _ROWS_AT_ONCE):
        rows = [
            {
                **_NO_TASK,
                "request": request,
                "due": time_text(at + spread * (number / len(tasks))),
                **task,
            }
            for number, task in enumerate(tasks[start : start + _ROWS_AT_ONCE], start)
        ]
        connection.execute(sa.insert(TASK), rows)


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """How many tasks are in each state, and how many documents wait for each party."""
    states = sa.select(TASK.c.state, sa.func.count()).group_by(TASK.c.state)
    waiting = (
        sa.select(OUTGOING.c.party, sa.func.count())
        .where(OUTGOING.c.delivered_at.is_(None))
        .group_by(OUTGOING.c.party)
    )
    return {
        "tasks": {state: count for state, count in connection.execute(states)},
        "documents": {party: count for party, count in connection.execute(waiting)},
    }


def obstacles(connection: Connection, most: int) -> list[tuple[str, int]]:
    """(why, how many): what keeps tasks and documents that were tried before, the most first."""
    reasons = sa.union_all(
        sa.select(TASK.c.detail).where(TASK.c.state == "waiting"),
        sa.select(OUTGOING.c.detail).where(OUTGOING.c.delivered_at.is_(None)),
    ).subquery()
    count = sa.func.count()
    query = (
        sa.select(reasons.c.detail, count)
        .where(reasons.c.detail.is_not(None))
        .group_by(reasons.c.detail)
        .order_by(count.desc(), reasons.c.detail)
        .limit(most)
    )
    return [(why, number) for why, number in connection.execute(query)]


def silent(connection: Connection, before: datetime.datetime) -> list[tuple[str, str]]:
    """(device, since when): it has its image or its activation, and nothing was heard since."""
    query = (
        sa.select(TASK.c.device_id, TASK.c.due)
        .where(
            TASK.c.state.in_(_OPEN),
            TASK.c.file_version.is_not(None),
            TASK.c.due < time_text(before),
        )
        .order_by(TASK.c.due)
    )
    return [(row.device_id, row.due) for row in connection.execute(query)]


@dataclass(frozen=True)
class Task:
    """Something that has to reach a device.

    Attributes:
        reference, request_id: of the request that it comes from.
        image: digest of the file, where it is an image.
        command: a GBCS message, where it is one.
        digest: of the request.
    """

    number: int
    request: int
    device_id: str
    image: bytes | None
    image_hash: bytes | None
    file_version: int | None
    cpl_entry_id: str | None
    command: bytes | None
    attempts: int
    state: str
    reference: str
    request_id: str
    digest: bytes

    @property
    def once(self) -> str:
        """Its name for the hub. A signature is never made twice, so neither is the digest: another
        database's tasks have other names."""
        return f"{self.digest.hex()}-{self.number}"


_OF_REQUEST = ("reference", "request_id", "digest")
_TASK_COLUMNS = tuple(TASK.c[name] for name in Task.__dataclass_fields__ if name not in _OF_REQUEST)
_TASKS = sa.select(*_TASK_COLUMNS, *(REQUEST.c[name] for name in _OF_REQUEST)).join(REQUEST)


def due_tasks(connection: Connection, at: datetime.datetime, most: int) -> list[Task]:
    """The next that wait and are due, oldest first."""
    query = (
        _TASKS.where(TASK.c.state == "waiting", TASK.c.due <= time_text(at))
        .order_by(TASK.c.due, TASK.c.number)
        .limit(most)
    )
    return [Task(**row._mapping) for row in connection.execute(query)]


#: Not ended: handed to the hub, arrived at the device, or left unanswered.
_OPEN = ("passed", "arrived", "silent")


def open_tasks(connection: Connection, device_id: str) -> list[Task]:
    """Images and activations of a device of which no outcome is known, newest first."""
    query = _TASKS.where(
        TASK.c.device_id == device_id, TASK.c.file_version.is_not(None), TASK.c.state.in_(_OPEN)
    ).order_by(TASK.c.number.desc())
    return [Task(**row._mapping) for row in connection.execute(query)]


def overdue(connection: Connection, before: datetime.datetime, most: int) -> list[Task]:
    """Images and activations that devices should have answered."""
    query = (
        _TASKS.where(
            TASK.c.state.in_(("passed", "arrived")),
            TASK.c.file_version.is_not(None),
            TASK.c.due < time_text(before),
        )
        .order_by(TASK.c.due, TASK.c.number)
        .limit(most)
    )
    return [Task(**row._mapping) for row in connection.execute(query)]


def expect_later(connection: Connection, number: int, due: datetime.datetime) -> None:
    """A device has accepted what it does at a later time."""
    connection.execute(sa.update(TASK).where(TASK.c.number == number).values(due=time_text(due)))


def image_task(connection: Connection, device_id: str) -> Task | None:
    """The distribution to a device that its hub has, or the last one."""
    query = (
        _TASKS.where(TASK.c.device_id == device_id, TASK.c.image.is_not(None))
        .order_by(sa.case((TASK.c.state.in_(_OPEN), 0), else_=1), TASK.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return Task(**row._mapping) if row else None


def settle_task(connection: Connection, number: int, state: str, detail: str | None = None) -> None:
    connection.execute(
        sa.update(TASK).where(TASK.c.number == number).values(state=state, detail=kept(detail))
    )


def settle_tasks(connection: Connection, numbers: Sequence[int], state: str) -> None:
    """Sets the state of several: a piece of `due_tasks`, not all there are."""
    connection.execute(sa.update(TASK).where(TASK.c.number.in_(numbers)).values(state=state))


def postpone_task(connection: Connection, task: Task, due: datetime.datetime, detail: str) -> None:
    connection.execute(
        sa.update(TASK)
        .where(TASK.c.number == task.number)
        .values(attempts=task.attempts + 1, due=time_text(due), detail=kept(detail))
    )


def kept(detail: str | None) -> str | None:
    """What a hub or a party's server answered, as every database takes it, and no more of it."""
    return detail and clean(detail)[:_DETAIL_MAX]


# --- documents for parties


@dataclass(frozen=True)
class Outgoing:
    """A document for a party."""

    number: int
    party: str
    octets: bytes
    attempts: int


def add_outgoing(connection: Connection, party: str, octets: bytes, at: datetime.datetime) -> None:
    connection.execute(
        sa.insert(OUTGOING).values(
            party=party, octets=octets, at=time_text(at), due=time_text(at), attempts=0
        )
    )


def due_outgoing(connection: Connection, at: datetime.datetime, most: int) -> list[Outgoing]:
    """The next documents of each party, in its order.

    A party's oldest document decides for all of them: while that waits for another try, so do those
    after it, and other parties' do not.

    Args:
        at: the time, UTC.
        most: documents of one party.
    """
    oldest = (
        sa.select(sa.func.min(OUTGOING.c.number))
        .where(OUTGOING.c.delivered_at.is_(None))
        .group_by(OUTGOING.c.party)
    )
    parties = (
        sa.select(OUTGOING.c.party)
        .where(OUTGOING.c.number.in_(oldest), OUTGOING.c.due <= time_text(at))
        .order_by(OUTGOING.c.number)
    )
    columns = (OUTGOING.c.number, OUTGOING.c.party, OUTGOING.c.octets, OUTGOING.c.attempts)
    found: list[Outgoing] = []
    for party in connection.execute(parties).scalars().all():
        query = (
            sa.select(*columns)
            .where(OUTGOING.c.delivered_at.is_(None), OUTGOING.c.party == party)
            .order_by(OUTGOING.c.number)
            .limit(most)
        )
        found += (Outgoing(*row) for row in connection.execute(query))
    return found


def mark_delivered(connection: Connection, number: int, at: datetime.datetime) -> None:
    connection.execute(
        sa.update(OUTGOING).where(OUTGOING.c.number == number).values(delivered_at=time_text(at))
    )


def postpone_outgoing(
    connection: Connection, waiting: Outgoing, due: datetime.datetime, detail: str
) -> None:
    connection.execute(
        sa.update(OUTGOING)
        .where(OUTGOING.c.number == waiting.number)
        .values(attempts=waiting.attempts + 1, due=time_text(due), detail=kept(detail))
    )


# --- messages of devices


def heard(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Those of a few messages that were taken before."""
    query = sa.select(HEARD.c.digest).where(HEARD.c.digest.in_(digests))
    return set(connection.execute(query).scalars())


def mark_heard(connection: Connection, digest: bytes, at: datetime.datetime) -> None:
    connection.execute(sa.insert(HEARD).values(digest=digest, at=time_text(at)))
