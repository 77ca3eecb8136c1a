"""TOML files that people write: every error names its key with the whole path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hanboot import files
from hanboot.errors import BadFile

_REQUIRED: Any = object()


class TomlTable:
    """A TOML table whose keys are taken one by one; `end` refuses those that were not taken.

    Args:
        file: for messages.
        values: the keys and their values.
        path: of the table, e.g. "image"; empty for the file itself.
    """

    def __init__(self, file: Path, values: dict[str, Any], path: str = "") -> None:
        self.file = file
        self._values = dict(values)
        self._path = path
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def uint(self, key: str, bits: int, default: int = _REQUIRED) -> int:
        value = self._take(key, default)
        return self._check_uint(key, value, bits)

    def uints(self, key: str, bits: int, count: int) -> tuple[int, ...]:
        values = self._take(key, _REQUIRED)
        if not isinstance(values, list) or len(values) != count:
            raise self.wrong(key, f"must be a list of {count} numbers", values)
        return tuple(self._check_uint(f"{key}[{i}]", value, bits) for i, value in enumerate(values))

    def _check_uint(self, key: str, value: Any, bits: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value >> bits:
            raise self.wrong(key, f"must be a whole number from 0 to 0x{(1 << bits) - 1:X}", value)
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false", value)
        return value

    def text(self, key: str, default: str | None = _REQUIRED) -> str | None:
        value = self._take(key, default)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.wrong(key, "must be text", value)
        return value

    def texts(self, key: str) -> list[str]:
        values = self._take(key, _REQUIRED)
        if (
            not isinstance(values, list)
            or not values
            or not all(isinstance(value, str) and value for value in values)
        ):
            raise self.wrong(key, "must be a list of texts", values)
        return values

    def octets(self, key: str, count: int) -> bytes | None:
        """An octet string in hex; None if the key is not there."""
        value = self._take(key, None)
        if value is None:
            return None
        try:
            octets = bytes.fromhex(value)
        except (TypeError, ValueError):
            octets = b""
        if len(octets) != count:
            raise self.wrong(key, f"must be text of {2 * count} hex digits", value)
        return octets

    def table(self, key: str) -> TomlTable:
        value = self._take(key, _REQUIRED)
        if not isinstance(value, dict):
            raise self.wrong(key, f"must be a table: [{self._name(key)}]", value)
        return TomlTable(self.file, value, self._name(key))

    def tables(self, key: str) -> list[TomlTable]:
        values = self._take(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.wrong(key, f"must be tables: [[{self._name(key)}]]", values)
        return [
            TomlTable(self.file, value, f"{self._name(key)}[{index}]")
            for index, value in enumerate(values)
        ]

    def end(self) -> None:
        """Refuses keys that were not taken: a misspelt rule must not be overlooked."""
        for key in self._values:
            import difflib

            near = difflib.get_close_matches(key, self._known, 1)
            known = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._known)}"
            raise _unusable(self.file, f"{self._name(key)} is not a known key", known)

    def wrong(self, key: str, rule: str, value: Any = _REQUIRED) -> BadFile:
        """The error for a value that does not follow `rule`."""
        found = "" if value is _REQUIRED else f", not {_shown(value)}"
        return _unusable(
            self.file, f"{self._name(key)} {rule}{found}", f"fix {self._name(key)} and try again"
        )

    def _take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        value = self._values.pop(key, default)
        if value is _REQUIRED:
            raise _unusable(self.file, f"{self._name(key)} is missing", f"add {self._name(key)}")
        return value

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def load(file: Path) -> TomlTable:
    """Reads a TOML file.

    Raises:
        BadFile: it cannot be read, or is not TOML.
    """
    # imported late: asking a device reads hanboot.toml only where there is one
    import tomllib

    octets = files.read(file, files.TEXT_MAX_BYTES)
    try:
        return TomlTable(file, tomllib.loads(octets.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise _unusable(file, f"octet {error.start} is not UTF-8", "give a TOML file") from None
    except (ValueError, RecursionError) as error:
        # the parser names line and column
        text = str(error)
        raise _unusable(file, text[:1].lower() + text[1:], "fix the line and try again") from None


def _unusable(file: Path, why: str, what_to_do: str) -> BadFile:
    return BadFile(f"{file} cannot be used", why, what_to_do)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f"0x{value:X}" if isinstance(value, int) and value >= 0 else repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
