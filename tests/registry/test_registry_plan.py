"""Planning: the shortest safe path, against a search that knows nothing of the planner."""

from __future__ import annotations

import datetime
import itertools
import json
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import CODE, MODEL, WHY, FakeDevice, digest, entry, fill, make_image, same_but

from hanboot.errors import BadFile, CheckFailed, WrongUsage
from hanboot.registry.entry import Entry, Model
from hanboot.registry.pathways import walk
from hanboot.registry.pathways.check import check_model
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.pathways.plan import (
    NoPlan,
    Plan,
    plan,
    plan_between,
    plan_for_device,
    remarks,
)
from hanboot.registry.pathways.state import DeviceState, parse_state
from hanboot.registry.storage.store import Registry
from hanbootloader.policy import RunningFirmware, check_pathway
from hanbootloader.reasons import ACCEPTED

DAY = datetime.date(2026, 1, 1)


# --- the oracle: devices simulated one by one, from the words of the design


def accepts(image: Entry, all_entries: dict[str, Entry], device: tuple[int, bytes, int]) -> bool:
    """Whether a device with (version, hash, counter) takes an image."""
    version, image_hash, counter = device
    if image.predecessors is None or image.image_hash == image_hash:
        return False
    if version < (image.minimum_base_version or 0):
        return False
    named = [all_entries[i] for i in image.predecessors if i in all_entries]
    if not any((n.firmware_version, n.image_hash) == (version, image_hash) for n in named):
        return False
    return (image.security_counter or 0) >= counter


def shortest(
    entries: list[Entry], devices: list[tuple[int, bytes, int]], targets: list[Entry]
) -> int | None:
    """Steps that bring every one of `devices` to a target by the same images; None if none do."""
    known = {e.cpl_entry_id: e for e in entries}
    wanted = {(t.firmware_version, t.image_hash) for t in targets}
    waiting = deque([(tuple(devices), 0)])
    seen = {tuple(devices)}
    while waiting:
        now, steps = waiting.popleft()
        if all(device[:2] in wanted for device in now):
            return steps
        for image in entries:
            if image.status != "Active" or not all(accepts(image, known, d) for d in now):
                continue
            after = (image.firmware_version, image.image_hash, image.security_counter or 0)
            state = (after,) * len(now)
            if state not in seen:
                seen.add(state)
                waiting.append((state, steps + 1))
    return None


@st.composite
def models(draw: st.DrawFn) -> list[Entry]:
    """The entries of one model: tangled, with versions, hashes and counters that collide."""
    count = draw(st.integers(1, 7))
    made = []
    for number in range(count):
        others = st.lists(st.integers(0, count), unique=True, max_size=3)
        after = draw(st.none() | others.map(lambda ns, me=number: [n for n in ns if n != me]))
        version = draw(st.integers(1, 5))
        made.append(
            entry(
                number,
                after,
                firmware_version=version,
                # one image has one version; now and then one image has two entries
                image_hash=digest(f"{version} {draw(st.integers(0, 2))}"),
                status=draw(st.sampled_from(["Active"] * 5 + ["Withdrawn"])),
                minimum_base_version=draw(st.none() | st.integers(0, 3)),
                security_counter=draw(st.none() | st.integers(0, 2)),
            )
        )
    return made


def state_of(version: int, image_hash: bytes | None, counter: int) -> DeviceState:
    return DeviceState(Model(CODE, MODEL), "PPMID", (version, image_hash), counter, "what runs")


def newest_of(entries: list[Entry]) -> list[Entry]:
    active = [e for e in entries if e.status == "Active"]
    return [e for e in active if e.firmware_version == max(a.firmware_version for a in active)]


@settings(max_examples=400)
@given(entries=models(), data=st.data())
def test_against_brute_force(entries: list[Entry], data: st.DataObject) -> None:
    pathways = Pathways(entries, {}, DAY)
    start = data.draw(st.sampled_from(entries))
    counter = data.draw(st.integers(start.counter, 3))
    several = st.lists(st.sampled_from(entries), min_size=1, max_size=3)
    targets = data.draw(st.just(newest_of(entries)) | several)
    answer = plan(pathways, state_of(*start.identity, counter), targets)
    expected = shortest(entries, [(*start.identity, counter)], targets)
    if expected is None:
        assert isinstance(answer, NoPlan)
        assert answer.why
    else:
        assert isinstance(answer, Plan), answer
        assert len(answer.steps) == expected
        check_walk(pathways, start, counter, answer)


