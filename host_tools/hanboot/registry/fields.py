"""How each field of an entry is read from a cell, written to one, and who may see it.

Hexadecimal and BCD firmware versions are the same digits in a cell, and digits is how they are
taken: eight of them, never a number to be converted. What a spreadsheet made a number, a date or a
truth value of is not what was typed any more (00050100 lost its zeros, 1.10 became 1.1), so in
columns of identifiers and versions such a cell is refused.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hanboot.registry.entry import (
    BANDS,
    DEVICE_TYPES,
    JOIN_OPTIONS,
    OLD_BANDS,
    RELEASE_KINDS,
    STATUSES,
    DeviceType,
    Entry,
)

#: Who a field is for: everyone (CPL), SEC parties (FIR), or the Security Sub-Committee alone.
Part = Literal["cpl", "fir", "ssc"]

TEXT_MAX = 256
LONG_TEXT_MAX = 4096
#: Of all fields of an entry that are none of ours.
OTHER_FIELDS_MAX = 32_000  # a cell of a workbook holds 32,767 characters
_ID_MAX = 64
_HASH_DIGITS = 64
_PREDECESSORS_MAX = 1000


class BadValue(ValueError):
    """A value that is not one of its field; the text says why and what would be."""


@dataclass(frozen=True)
class Field:
    """One column.

    Attributes:
        name: of the attribute of `Entry`; also what a mapping file calls it.
        heading: of the column.
        part: who sees it.
        parse: the value of a text that is not empty; BadValue if it is none.
        show: the text of a value that is not None.
        required: whether a new entry must have it.
        is_identifier: an identifier or a version; a cell that is not text is refused.
    """

    name: str
    heading: str
    part: Part
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = field(default=str)
    required: bool = False
    is_identifier: bool = False

    def text(self, value: Any) -> str:
        return "" if value is None else self.show(value)


# --- values

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*")
_HEX = re.compile(r"[0-9A-Fa-f]+")
# digits in pairs, with the same separator between them all
_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(?:([ .:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2})*")
# what XML 1.0 cannot carry, and line ends
_LINE_END = re.compile("\r\n|\r|\u2028|\u2029")
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def parse_id(text: str) -> str:
    if len(text) > _ID_MAX or not _ID.fullmatch(text):
        raise BadValue(
            f"{_quoted(text)} is not a CPL Entry ID: "
            f"at most {_ID_MAX} letters, digits and . _ / : -"
        )
    if text.upper() == "N/A":
        raise BadValue("N/A is not a CPL Entry ID")
    return text


def parse_short_code(text: str, digits: int) -> int:
    """A code of SMETS1, which may have fewer digits than those of SMETS2."""
    if not _HEX.fullmatch(text) or len(text) > digits:
        raise BadValue(f"{_quoted(text)} is not a code: at most {digits} hexadecimal digits")
    return int(text, 16)


def _digits(text: str, count: int, what: str) -> str:
    """Hex digits, in upper case; 0x before them and separators between pairs are taken."""
    bare = text[2:] if text[:2] in ("0x", "0X") else text
    if _PAIRS.fullmatch(bare):
        bare = re.sub("[ .:-]", "", bare)
    if not _HEX.fullmatch(bare):
        raise BadValue(f"{_quoted(text)} is not {what}: {count} hexadecimal digits")
    if len(bare) != count:
        lost = "; leading zeros lost?" if len(bare) < count else ""
        raise BadValue(f"{len(bare)} digits where {what} has {count}{lost}")
    return bare.upper()


def _hex(count: int, what: str) -> Callable[[str], int]:
    return lambda text: int(_digits(text, count, what), 16)


def _show_hex(count: int) -> Callable[[int], str]:
    return lambda value: f"{value:0{count}X}"


_parse_version = _hex(8, "a firmware version")


_SMETS1 = re.compile(r"\s*(?:SMETS\s*1\b|v?1(?:\.\d+)*\s*$)", re.IGNORECASE)


def is_smets1(smets_version: str | None) -> bool:
    """Whether a SMETS version such as "SMETS1" or "1.2" is one of the first."""
    return bool(smets_version and _SMETS1.match(smets_version))


def parse_version(
    text: str, device_type: DeviceType | None = None, smets_version: str | None = None
) -> int:
    """A firmware version by its digits, hexadecimal or BCD.

    The inventory shows Communications Hubs with fewer than eight digits, such as 9001; so does the
    CPL with SMETS1 devices.
    """
    may_be_short = device_type == "CH" or is_smets1(smets_version)
    if may_be_short and len(text) < 8 and _HEX.fullmatch(text):
        return int(text, 16)
    return _parse_version(text)


def parse_hash(text: str) -> bytes:
    return bytes.fromhex(_digits(text, _HASH_DIGITS, "a Manufacturer Image Hash (SHA-256)"))


def one_of(values: tuple[str, ...], others: Mapping[str, str] | None = None) -> Any:
    """Reads one of `values`, whatever its case, spaces and dashes; or one of its other names."""
    known = {_folded(value): value for value in values}
    known |= {_folded(name): value for name, value in (others or {}).items()}

    def parse(text: str) -> str:
        try:
            return known[_folded(text)]
        except KeyError:
            raise BadValue(f"{_quoted(text)} must be one of: {', '.join(values)}") from None

    return parse


def _folded(text: str) -> str:
    # dashes of all lengths, spaces around them, and case
    return re.sub(r"[\s\u2010-\u2015_-]+", "", text).casefold()


def parse_text(text: str) -> str:
    """One line of text."""
    if bad := _NOT_TEXT.search(text):
        raise BadValue(f"it holds the character U+{ord(bad.group()):04X}, which is not text")
    if len(text) > TEXT_MAX:
        raise BadValue(f"{len(text)} characters, at most {TEXT_MAX} are kept")
    return text


def lines_of_text(longest: int) -> Callable[[str], str]:
    """Reads text that may have several lines, as Alt+Enter makes them in a spreadsheet."""

    def parse(text: str) -> str:
        text = _LINE_END.sub("\n", text)
        if bad := _NOT_TEXT.search(text.replace("\n", " ").replace("\t", " ")):
            raise BadValue(f"it holds the character U+{ord(bad.group()):04X}, which is not text")
        if len(text) > longest:
            raise BadValue(f"{len(text)} characters, at most {longest} are kept")
        return text

    return parse


def other_fields_text(values: Mapping[str, str]) -> str:
    """How fields that are none of ours are kept: a JSON object of texts, by heading, sorted."""
    return json.dumps(dict(sorted(values.items())), ensure_ascii=False)


def parse_other_fields(text: str) -> str:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise BadValue(f'{_quoted(text)} is not a JSON object of texts like {{"Colour": "blue"}}')
    for heading, value in values.items():
        if not parse_text(heading).strip():
            raise BadValue("a heading in it is empty")
        lines_of_text(LONG_TEXT_MAX)(value)
    shown = other_fields_text(values)
    if len(shown) > OTHER_FIELDS_MAX:
        raise BadValue(f"{len(shown)} characters, at most {OTHER_FIELDS_MAX} are kept")
    return shown


def parse_date(text: str) -> datetime.date:
    try:
        # fromisoformat takes more forms from Python 3.11 on
        if len(text) != 10:
            raise ValueError
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise BadValue(
            f"{_quoted(text)} is not a date as YYYY-MM-DD; a mapping file can name another form"
        ) from None


def parse_predecessors(text: str) -> tuple[str, ...]:
    """CPL Entry IDs with commas, semicolons or spaces between them, or N/A for a first version."""
    if _folded(text) in ("n/a", "na"):
        return ()
    ids = [parse_id(piece) for piece in re.split(r"[,;\s]+", text) if piece]
    if not ids:
        raise BadValue(f"{_quoted(text)} names no CPL Entry ID; a first version has N/A")
    if len(ids) > _PREDECESSORS_MAX:
        raise BadValue(f"{len(ids)} predecessors, at most {_PREDECESSORS_MAX} are taken")
    twice = {name for name in ids if ids.count(name) > 1} if len(set(ids)) < len(ids) else set()
    if twice:
        raise BadValue(f"it names {min(twice)} twice")
    return tuple(ids)


def _parse_counter(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < 1 << 32):
        raise BadValue(f"{_quoted(text)} is not a whole number from 0 to 4294967295")
    return int(text)


def _show_join_option(option: str) -> str:
    # MP231 writes an en dash, keyboards have none: kept with the one, shown with the other
    return option.replace(" - ", " \u2013 ")


_YES = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}


def _parse_flag(text: str) -> bool:
    try:
        return _YES[text.casefold()]
    except KeyError:
        raise BadValue(f"{_quoted(text)} is neither yes nor no") from None


def _quoted(text: str) -> str:
    shown = ascii(text if len(text) <= 40 else text[:39] + "…") if not text.isprintable() else None
    return shown or f"'{text if len(text) <= 40 else text[:39] + '…'}'"


# --- the columns

_CH_NAMES = {
    "Communications Hub": "CH",
    "Comms Hub": "CH",
    "CHF": "CH",
    "SMETS1 CH": "CH",
    "SMETS1 Communications Hub": "CH",
    "SMETS2 Communications Hub": "CH",
}

_BAND_NAMES = {"Single Band (2.4GHz)": "Single Band (2.4 GHz)"}

#: Every field, in the order of the columns.
FIELDS = (
    Field("cpl_entry_id", "CPL Entry ID", "cpl", parse_id, required=True, is_identifier=True),
    Field("device_type", "Device Type", "cpl", one_of(DEVICE_TYPES, _CH_NAMES), required=True),
    Field(
        "manufacturer_code",
        "Manufacturer Code",
        "cpl",
        _hex(4, "a manufacturer code"),
        _show_hex(4),
        required=True,
        is_identifier=True,
    ),
    Field(
        "manufacturer_code_text",
        "Manufacturer Code As Given",
        "cpl",
        parse_text,
        is_identifier=True,
    ),
    Field("manufacturer", "Manufacturer", "cpl", parse_text),
    Field(
        "device_model",
        "Device Model",
        "cpl",
        _hex(8, "a device model (Image type and hardware version)"),
        _show_hex(8),
        required=True,
        is_identifier=True,
    ),
    Field("device_model_text", "Device Model As Given", "cpl", parse_text, is_identifier=True),
    Field("model_name", "Model Name", "cpl", parse_text),
    Field(
        "hardware_version",
        "Hardware Version",
        "cpl",
        _hex(4, "a hardware version"),
        _show_hex(4),
        is_identifier=True,
    ),
    Field(
        "firmware_version",
        "Firmware Version",
        "cpl",
        parse_text,
        _show_hex(8),
        required=True,
        is_identifier=True,
    ),
    Field(
        "firmware_version_text", "Firmware Version As Given", "cpl", parse_text, is_identifier=True
    ),
    Field(
        "image_hash",
        "Manufacturer Image Hash",
        "cpl",
        parse_hash,
        bytes.hex,
        required=True,
        is_identifier=True,
    ),
    Field("smets_version", "SMETS Version", "cpl", parse_text, is_identifier=True),
    Field("gbcs_version", "GBCS Version", "cpl", parse_text, is_identifier=True),
    Field("status", "CPL Status", "cpl", one_of(STATUSES), required=True),
    Field("listed_on", "Listed On", "cpl", parse_date, datetime.date.isoformat),
    Field("status_since", "Status Since", "cpl", parse_date, datetime.date.isoformat),
    Field("certificate", "CPA Certificate", "cpl", parse_text, is_identifier=True),
    Field("expires_on", "Expires On", "cpl", parse_date, datetime.date.isoformat),
    Field("renewal_on", "Renewal On", "cpl", parse_date, datetime.date.isoformat),
    Field(
        "join_option", "ZigBee Join Option", "cpl", one_of(BANDS, _BAND_NAMES), _show_join_option
    ),
    Field("free_text", "Free Text", "cpl", lines_of_text(LONG_TEXT_MAX)),
    Field("other_fields", "Other Fields", "fir", parse_other_fields),
    Field(
        "predecessors",
        "Predecessor CPL Entry IDs",
        "fir",
        parse_predecessors,
        lambda ids: ", ".join(ids) or "N/A",
        is_identifier=True,
    ),
    Field("common_name", "Common Firmware Name", "fir", parse_text, is_identifier=True),
    Field("contact", "Manufacturer Contact", "fir", lines_of_text(TEXT_MAX)),
    Field("release_notes", "Release Notes", "fir", lines_of_text(TEXT_MAX)),
    Field(
        "release_kind",
        "Release Kind",
        "fir",
        one_of(
            RELEASE_KINDS,
            {
                "non-commercially released": "non-commercial",
                "commercially released": "commercial",
            },
        ),
    ),
    Field(
        "minimum_base_version",
        "Minimum Base Version",
        "fir",
        _hex(8, "a firmware version"),
        _show_hex(8),
        is_identifier=True,
    ),
    Field("security_counter", "Security Counter", "fir", _parse_counter),
    Field(
        "point_of_no_return",
        "Point of No Return",
        "fir",
        _parse_flag,
        lambda flag: "yes" if flag else "no",
    ),
    Field("zigbee_vendor", "ZigBee Chipset Vendor", "ssc", parse_text),
    Field("zigbee_stack", "ZigBee Stack Version", "ssc", parse_text, is_identifier=True),
    Field("zigbee_certificate", "ZigBee Stack Certificate", "ssc", parse_text, is_identifier=True),
)

BY_NAME = {column.name: column for column in FIELDS}

#: What MP231 keeps for the Security Sub-Committee.
SSC_NAMES = tuple(column.name for column in FIELDS if column.part == "ssc")

#: Columns whose value is part of another's: shown, checked when read, not kept by themselves.
DERIVED = ("hardware_version",)

#: What an entry keeps.
STORED = tuple(column for column in FIELDS if column.name not in DERIVED)


def value_of(entry: Entry, name: str) -> Any:
    """The value of a field, derived ones included."""
    if name == "hardware_version":
        return entry.model.hardware_version
    return getattr(entry, name)


def texts_of(entry: Entry, columns: tuple[Field, ...] = FIELDS) -> list[str]:
    """The cells of a row."""
    return [column.text(value_of(entry, column.name)) for column in columns]


_TAKES = {
    "cpl_entry_id": "letters, digits and . _ / : -",
    "device_type": ", ".join(DEVICE_TYPES),
    "hardware_version": "4 hex digits; must be the last four of Device Model",
    "device_model": "8 hex digits: Image type, hardware version",
    "firmware_version": "8 digits",
    "firmware_version_text": "the same digits, as the manufacturer writes them",
    "manufacturer_code_text": "of SMETS1: the same with fewer digits",
    "device_model_text": "of SMETS1: the same with fewer digits",
    "common_name": "text: what people call the firmware",
    "free_text": "text, also of several lines",
    "other_fields": "a JSON object of texts by heading: what `--keep-unknown` kept",
    "release_notes": "text, also of several lines",
    "contact": "text, also of several lines",
    "image_hash": "64 hex digits, SHA-256",
    "status": ", ".join(STATUSES),
    "join_option": "; ".join(map(_show_join_option, JOIN_OPTIONS))
    + "; of entries from before MP231 also "
    + ", ".join(OLD_BANDS),
    "predecessors": "CPL Entry IDs, N/A, or empty",
    "release_kind": "non-commercial (a fix), commercial (SECMP0009)",
    "minimum_base_version": "8 digits",
    "security_counter": "a whole number",
    "point_of_no_return": "yes, no",
    "manufacturer_code": "4 hex digits",
}
_WHO = {"cpl": "everyone", "fir": "SEC parties", "ssc": "SSC"}


def columns_markdown() -> str:
    """The table of all columns, for docs/registry."""
    lines = []
    for column in FIELDS:
        takes = _TAKES.get(column.name)
        takes = takes or ("YYYY-MM-DD" if column.parse is parse_date else "text")
        lines.append(f"| {column.heading} | `{column.name}` | {takes} | {_WHO[column.part]} |")
    return "\n".join(lines) + "\n"
