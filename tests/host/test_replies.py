"""What a device says of itself, parsed: extra fields, older devices, wrong types and ranges."""

from __future__ import annotations

from typing import Any

import pytest

from hanboot.cli.device import identity_json
from hanboot.device import records
from hanboot.device.records import EventKind, Role, Tier
from hanboot.device.reply import Reply
from hanboot.errors import LinkError
from hanboot.explain.reasons import Reason
from hanbootloader.trust import anchors

HASH = bytes(range(32))
IDENTITY: dict[str, Any] = {
    "board": "a board",
    "serial": bytes(8),
    "manufacturer_code": 0xFFF0,
    "image_type": 5,
    "hardware_version": 0x0102,
    "device_type": 5,
    "slot_bytes": 1 << 19,
    "security_counter": 3,
    "provisioned": True,
    "started": 0,
    "attempts": 1,
    "slots": [
        {"state": "confirmed", "version": 0x01000000, "hash": HASH, "bytes": 100},
        {"state": "empty"},
    ],
    "tier": "stock",
    "role": "ppmid",
    "versions": {"hanboot": "0.1.0"},
}
VERDICT: dict[str, Any] = {
    "reason": 17,
    "offset": -1,
    "offered": {"version": 2, "hash": HASH},
    "running": {"version": 1, "hash": HASH},
    "minimum_base_version": 0,
    "accepts": [{"version": 1, "hash": None}],
    "accepts_total": 4,
}
EVENT: dict[str, Any] = {
    "index": 0,
    "event": 2,
    "reason": 40,
    "from": None,
    "to": {"version": 1, "hash": HASH},
    "chain": HASH,
}
CELL: dict[str, Any] = {
    "role": anchors.MANUFACTURER,
    "kid": bytes(8),
    "sequence": 1,
    "development": True,
    "label": b"manufacturer",
}


def test_all_of_an_identity() -> None:
    identity = records.parse_identity(IDENTITY)
    assert (identity.tier, identity.role) == (Tier.STOCK, Role.PPMID)
    assert identity.versions == {"hanboot": "0.1.0"}
    assert identity.running == identity.slots[0]
    assert identity.confirmed == records.FirmwareId(file_version=0x01000000, image_hash=HASH)


def test_a_key_more_works() -> None:
    more = {"radio": {"channel": 11}, 7: None, "later": [1, 2]}
    assert records.parse_identity(IDENTITY | more) == records.parse_identity(IDENTITY)
    assert records.parse_verdict(VERDICT | more) == records.parse_verdict(VERDICT)
    assert records.parse_history({"events": [EVENT | more], "more": False} | more)[0]
    assert records.parse_anchors({"cells": [CELL | more]} | more)


def test_an_older_device_works_and_is_a_product() -> None:
    older = {name: IDENTITY[name] for name in IDENTITY if name not in ("tier", "role", "versions")}
    identity = records.parse_identity(older)
    assert (identity.tier, identity.role) == (Tier.PRODUCT, Role.PPMID)
    assert identity.versions == {}
    assert (identity.line_bytes, identity.line_pause_ms) == (0, 0)


def test_version_of_features() -> None:
    said = {**IDENTITY["slots"][0], "feature_version": "2.1"}
    for slot, version in ((IDENTITY["slots"][0], None), (said, "2.1")):
        identity = records.parse_identity(IDENTITY | {"slots": [slot, {"state": "empty"}]})
        assert identity.running is not None
        assert identity.running.feature_version == version
        shown = identity_json(identity)
        assert shown["running"]["feature_version"] == version
        assert shown["slots"][0]["firmware"] == shown["running"]
        assert shown["slots"][1]["firmware"] is None