def test_of_several_targets_the_nearest_counts() -> None:
    entries = [entry(1), entry(2, [1]), entry(3, [2])]
    answer = plan(Pathways(entries, {}, DAY), state_of(*entries[0].identity, 0), entries[1:])
    assert isinstance(answer, Plan)
    assert [step.cpl_entry_id for step in answer.steps] == ["E-2"]


def check_walk(pathways: Pathways, start: Entry, counter: int, answer: Plan) -> None:
    """Each step is taken by a device that decides for itself."""
    running = RunningFirmware(*start.identity)
    for step in answer.steps:
        manifest = pathways.manifest(step)
        assert manifest is not None
        assert check_pathway(manifest, step.image_hash, running, counter) == ACCEPTED
        assert step.status == "Active"
        running = RunningFirmware(*step.identity)
        counter = max(counter, manifest.security_counter)
    assert (running.file_version, running.image_hash) == answer.target.identity


@settings(max_examples=200)
@given(entries=models(), data=st.data())
def test_a_version_alone_is_planned_for_all_it_may_be(
    entries: list[Entry], data: st.DataObject
) -> None:
    version = data.draw(st.sampled_from(entries)).firmware_version
    candidates = sorted({e.image_hash for e in entries if e.firmware_version == version})
    targets = newest_of(entries)
    answer = plan(Pathways(entries, {}, DAY), state_of(version, None, 0), targets)
    expected = shortest(entries, [(version, h, 0) for h in candidates], targets)
    assert (len(answer.steps) if isinstance(answer, Plan) else None) == expected


@settings(max_examples=200)
@given(entries=models())
def test_stranded_is_what_brute_force_finds_stranded(entries: list[Entry]) -> None:
    findings = check_model(Pathways(entries, {}, DAY))
    stuck = {f.rows[0] for f in findings if f.code == "stranded"}
    stuck |= {f.rows[0] for f in findings if f.code == "unprovable" and len(f.rows) > 1}
    targets = newest_of(entries)
    expected = {
        e.cpl_entry_id
        for e in entries
        if targets and shortest(entries, [(*e.identity, e.counter)], targets) is None
    }
    assert stuck == expected


@settings(max_examples=200)
@given(entries=models())
def test_one_plan_whoever_asks(entries: list[Entry]) -> None:
    """What is found once for all devices of a model is what each of them is shown."""
    pathways = Pathways(entries, {}, DAY)
    for start in entries:
        answer = plan(pathways, state_of(*start.identity, start.counter), newest_of(entries))
        way = pathways.to_newest.get(start.cpl_entry_id)
        if way is None:
            assert isinstance(answer, NoPlan)
        else:
            assert isinstance(answer, Plan)
            assert [step.cpl_entry_id for step in answer.steps] == way[1:]


# --- by example


def test_from_one_entry_to_another(worked: Registry) -> None:
    answer = plan_between(worked, "PPMID-0001", day=DAY)
    assert isinstance(answer, Plan)
    assert [s.cpl_entry_id for s in answer.steps] == ["PPMID-0002", "PPMID-0003", "PPMID-0006"]
    halfway = plan_between(worked, "PPMID-0001", "PPMID-0003", DAY)
    assert isinstance(halfway, Plan)
    assert [s.cpl_entry_id for s in halfway.steps] == ["PPMID-0002", "PPMID-0003"]
    there = plan_between(worked, "PPMID-0006", day=DAY)
    assert isinstance(there, Plan)
    assert there.steps == ()


