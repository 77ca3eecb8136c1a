"""Cells: what is read, what is refused, and that hexadecimal and BCD are not confused."""

from __future__ import annotations

import datetime

import pytest

from hanboot.registry.entry import JOIN_OPTIONS
from hanboot.registry.fields import BY_NAME, BadValue, parse_version

VERSIONS = [
    # as written, the number
    ("01020304", 0x01020304),
    ("0x01020304", 0x01020304),
    ("ACDCACDC", 0xACDCACDC),
    ("acdcacdc", 0xACDCACDC),
    ("20190416", 0x20190416),  # BCD: a date, digit for digit
    ("00000010", 0x10),  # BCD ten is hexadecimal ten: no conversion
    ("01.10.00.00", 0x01100000),
    ("01 02 03 04", 0x01020304),
    ("01-02-03-04", 0x01020304),
    ("00000000", 0),
    ("FFFFFFFF", 0xFFFFFFFF),
]
NO_VERSIONS = [
    "1.2.3.4",
    "1234567",
    "123456789",
    "0102030G",
    "1.0",
    "v1020304",
    "01.02-03.04",
    "-1",
]


@pytest.mark.parametrize(("text", "number"), VERSIONS)
def test_a_version_is_its_digits(text: str, number: int) -> None:
    assert parse_version(text) == number


@pytest.mark.parametrize("text", NO_VERSIONS)
def test_no_version(text: str) -> None:
    with pytest.raises(BadValue):
        parse_version(text)


def test_communications_hubs_have_short_versions() -> None:
    assert parse_version("9001", "CH") == 0x9001
    with pytest.raises(BadValue, match="leading zeros lost"):
        parse_version("9001", "ESME")


@pytest.mark.parametrize("count", [0, 1, 62, 63, 65, 66, 128])
def test_a_hash_has_64_digits(count: int) -> None:
    with pytest.raises(BadValue):
        BY_NAME["image_hash"].parse("a" * count)


def test_a_hash_in_other_forms() -> None:
    pairs = ["0a"] * 32
    for text in ("".join(pairs), "".join(pairs).upper(), ":".join(pairs), " ".join(pairs)):
        assert BY_NAME["image_hash"].parse(text) == bytes([10] * 32)


@pytest.mark.parametrize("option", JOIN_OPTIONS)
def test_join_options_whatever_their_dash_and_case(option: str) -> None:
    parse = BY_NAME["join_option"].parse
    for text in (option, option.upper(), option.replace("-", "\N{EN DASH}"), f"{option}  "):
        assert parse(text.strip()) == option


def test_no_join_option() -> None:
    with pytest.raises(BadValue, match="Dual Band"):
        BY_NAME["join_option"].parse("Triple Band")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("N/A", ()),
        ("n/a", ()),
        ("A-1", ("A-1",)),
        ("A-1, A-2;A-3", ("A-1", "A-2", "A-3")),
        ("12 13", ("12", "13")),
    ],
)
def test_predecessors(text: str, ids: tuple[str, ...]) -> None:
    assert BY_NAME["predecessors"].parse(text) == ids


@pytest.mark.parametrize("text", ["A-1, A-1", ",", "=A1", "A-1 & A-2", "x" * 65])
def test_no_predecessors(text: str) -> None:
    with pytest.raises(BadValue):
        BY_NAME["predecessors"].parse(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("device_type", "TOASTER"),
        ("status", "Alive"),
        ("manufacturer_code", "12D"),
        ("device_model", "0005"),
        ("listed_on", "2023-02-30"),
        ("listed_on", "01/02/2023"),
        ("listed_on", "20230201"),
        ("manufacturer", "two\nlines"),
        ("contact", "x" * 257),
        ("security_counter", "-1"),
        ("security_counter", "4294967296"),
        ("security_counter", "\N{ARABIC-INDIC DIGIT ONE}"),
        ("point_of_no_return", "perhaps"),
        ("cpl_entry_id", "N/A"),
        ("cpl_entry_id", "a b"),
    ],
)
def test_refused(name: str, text: str) -> None:
    with pytest.raises(BadValue):
        BY_NAME[name].parse(text)


def test_a_communications_hub_by_its_names() -> None:
    for text in ("CH", "CHF", "Communications Hub", "SMETS1 CH"):
        assert BY_NAME["device_type"].parse(text) == "CH"


def test_a_date() -> None:
    assert BY_NAME["listed_on"].parse("2024-02-29") == datetime.date(2024, 2, 29)