def test_nothing_is_decided_by_a_name() -> None:
    for board in ("virtual", "stock MicroPython, NOT PROTECTED", "x (development)"):
        assert records.parse_identity(IDENTITY | {"board": board}).tier is Tier.STOCK


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    "name", [name for name in IDENTITY if name not in ("tier", "role", "versions")]
)
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(LinkError, match=f"identity.{name} is missing"):
        records.parse_identity(without(IDENTITY, name))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("board", 5, "5"),
        ("board", "x" * 257, "'xxx"),
        ("serial", b"\1\2", "0102"),
        ("serial", "01020304", "'01020304'"),
        ("manufacturer_code", 0x10000, "65536"),
        ("manufacturer_code", -1, "-1"),
        ("manufacturer_code", True, "True"),
        ("image_type", 1 << 70, "1180591620717411303424"),
        ("hardware_version", "1", "'1'"),
        ("device_type", 256, "256"),
        ("slot_bytes", 1 << 32, "4294967296"),
        ("security_counter", None, "None"),
        ("provisioned", 1, "1"),
        ("started", 2, "2"),
        ("started", -2, "-2"),
        ("attempts", 256, "256"),
        ("slots", 5, "5"),
        ("slots", [5], "[5]"),
        ("slots", [{"state": "empty"}] * 17, "[{'state'"),
        ("tier", "gold", "'gold'"),
        ("tier", ["stock"], "['stock']"),
        ("role", "toaster", "'toaster'"),
        ("versions", "0.1", "'0.1'"),
        ("line_bytes", -1, "-1"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_with_its_value(name: str, value: object, shown: str) -> None:
    with pytest.raises(LinkError) as raised:
        records.parse_identity(IDENTITY | {name: value})
    assert f"identity.{name} must be " in raised.value.why
    assert f"not {shown}" in raised.value.why
    assert len(raised.value.why) < 220


@pytest.mark.parametrize(
    ("slot", "why"),
    [
        ({"state": "melted"}, "identity.slots[0].state must be one of empty, staged"),
        ({"state": "staged"}, "identity.slots[0].version is missing"),
        ({"state": "staged", "version": 1, "hash": b"", "bytes": 1}, "slots[0].hash must be"),
        ({"state": "staged", "version": 1, "hash": HASH, "bytes": -1}, "slots[0].bytes must be"),
        (IDENTITY["slots"][0] | {"feature_version": 2}, "slots[0].feature_version must be text"),
    ],
    ids=str,
)
def test_a_wrong_slot_is_named(slot: dict[str, Any], why: str) -> None:
    with pytest.raises(LinkError) as raised:
        records.parse_identity(IDENTITY | {"slots": [slot, {"state": "empty"}]})
    assert why in raised.value.why


def test_verdicts() -> None:
    assert records.parse_verdict({}) is None
    verdict = records.parse_verdict(VERDICT)
    assert verdict is not None
    assert verdict.reason is Reason.NOT_A_PREDECESSOR
    assert verdict.accepts == (records.FirmwareId(file_version=1, image_hash=None),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reason", "x"),
        ("reason", 0x10000),
        ("reason", -1),
        ("offset", -2),
        ("offered", None.__class__),
        ("offered", 5),
        ("running", [1]),
        ("running", {"version": 1}),
        ("minimum_base_version", 1.5),
        ("accepts", [None]),
        ("accepts", [{"version": 1, "hash": b"\1"}]),
        ("accepts_total", 0),
    ],
    ids=str,
)
def test_a_wrong_verdict_is_one_error(name: str, value: object) -> None:
    with pytest.raises(LinkError, match="the device's reply cannot be used"):
        records.parse_verdict(VERDICT | {name: value})


def test_a_reason_of_a_newer_device() -> None:
    verdict = records.parse_verdict(VERDICT | {"reason": 9999})
    assert verdict is not None
    assert verdict.as_json()["reason"] == {"code": 9999, "name": "reason-9999"}


def test_events() -> None:
    (event,), more = records.parse_history({"events": [EVENT], "more": True})
    assert (event.kind, event.reason, more) == (EventKind.REVERTED, Reason.TRIAL_CRASHED, True)
    (event,), _ = records.parse_history({"events": [EVENT | {"event": 9}], "more": False})
    assert event.kind is EventKind.OTHER
    for wrong in ({"index": -1}, {"chain": b""}, {"event": 256}, {"to": 1}, {"reason": None}):
        with pytest.raises(LinkError, match=r"history.events\[0\]"):
            records.parse_history({"events": [EVENT | wrong], "more": False})