@pytest.mark.parametrize(
    ("start", "to", "code", "nearest"),
    [
        ("PPMID-0004", "latest", "dead-end", []),
        ("GSME-0201", "latest", "unprovable", []),
        ("GSME-0204", "GSME-0205", "not-active", ["GSME-0206"]),
        ("ESME-0101", "PPMID-0001", "foreign-target", None),
        ("PPMID-0003", "PPMID-0001", "no-way", ["PPMID-0006"]),
    ],
)
def test_why_there_is_no_path(
    worked: Registry, start: str, to: str, code: str, nearest: list[str] | None
) -> None:
    answer = plan_between(worked, start, to, DAY)
    assert isinstance(answer, NoPlan)
    assert answer.code == code
    if nearest is not None:
        assert [e.cpl_entry_id for e in answer.nearest] == nearest
    what, why, what_to_do = answer.refusal().lines
    assert start in what
    assert why
    assert what_to_do


def test_a_version_with_two_hashes(worked: Registry) -> None:
    model = Model(0xFFF1, 0x00A1_0203)
    state = DeviceState(model, "ESME", (0x00010100, None), 0, "00010100")
    answer = plan_for_device(worked, state, day=DAY)
    assert isinstance(answer, NoPlan)
    assert answer.code == "ambiguous-version"
    hashed = DeviceState(model, "ESME", (0x00010100, digest("ESME-0103")), 0, "00010100")
    answer = plan_for_device(worked, hashed, day=DAY)
    assert isinstance(answer, Plan)
    assert [s.cpl_entry_id for s in answer.steps] == ["ESME-0105", "ESME-0106", "ESME-0107"]


def test_no_application_takes_a_first_version(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [1])])
    state = DeviceState(Model(CODE, MODEL), "PPMID", None, 0, "no application")
    answer = plan_for_device(registry, state, day=DAY)
    assert isinstance(answer, Plan)
    assert [s.cpl_entry_id for s in answer.steps] == ["E-1", "E-2"]


def test_a_device_with_a_higher_counter(registry: Registry) -> None:
    """It holds 2, whose counter was raised by an image that it went back from."""
    low = entry(3, [2], security_counter=1)
    high = entry(4, [2], security_counter=2)
    fill(registry, [entry(2, security_counter=1), low, high, entry(5, [3, 4], security_counter=2)])
    for counter, first in ((1, {"E-3", "E-4"}), (2, {"E-4"})):
        state = state_of(*entry(2).identity, counter)
        answer = plan_for_device(registry, state, day=DAY)
        assert isinstance(answer, Plan)
        assert answer.steps[0].cpl_entry_id in first


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": Model(1, 1)}, "unknown-model"),
        ({"device_type": "ESME"}, "device-type"),
        ({"running": (9, None)}, "unknown-firmware"),
        ({"running": (1, bytes(32))}, "unknown-firmware"),
    ],
)
def test_a_device_that_the_register_does_not_know(
    registry: Registry, changes: dict, code: str
) -> None:
    fill(registry, [entry(1), entry(2, [1])])
    values = {"model": Model(CODE, MODEL), "device_type": "PPMID", "running": (1, digest("E-1"))}
    state = DeviceState(**(values | changes), security_counter=0, text="what runs")
    answer = plan_for_device(registry, state, day=DAY)
    assert isinstance(answer, NoPlan)
    assert answer.code == code


def test_a_withdrawn_step(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [1], status="Withdrawn"), entry(3, [2])])
    answer = plan_between(registry, "E-1", day=DAY)
    assert isinstance(answer, NoPlan)
    assert "E-2 (00000002), which is Withdrawn" in answer.why
    # before it was withdrawn, it was a way
    with registry.changing(WHY) as writer:
        before = registry.entry("E-2")
        writer.correct(before, same_but(before, status_since=datetime.date(2025, 1, 1)))
    assert isinstance(plan_between(registry, "E-1", day=datetime.date(2024, 1, 1)), Plan)


def test_no_such_entry(registry: Registry) -> None:
    with pytest.raises(WrongUsage):
        plan_between(registry, "E-1")


# --- a device's state


