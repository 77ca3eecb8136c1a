"""Django's sessions in the library's tables: a browser holds a key, the table its digest."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError

from hanboot.library import clock
from hanboot.library.accounts.secrets import digest, new_token
from hanboot.library.library import Library
from hanboot.library.schema import SessionRow
from hanboot.library.web.settings import SESSION_IDLE_S, SESSION_MAX_S

#: Key of the session's data that holds the number of who is signed in.
USER = "user"


#: How exact it is kept when a session was last used: not every page shall write.
_SEEN_S = 60


class SessionStore(SessionBase):
    """One session. What it holds is signed by nothing: it never leaves the database."""

    @property
    def _library(self) -> Library:
        library: Library = settings.HANBOOT_LIBRARY
        return library

    def load(self) -> dict[str, Any]:
        now = self._library.clock()
        idle_since = clock.text(now - datetime.timedelta(seconds=SESSION_IDLE_S))
        with self._library.registry.database.reading() as connection:
            row = connection.execute(
                sa.select(SessionRow.data, SessionRow.seen_at).where(
                    SessionRow.digest == digest(self.session_key or ""),
                    SessionRow.expires_at > clock.text(now),
                    SessionRow.seen_at > idle_since,
                )
            ).first()
        if row is None:
            self._session_key = None
            return {}
        if row.seen_at < clock.text(now - datetime.timedelta(seconds=_SEEN_S)):
            # kept with the answer: a session that is used does not end for want of use
            self.modified = True
        decoded: dict[str, Any] = self.decode(row.data)
        return decoded

    def exists(self, session_key: str | None = None) -> bool:
        with self._library.registry.database.reading() as connection:
            query = sa.select(SessionRow.user).where(SessionRow.digest == digest(session_key or ""))
            return connection.execute(query).first() is not None

    def create(self) -> None:
        self._session_key = new_token()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        now = self._library.clock()
        values = {
            "data": self.encode(data),
            "user": data.get(USER),
            # known once its user has signed in, when there is a session already
            "agent": data.get("agent"),
            "seen_at": clock.text(now),
        }
        with self._library.registry.database.writing() as connection:
            if must_create:
                _remove_old(connection, now)
                expires = now + datetime.timedelta(seconds=SESSION_MAX_S)
                connection.execute(
                    sa.insert(SessionRow).values(
                        digest=digest(self.session_key),
                        created_at=clock.text(now),
                        expires_at=clock.text(expires),
                        **values,
                    )
                )
                return None
            changed = connection.execute(
                sa.update(SessionRow)
                .where(SessionRow.digest == digest(self.session_key))
                .values(**values)
            )
        if not changed.rowcount:
            # it was ended meanwhile, by a sign-out elsewhere
            raise UpdateError
        return None

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            with self._library.registry.database.writing() as connection:
                connection.execute(sa.delete(SessionRow).where(SessionRow.digest == digest(key)))

    @classmethod
    def clear_expired(cls) -> None:
        library: Library = settings.HANBOOT_LIBRARY
        with library.registry.database.writing() as connection:
            _remove_old(connection, library.clock())


def _remove_old(connection: sa.Connection, now: datetime.datetime) -> None:
    connection.execute(sa.delete(SessionRow).where(SessionRow.expires_at <= clock.text(now)))


__all__ = ["CreateError", "SessionStore"]