def test_anchors() -> None:
    (cell,), more = records.parse_anchors({"cells": [CELL]})
    assert not more
    assert (cell.role, cell.label) == ("manufacturer", "manufacturer")
    assert records.parse_anchors({"cells": [CELL | {"role": 9}]})[0][0].role == "9"
    assert records.parse_anchors({"cells": [CELL | {"label": b"\xff"}]})[0][0].label == "\ufffd"
    for wrong in ({"kid": b""}, {"label": "text"}, {"sequence": -1}, {"development": 0}):
        with pytest.raises(LinkError, match=r"anchors.cells\[0\]"):
            records.parse_anchors({"cells": [CELL | wrong]})


def test_progress() -> None:
    found = records.parse_progress({"state": "receiving", "received": 3, "total": 9})
    assert (found.state, found.received, found.total) == ("receiving", 3, 9)
    for wrong in ({"state": "asleep"}, {"received": 10}, {"total": -1}):
        with pytest.raises(LinkError, match="progress"):
            records.parse_progress({"state": "idle", "received": 3, "total": 9} | wrong)


def test_pairs_of_integers() -> None:
    assert Reply("a", {"pair": [0, 7]}).uint_pair("pair", 7) == (0, 7)
    for value in ([1], [1, 2, 3], (1, 2), [1, True], [1, 8], [-1, 1], ["1", 1], None):
        with pytest.raises(LinkError, match="two integers from 0 to 7"):
            Reply("a", {"pair": value}).uint_pair("pair", 7)


def test_lists_of_maps_up_to_the_most() -> None:
    assert len(Reply("a", {"list": [{}, {}]}).maps("list", 2)) == 2
    with pytest.raises(LinkError, match="at most 2 maps"):
        Reply("a", {"list": [{}, {}, {}]}).maps("list", 2)


def test_octets_and_texts_up_to_the_most() -> None:
    assert Reply("a", {"b": b"123"}).any_octets("b", 3) == b"123"
    assert Reply("a", {"b": "123"}).text("b", 3) == "123"
    with pytest.raises(LinkError):
        Reply("a", {"b": b"1234"}).any_octets("b", 3)
    with pytest.raises(LinkError):
        Reply("a", {"b": "1234"}).text("b", 3)


def test_a_default_is_for_what_is_missing() -> None:
    assert Reply("a", {}).choice("tier", Tier, None) is None
    assert Reply("a", {"tier": "stock"}).choice("tier", Tier, None) is Tier.STOCK
    assert Reply("a", {}).octets("b", 2, b"12") == b"12"
    assert Reply("a", {"b": b"34"}).octets("b", 2, b"12") == b"34"


def test_keys_that_are_no_text_are_passed_over() -> None:
    assert Reply("a", {"map": {"b": "c", 1: "d"}}).texts("map", 9) == {"b": "c"}


@pytest.mark.parametrize(("offset", "shown"), [(-1, None), (0, 0), (56, 56)])
def test_offset_of_a_verdict_as_json(offset: int, shown: int | None) -> None:
    verdict = records.parse_verdict(VERDICT | {"offset": offset})
    assert verdict is not None
    assert verdict.as_json()["detail"]["offset"] == shown


def test_slots_by_state_and_by_image() -> None:
    identity = records.parse_identity(IDENTITY)
    confirmed, empty = identity.slots
    assert identity.slot("confirmed") is confirmed
    assert identity.slot("empty") is empty
    assert identity.slot("trial") is None
    assert identity.slot_with(HASH) is confirmed
    assert identity.slot_with(bytes(32)) is None


def test_a_verdict_without_what_it_is_on() -> None:
    fields = VERDICT | {"offered": None, "running": None}
    verdict = records.parse_verdict(fields)
    assert verdict is not None
    assert verdict.offered == records.FirmwareId(file_version=0, image_hash=None)
    assert verdict.offered_model is None
    assert verdict.as_json()["running"] is None
    verdict = records.parse_verdict(VERDICT)
    assert verdict is not None
    assert verdict.as_json()["running"]["hash"] == HASH.hex()


@pytest.mark.parametrize("more", [True, False])
def test_whether_there_are_more_trust_anchors(more: bool) -> None:
    assert records.parse_anchors({"cells": [CELL], "more": more})[1] is more


def test_a_choice_without_a_default_must_be_there() -> None:
    with pytest.raises(LinkError, match=r"a\.tier is missing"):
        Reply("a", {}).choice("tier", Tier)