def test_a_state_as_a_device_gives_it() -> None:
    document = {
        "board": "virtual",
        "manufacturer_code": 0xFFF0,
        "image_type": 5,
        "hardware_version": 0x0100,
        "device_type": "PPMID",
        "security_counter": 3,
        "running": {"file_version": 1, "file_version_hex": "00000001", "hash": "ab" * 32},
    }
    state = parse_state(json.dumps(document).encode(), "-")
    assert state.model == Model(CODE, MODEL)
    assert state.running == (1, bytes.fromhex("ab" * 32))
    assert state.security_counter == 3
    texts = document | {"manufacturer_code": "FFF0", "running": None, "image_type": "0x0005"}
    assert parse_state(json.dumps(texts).encode(), "-").model == state.model


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        '{"running": 1}',
        '{"running": {"file_version": -1}, "manufacturer_code": 1, "image_type": 1, '
        '"hardware_version": 1}',
        '{"running": {"file_version": 1, "hash": "ab"}, "manufacturer_code": 1, "image_type": 1, '
        '"hardware_version": 1}',
        '{"running": null, "manufacturer_code": 65536, "image_type": 1, "hardware_version": 1}',
        '{"running": null, "manufacturer_code": true, "image_type": 1, "hardware_version": 1}',
        '{"running": null, "security_counter": -1}',
        "[" * 100_000,
    ],
)
def test_no_state(text: str) -> None:
    with pytest.raises(BadFile):
        parse_state(text.encode(), "state.json")


# --- the images of a plan


def test_images_are_found_by_their_hash(registry: Registry, tmp_path) -> None:
    first = make_image(1)
    second = make_image(2, [(1, first.image_hash, None)])
    (tmp_path / "a.ota").write_bytes(second.octets)
    (tmp_path / "notes.txt").write_text("not an image")
    rows = [
        entry(1, image_hash=first.image_hash),
        entry(2, [1], image_hash=second.image_hash, contact="ask@us.example"),
    ]
    fill(registry, rows)
    answer = plan_between(registry, "E-1", day=DAY)
    assert isinstance(answer, Plan)
    steps = walk.find_images(answer, [tmp_path])
    assert [(s.entry.cpl_entry_id, s.image.octets) for s in steps] == [("E-2", second.octets)]
    with pytest.raises(BadFile, match=r"ask@us\.example"):
        walk.find_images(answer, [])


def test_plan_upgrade_refuses_where_there_is_no_path(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [])])
    device = FakeDevice(entry(1).identity)
    with pytest.raises(CheckFailed, match="no safe path"):
        walk.plan_upgrade(registry, device.identity())
    there = FakeDevice(entry(2).identity)
    answer = walk.plan_upgrade(registry, there.identity())
    assert (answer.target.cpl_entry_id, answer.steps) == ("E-2", ())


def test_oracle_and_planner_share_no_code() -> None:
    """The oracle must stay independent: it may not call what it checks."""
    for function, name in itertools.product((accepts, shortest), ("check_pathway", "Pathways")):
        assert name not in function.__code__.co_names


# --- from what is known of a device


def test_from_an_id_a_version_or_a_hash(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [1]), entry(3, [2]), entry(9, device_model=7)])
    for start in ("E-1", "00000001", entry(1).image_hash.hex()):
        found = plan_between(registry, start)
        assert isinstance(found, Plan)
        assert [step.cpl_entry_id for step in found.steps] == ["E-2", "E-3"]
    for unknown in ("E-7", "00000077", "ab" * 32):
        with pytest.raises(WrongUsage, match="there is no entry"):
            plan_between(registry, unknown)


def test_from_a_version_of_several_firmwares(registry: Registry) -> None:
    both = [entry(1), entry(2, firmware_version=1), entry(3, [1])]
    fill(registry, both)
    found = plan_between(registry, "00000001")
    # right for one of them alone is not right
    assert isinstance(found, NoPlan)
    assert isinstance(plan_between(registry, both[0].image_hash.hex()), Plan)


def test_from_a_version_of_several_models(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [1]), entry(3, device_model=7, firmware_version=1)])
    with pytest.raises(WrongUsage, match="several models"):
        plan_between(registry, "00000001")
    found = plan_between(registry, "00000001", model=entry(1).model)
    assert isinstance(found, Plan)
    assert found.target.cpl_entry_id == "E-2"


def test_a_plan_says_what_people_call_a_firmware(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [1], common_name="v2.1 (summer)")])
    found = plan_between(registry, "E-1")
    assert isinstance(found, Plan)
    assert remarks(found.steps[0]) == ["known as v2.1 (summer)"]
    assert found.as_json()["steps"][0]["common_name"] == "v2.1 (summer)"
