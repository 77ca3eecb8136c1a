"""Local files: read whole and bounded, written as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hanboot.errors import BadFile

#: DUIS takes firmware images of at most 10,240,000 octets (schema facet of FirmwareImage).
IMAGE_MAX_BYTES = 10_240_000
#: Keys, certificates and TOML files are far smaller.
TEXT_MAX_BYTES = 256 * 1024

_START_BYTES = 4096
_NEVER_REPLACED = (
    (b"PRIVATE KEY-----", "a private key"),
    (b"SQLite format 3\0", "a database"),
)


def read(path: Path, max_bytes: int = IMAGE_MAX_BYTES) -> bytes:
    """All octets of a file.

    Raises:
        BadFile: it cannot be read, or holds more than `max_bytes`.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise BadFile(
            f"cannot read {path}", _cause(error), _remedy(error, "check the name")
        ) from None
    if len(octets) > max_bytes:
        raise BadFile(
            f"cannot read {path}",
            f"it holds more than {max_bytes} octets",
            "check that it is the right file",
        )
    return octets


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that none can have is no error here."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def write(path: Path, octets: bytes) -> None:
    """Writes a file, in place of one that is there; on an error nothing is left behind.

    Raises:
        BadFile: it cannot be written.
    """
    with writing(path, octets):
        pass


def create(path: Path, octets: bytes, mode: int) -> None:
    """Writes a file that must not be there yet; it never has wider permissions than `mode`.

    Raises:
        BadFile: it is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(descriptor, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # half a key is worse than none, and in the way of the next attempt
            path.unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise BadFile(
            f"{path} is there already", "keys are never overwritten", "give another name"
        ) from None
    except OSError as error:
        raise BadFile(
            f"cannot write {path}",
            _cause(error),
            _remedy(error, "check the name; folders are not made"),
        ) from None


@contextlib.contextmanager
def new_folder(folder: Path, mode: int = 0o777) -> Iterator[Path]:
    """A folder to fill, which gets its name once the body ends without an error.

    Raises:
        BadFile: the folder holds something already, or cannot be made.
    """
    # imported late: most commands read a settings file, and make no folder
    import shutil

    partial = folder.with_name(f".{folder.name}-{_random_name()}")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise BadFile(
                f"{folder} holds something already",
                "files that are there are never mixed with new ones",
                "give the name of a new folder",
            )
        partial.mkdir(mode)
        yield partial
        partial.replace(folder)
    except (OSError, ValueError) as error:
        raise BadFile(
            f"cannot make {folder}",
            _cause(error),
            "check the name and its permissions; the folder around it is not made",
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_writable(path: Path) -> None:
    """Raises `BadFile` unless a file could be written there: before long work, not after it."""
    target = Path(os.path.realpath(path))
    with _explained(path):
        if target.is_dir():
            raise IsADirectoryError(21, "is a directory")
        if not target.parent.is_dir():
            raise FileNotFoundError(2, "no such folder")
        if not os.access(target if target.exists() else target.parent, os.W_OK):
            raise PermissionError(13, "permission denied")
    _check_replaceable(path, target)


@contextlib.contextmanager
def writing(path: Path, octets: bytes) -> Iterator[None]:
    """Writes a file beside its place, and moves it there if the body ends without an error."""
    # through a link to what it names
    with _explained(path):
        target = Path(os.path.realpath(path))
    if os.path.exists(target) and not os.path.isfile(target):
        _write_special(path, target, octets)
        yield
        return
    _check_replaceable(path, target)
    partial = target.with_name(f".hanboot-{_random_name()}")
    with _explained(path):
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with _explained(path), open(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        yield
        with _explained(path):
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _check_replaceable(path: Path, target: Path) -> None:
    """Raises `BadFile` if what would be replaced cannot be made again: a slip with -o."""
    with _explained(path):
        if not target.is_file():
            return
        with target.open("rb") as file:
            start = file.read(_START_BYTES)
    for mark, what in _NEVER_REPLACED:
        if mark in start:
            raise BadFile(
                f"cannot write {path}",
                f"it holds {what}, which nothing here replaces",
                "give another name",
            )


def _random_name() -> str:
    return os.urandom(4).hex()


def _write_special(path: Path, target: Path, octets: bytes) -> None:
    """A pipe or /dev/null is written to, never replaced."""
    with _explained(path):
        target.write_bytes(octets)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise BadFile(
            f"cannot write {path}",
            _cause(error),
            _remedy(error, "check the name; folders are not made"),
        ) from None


def _cause(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def _remedy(error: Exception, if_missing: str) -> str:
    if isinstance(error, FileNotFoundError):
        return if_missing
    if isinstance(error, IsADirectoryError):
        return "give the name of a file"
    if isinstance(error, PermissionError):
        return "check the file's permissions, and who you are"
    return "check the name and the disk, then try again"
