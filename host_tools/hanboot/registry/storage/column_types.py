"""How codes and hashes are kept: as the digits that people know."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator


class Hex(TypeDecorator[int]):
    """A number kept as upper-case hex digits of fixed count, which sort as the numbers do."""

    impl = String
    cache_ok = True

    def __init__(self, digits: int) -> None:
        super().__init__(digits)
        self.digits = digits

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else f"{value:0{self.digits}X}"

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value, 16)


class Octets(TypeDecorator[bytes]):
    """An octet string kept as lower-case hex digits: every database can index and show those."""

    impl = String
    cache_ok = True

    def __init__(self, octets: int) -> None:
        super().__init__(2 * octets)

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else value.hex()

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex(value)
