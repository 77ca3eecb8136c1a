"""The fields of one reply, each checked for type and range where it is taken."""

from __future__ import annotations

import enum
from typing import Any, TypeVar

from hanboot.errors import LinkError

_UINT32 = 0xFFFFFFFF
_SHOWN_MOST = 60

_Choice = TypeVar("_Choice", bound=enum.StrEnum)
_Default = TypeVar("_Default")
_MISSING: Any = object()


class Reply:
    """A map of a reply.

    Args:
        path: what to call it in errors, e.g. "identity" or "identity.slots[1]".
        fields: the map, as CBOR gave it.
    """

    def __init__(self, path: str, fields: dict[Any, Any]) -> None:
        self._path = path
        self._fields = fields

    def uint(self, name: str, most: int = _UINT32, default: int = _MISSING) -> int:
        """A number; an older device may leave out what has a default."""
        if default is not _MISSING and name not in self._fields:
            return default
        return self.integer(name, 0, most)

    def integer(self, name: str, least: int, most: int) -> int:
        value = self._value(name)
        # True is an int
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(name, value, f"a whole number from {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        value = self._value(name)
        if type(value) is not bool:
            raise self._wrong(name, value, "true or false")
        return value

    def octets(self, name: str, count: int, default: bytes | None = None) -> bytes:
        """An octet string; an older device may leave out what has a default."""
        if default is not None and name not in self._fields:
            return default
        value = self._value(name)
        if not isinstance(value, bytes) or len(value) != count:
            raise self._wrong(name, value, f"an octet string of {count}")
        return value

    def octets_or_none(self, name: str, count: int) -> bytes | None:
        return None if self._value(name) is None else self.octets(name, count)

    def any_octets(self, name: str, most: int) -> bytes:
        value = self._value(name)
        if not isinstance(value, bytes) or len(value) > most:
            raise self._wrong(name, value, f"an octet string of at most {most}")
        return value

    def text(self, name: str, most: int) -> str:
        value = self._value(name)
        if not isinstance(value, str) or len(value) > most:
            raise self._wrong(name, value, f"text of at most {most} characters")
        return value

    def texts(self, name: str, most: int) -> dict[str, str]:
        """A map of texts; empty where it is not there."""
        value = self._fields.get(name, {})
        if not isinstance(value, dict):
            raise self._wrong(name, value, "a map")
        inner = Reply(f"{self._path}.{name}", value)
        return {key: inner.text(key, most) for key in value if isinstance(key, str)}

    def choice(
        self, name: str, kind: type[_Choice], default: _Default = _MISSING
    ) -> _Choice | _Default:
        """One of the values of an enumeration; an older device may leave out what has a default."""
        if default is not _MISSING and name not in self._fields:
            return default
        value = self._value(name)
        try:
            return kind(value)
        except ValueError:
            raise self._wrong(name, value, f"one of {', '.join(kind)}") from None

    def has(self, name: str) -> bool:
        """Whether the device sent the field: an older one lacks some."""
        return name in self._fields

    def uint_pair(self, name: str, most: int = _UINT32) -> tuple[int, int]:
        """Two integers from 0 to `most`."""
        value = self._value(name)
        rule = f"two integers from 0 to {most}"
        if not isinstance(value, list) or len(value) != 2:
            raise self._wrong(name, value, rule)
        for number in value:
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
                raise self._wrong(name, value, rule)
        return value[0], value[1]

    def map_or_none(self, name: str) -> Reply | None:
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(name, value, "a map, or null")
        return Reply(f"{self._path}.{name}", value)

    def maps(self, name: str, most: int) -> list[Reply]:
        values = self._value(name)
        if (
            not isinstance(values, list)
            or len(values) > most
            or not all(isinstance(value, dict) for value in values)
        ):
            raise self._wrong(name, values, f"a list of at most {most} maps")
        return [Reply(f"{self._path}.{name}[{index}]", value) for index, value in enumerate(values)]

    def _value(self, name: str) -> Any:
        value = self._fields.get(name, _MISSING)
        if value is _MISSING:
            raise _unusable(f"{self._path}.{name} is missing")
        return value

    def _wrong(self, name: str, value: object, rule: str) -> LinkError:
        return _unusable(f"{self._path}.{name} must be {rule}, not {_shown(value)}")


def _unusable(why: str) -> LinkError:
    return LinkError(
        "the device's reply cannot be used",
        why,
        "check that the port is a hanboot device, and that host tools and device fit together",
    )


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _SHOWN_MOST else f"{text[: _SHOWN_MOST - 3]}..."
