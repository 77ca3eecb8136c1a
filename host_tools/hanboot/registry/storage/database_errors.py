"""What a database says when something goes wrong, as one of our errors."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from hanboot.errors import BadFile

# what a database's own words mean: (in the text, cause, remedy)
_CAUSES = (
    (
        "database is locked",
        "another process is writing to it",
        "wait for it to end, then try again",
    ),
    (
        "lock timeout",
        "another process is writing to it",
        "wait for it to end, then try again",
    ),
    ("not a database", "it is not an SQLite file", "check the name: --registry names the registry"),
    ("malformed", "the file is damaged", "restore it from a copy, or from an export"),
    ("readonly", "it may not be written to", "check the file's permissions, and who you are"),
    (
        "unable to open database file",
        "the folder is not there, or may not be written to",
        "check the path; folders are not made",
    ),
    ("disk is full", "the disk is full", "make room, then try again"),
    ("log is not rewritten", "the audit log may only be added to", "leave it as it is"),
    ("history is not rewritten", "history may only be added to", "enter a correction instead"),
)


class DatabaseFailed(BadFile):
    """The database does not do what it is asked to."""


def explain(name: str, error: SQLAlchemyError) -> DatabaseFailed:
    text = first_line(error.orig if isinstance(error, DBAPIError) and error.orig else error)
    for words, cause, remedy in _CAUSES:
        if words in text:
            return DatabaseFailed(f"cannot use the registry {name}", cause, remedy)
    return DatabaseFailed(
        f"cannot use the registry {name}", text, "check the database; nothing was changed"
    )


def first_line(error: object) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def may_be_kept(error: SQLAlchemyError) -> bool:
    """Whether a COMMIT that failed with `error` may have been carried out all the same.

    A server that answers says so; where the line broke, the answer is what is missing.
    """
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    sqlstate = getattr(error.orig, "sqlstate", None)
    # class 57: the server was stopped, perhaps after it had committed
    return error.connection_invalidated or sqlstate is None or str(sqlstate).startswith("57")


def not_known_whether(name: str, error: SQLAlchemyError) -> DatabaseFailed:
    return DatabaseFailed(
        f"it is not known whether {name} kept the changes",
        f"the connection was lost while they were committed: {first_line(error)}",
        "look with hanboot registry history (or inventory list), then decide whether to try again",
    )
