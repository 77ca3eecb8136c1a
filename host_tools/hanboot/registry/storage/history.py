"""Every change to the registry: when, by whom, why, and what stood there before.

Corrections are allowed, history is not rewritten: each change set carries the SHA-256 of the one
before and of all that is in it, and `verify_digests` computes them again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed, WrongUsage
from hanboot.registry.fields import TEXT_MAX, BadValue, parse_text
from hanboot.registry.storage.schema import CHANGE, CHANGE_SET

_NOTHING_BEFORE = bytes(32)
_ROWS_AT_ONCE = 1000

#: Field names and their texts, as an export shows them.
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Attribution:
    """What goes with every change.

    Attributes:
        author: who makes it.
        reason: why.
        source: where it comes from, e.g. the name of the imported file.
        party: the organisation that is responsible for it: the one that submitted it (MP231 7).
        channel: the way it came, e.g. "CPL Tool" or "email".
    """

    author: str
    reason: str
    source: str = ""
    party: str = ""
    channel: str = ""

    def __post_init__(self) -> None:
        for name in ("party", "channel"):
            try:
                parse_text(getattr(self, name))
            except BadValue as bad:
                raise WrongUsage(
                    f"the {name} of a change cannot be used", str(bad), f"give --{name} TEXT"
                ) from None
        for name in ("author", "reason"):
            value = getattr(self, name)
            try:
                if not value.strip():
                    raise BadValue("it is empty")
                parse_text(value)
            except BadValue as bad:
                raise WrongUsage(
                    f"a change needs its {name}", str(bad), f"give --{name} TEXT"
                ) from None
        if len(self.source) > TEXT_MAX:
            object.__setattr__(self, "source", self.source[: TEXT_MAX - 1] + "…")


@dataclass(frozen=True)
class Change:
    """One subject (a CPL Entry ID, or "setting NAME") in a change set.

    before: None for an addition; otherwise only the fields that changed.
    """

    number: int
    at: str
    attribution: Attribution
    subject: str
    before: Texts | None
    after: Texts


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """Writes one change set, in the transaction of the changes themselves."""

    def __init__(
        self, connection: Connection, attribution: Attribution, clock: Callable[[], str] = now
    ) -> None:
        self._connection = connection
        last = connection.execute(
            sa.select(CHANGE_SET.c.number, CHANGE_SET.c.digest)
            .order_by(CHANGE_SET.c.number.desc())
            .limit(1)
        ).first()
        self.number: int = last.number + 1 if last else 1
        self._head = {"at": clock(), **vars(attribution)}
        self._sha = hashlib.sha256(last.digest if last else _NOTHING_BEFORE)
        self._sha.update(_canonical([self.number, *self._head.values()]))
        self._waiting: list[dict[str, object]] = []
        self.changes = 0

    def add(self, subject: str, before: Texts | None, after: Texts) -> None:
        texts = (None if before is None else _dumped(before), _dumped(after))
        self._sha.update(_canonical([subject, *texts]))
        self._waiting.append(
            {
                "change_set": self.number,
                "position": self.changes,
                "subject": subject,
                "before": texts[0],
                "after": texts[1],
            }
        )
        self.changes += 1
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._connection.execute(sa.insert(CHANGE), self._waiting)
            self._waiting = []

    def close(self) -> None:
        """Ends the change set; without changes there is none."""
        if self.changes:
            self._flush()
            self._connection.execute(
                sa.insert(CHANGE_SET).values(
                    number=self.number, digest=self._sha.digest(), **self._head
                )
            )


def _dumped(texts: Texts) -> str:
    return json.dumps(texts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _canonical(values: list[object]) -> bytes:
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode()


_HEAD = (
    CHANGE_SET.c.number,
    CHANGE_SET.c.at,
    CHANGE_SET.c.author,
    CHANGE_SET.c.reason,
    CHANGE_SET.c.source,
    CHANGE_SET.c.party,
    CHANGE_SET.c.channel,
)


def changes(
    connection: Connection, subject: str | None = None, hidden: Collection[str] = ()
) -> Iterator[Change]:
    """The history, oldest first; of one subject, or of all.

    Args:
        hidden: fields that are left out; a change of nothing else is left out, too.
    """
    query = (
        sa.select(*_HEAD, CHANGE.c.subject, CHANGE.c.before, CHANGE.c.after)
        .join(CHANGE, CHANGE.c.change_set == CHANGE_SET.c.number)
        .order_by(CHANGE_SET.c.number, CHANGE.c.position)
    )
    if subject is not None:
        query = query.where(CHANGE.c.subject == subject)
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        number, at, author, reason, source, party, channel, name, before, after = row
        shown = _without(json.loads(after), hidden)
        if shown:
            yield Change(
                number,
                at,
                Attribution(author, reason, source, party or "", channel or ""),
                name,
                None if before is None else _without(json.loads(before), hidden),
                shown,
            )


def _without(texts: Texts, hidden: Collection[str]) -> Texts:
    return {name: text for name, text in texts.items() if name not in hidden}


def verify_digests(connection: Connection) -> int:
    """Computes every digest again.

    Returns:
        how many change sets there are.

    Raises:
        CheckFailed: a change set is not what was recorded, or one is missing.
    """
    digest = _NOTHING_BEFORE
    count = 0
    sets = connection.execute(
        sa.select(*_HEAD, CHANGE_SET.c.digest).order_by(CHANGE_SET.c.number)
    ).all()
    for row in sets:
        *head, recorded = row
        sha = hashlib.sha256(digest)
        # party and channel were not asked for before schema 0003
        sha.update(_canonical([value for value in head if value is not None]))
        texts = (
            sa.select(CHANGE.c.subject, CHANGE.c.before, CHANGE.c.after)
            .where(CHANGE.c.change_set == row.number)
            .order_by(CHANGE.c.position)
        )
        for change in connection.execute(texts.execution_options(yield_per=_ROWS_AT_ONCE)):
            sha.update(_canonical(list(change)))
        digest = sha.digest()
        count += 1
        if digest != recorded or row.number != count:
            raise CheckFailed(
                f"history was changed after it was written, at change set {row.number}",
                "its digest is not that of what it holds and of the change set before",
                "restore the registry from a copy, or from an export",
            )
    return count
