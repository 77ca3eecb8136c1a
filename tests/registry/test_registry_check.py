"""What is wrong with a registry: each code by the smallest registry that has it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import CODE, ROOT, WORKED, digest, entry, fill, same_but

from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import columns_markdown
from hanboot.registry.pathways import diagram, svg
from hanboot.registry.pathways.check import CODES, check_model, check_registry
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry

DAY = datetime.date(2026, 1, 1)

#: name: (entries, findings as (severity, code, rows))
EXAMPLES: dict[str, tuple[list[Entry], list[tuple[str, str, tuple[str, ...]]]]] = {
    "in order": ([entry(1), entry(2, [1]), entry(3, [1, 2])], []),
    "a downgrade and back": ([entry(1, [2]), entry(2, [1]), entry(3, [2])], []),
    "one hash again under another ID": (
        [entry(1), entry(2, [1]), entry(3, [1], firmware_version=2, image_hash=digest("E-2"))],
        [("warning", "duplicate-entry", ("E-2", "E-3"))],
    ),
    "left behind": (
        [entry(1), entry(2), entry(3, [2])],
        [("error", "stranded", ("E-1", "E-3"))],
    ),
    "a dead end beside the way": (
        [entry(1), entry(2, [1]), entry(3, [1])],
        [
            ("error", "stranded", ("E-2", "E-3")),
            ("warning", "one-way-door", ("E-1", "E-2")),
        ],
    ),
    "round and round": (
        [entry(1, [2]), entry(2, [1]), entry(3)],
        [
            ("error", "stranded", ("E-1", "E-3")),
            ("error", "stranded", ("E-2", "E-3")),
            ("error", "cycle-without-exit", ("E-1", "E-2")),
        ],
    ),
    "no requirement": (
        [entry(1), entry(2, [1, 9])],
        [("error", "missing-reference", ("E-2", "E-9"))],
    ),
    "another model": (
        [entry(1), entry(2, [1, 5]), entry(5, device_model=0x0006_0100)],
        [("error", "foreign-reference", ("E-2", "E-5"))],
    ),
    "the same image for other hardware": (
        [
            entry(1),
            entry(2, [5]),
            entry(5, device_model=0x0005_0101, firmware_version=1, image_hash=digest("E-1")),
        ],
        [],
    ),
    "itself": (
        [entry(1), entry(2, [1, 2])],
        [("error", "names-itself", ("E-2",))],
    ),
    "withdrawn, in use": (
        [entry(1, status="Withdrawn"), entry(2, [1])],
        [("warning", "withdrawn-reference", ("E-2", "E-1"))],
    ),
    "withdrawn, needed as a step": (
        [entry(1), entry(2, [1], status="Withdrawn"), entry(3, [2])],
        [
            ("error", "withdrawn-reference", ("E-3", "E-2", "E-1")),
            ("error", "stranded", ("E-1", "E-3")),
        ],
    ),
    "withdrawn, with a way round": (
        [entry(1), entry(2, [1], status="Withdrawn"), entry(3, [1, 2])],
        [("warning", "withdrawn-reference", ("E-3", "E-2"))],
    ),
    "expired": (
        [entry(1, expires_on=datetime.date(2025, 1, 1)), entry(2, [1])],
        [("warning", "withdrawn-reference", ("E-2", "E-1"))],
    ),
    "two device types": (
        [entry(1), entry(2, [1], device_type="HCALCS")],
        [("error", "contradiction", ("E-1", "E-2"))],
    ),
    "one hash, two versions": (
        [entry(1), entry(2, [1], device_model=7, image_hash=digest("E-1"))],
        [
            ("error", "foreign-reference", ("E-2", "E-1")),
            ("error", "contradiction", ("E-1", "E-2")),
        ],
    ),
    "not stated": (
        [entry(1), entry(2, None), entry(3, [2])],
        [
            ("warning", "unprovable", ("E-1", "E-3")),
            ("warning", "unprovable", ("E-2",)),
        ],
    ),
    "not stated, but not needed": (
        [entry(1), entry(2, None), entry(3, [1, 2])],
        [("warning", "unprovable", ("E-2",))],
    ),
    "not stated, and no help": (
        [entry(1), entry(2, None), entry(3, [])],
        [
            ("error", "stranded", ("E-1", "E-3")),
            ("error", "stranded", ("E-2", "E-3")),
            ("warning", "unprovable", ("E-2",)),
        ],
    ),
    "two hashes, one pathway": (
        [entry(1), entry(2, [1]), entry(3, [1], firmware_version=2), entry(4, [2, 3])],
        [("note", "ambiguous-version", ("E-2", "E-3"))],
    ),
    "two hashes, two pathways": (
        [
            entry(1),
            entry(2, [1]),
            entry(3, [1], firmware_version=2),
            entry(4, [2]),
            entry(5, [3, 4]),
        ],
        [("warning", "ambiguous-version", ("E-2", "E-3"))],
    ),
    "no way back": (
        [entry(1), entry(2, [1], point_of_no_return=True)],
        [("note", "one-way-door", ("E-2",))],
    ),
    "nothing Active": (
        [entry(1, status="Cancelled"), entry(2, [1], status="Expired")],
        [
            ("warning", "withdrawn-reference", ("E-2", "E-1")),
            ("note", "no-active-entry", ("E-1", "E-2")),
        ],
    ),
    "no join option": (
        [entry(1, join_option=None), entry(2, [1])],
        [("note", "join-option", ("E-1",))],
    ),
    "an IHD needs no join option": ([entry(1, device_type="IHD", join_option=None)], []),
    "not yet listed": (
        [entry(1), entry(2, [], listed_on=datetime.date(2030, 1, 1)), entry(3, [1])],
        [],
    ),
    "a counter that bars the way": (
        [entry(1), entry(2, [1], security_counter=2), entry(3, [1, 2], security_counter=1)],
        [
            ("error", "stranded", ("E-2", "E-3")),
            ("warning", "one-way-door", ("E-1", "E-2")),
        ],
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_findings(registry: Registry, name: str) -> None:
    entries, expected = EXAMPLES[name]
    fill(registry, entries)
    found = list(check_registry(registry, DAY))
    assert [(f.severity, f.code, f.rows) for f in found] == expected
    for finding in found:
        assert finding.code in CODES
        assert "\n" not in finding.text
        assert finding.as_json()["rows"] == list(finding.rows)


#: of statements about entries, see test_never_in_field
_STATED = {"never-in-field", "statement-void"}


def test_every_code_has_an_example() -> None:
    assert {code for _, found in EXAMPLES.values() for _, code, _ in found} == set(CODES) - _STATED


def test_only_one_model_or_manufacturer(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2), entry(3, [9], device_model=7, manufacturer_code=1)])
    assert {f.code for f in check_registry(registry, DAY)} == {"stranded", "missing-reference"}
    only = check_registry(registry, DAY, model=Model(1, 7))
    assert [f.code for f in only] == ["missing-reference"]
    only = check_registry(registry, DAY, manufacturer=CODE)
    assert [f.code for f in only] == ["stranded"]


# --- the worked registry


def test_the_worked_register_says_what_its_page_says(run: Callable[..., Result]) -> None:
    command = ("registry", "import", WORKED, "--existing", "--reason", "the worked registry")
    assert run(*command).exit_code == 0
    result = run("registry", "check", "--on", "2026-01-01")
    assert result.exit_code == 1
    page = (ROOT / "docs" / "guide" / "registry" / "README.md").read_text()
    assert f"```\n{result.stdout}```\n" in page
    for model in ("FFF0 00050100", "FFF1 00A10203", "FFF2 004C0001"):
        drawn = run("registry", "diagram", model, "--on", "2026-01-01").stdout
        assert f"```\n{drawn}```\n" in page
    for name in ("text", "svg", "mermaid"):
        drawn = run("registry", "diagram", "ESME-0101", "--format", name, "--on", "2026-01-01")
        assert drawn.exit_code == 0
    assert columns_markdown() in page
    assert all(f"`{code}`" in page for code in CODES)
    svg_file = ROOT / "docs" / "guide" / "registry" / "volt-2.svg"
    drawn = run("registry", "diagram", "ESME-0101", "--format", "svg", "--on", "2026-01-01")
    assert drawn.stdout == svg_file.read_text()


# --- diagrams


def drawing_of(*entries: Entry) -> diagram.Drawing:
    return diagram.draw(Pathways(entries, {}, DAY))


def test_lanes_do_not_meet() -> None:
    """Every entry after every earlier one: as many lanes as there can be."""
    entries = [entry(n, list(range(1, n))) for n in range(1, 9)]
    drawn = drawing_of(*entries)
    for a in drawn.lanes:
        for b in drawn.lanes:
            if a is not b and a.column == b.column:
                assert a.last < b.first or b.last < a.first
    assert {(s, lane.target) for lane in drawn.lanes for s in lane.sources} == {
        (s, t) for t in range(8) for s in range(t)
    }


def test_text_up_and_down() -> None:
    drawn = drawing_of(entry(1, [2]), entry(2, [1, 3]), entry(3, [1]))
    assert diagram.as_text(drawn, ascii_only=True).splitlines()[2:5] == [
        "o o ^  E-1  00000001  " + digest("E-1").hex()[:8],
        "| x o  E-2  00000002  " + digest("E-2").hex()[:8],
        "v o    E-3  00000003  " + digest("E-3").hex()[:8] + "  newest",
    ]


def test_svg_is_well_formed_and_escaped() -> None:
    made = [entry(1, manufacturer="A & <B>"), entry(2, [1], manufacturer="A & <B>")]
    drawn = svg.as_svg(drawing_of(*made))
    root = ElementTree.fromstring(drawn)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("A & <B>" in (text or "") for text in texts)
    assert any("newest" in (text or "") for text in texts)


def test_mermaid_has_every_step() -> None:
    drawn = diagram.as_mermaid(drawing_of(entry(1), entry(2, [1]), entry(3, [1, 2])))
    assert [line.strip() for line in drawn.splitlines() if "-->" in line] == [
        "e0 --> e1",
        "e0 --> e2",
        "e1 --> e2",
    ]


def test_nothing_to_draw() -> None:
    assert diagram.as_text(drawing_of()) == "no entries\n\n"


# --- what is left out because nothing can be found


@st.composite
def nearly_tidy(draw: st.DrawFn) -> list[Entry]:
    """Two models whose entries follow the last ones, with something odd here and there."""
    made: list[Entry] = []
    odd = st.sampled_from(
        [
            {},
            {},
            {},
            {"status": "Withdrawn"},
            {"listed_on": datetime.date(2026, 6, 1)},
            {"expires_on": datetime.date(2025, 6, 1)},
            {"expires_on": datetime.date(2027, 6, 1)},
            {"security_counter": 0, "minimum_base_version": 0, "point_of_no_return": False},
            {"security_counter": 3},
            {"minimum_base_version": 2},
            {"point_of_no_return": True},
            {"join_option": None},
            {"device_type": "IHD", "join_option": None},
            {"predecessors": None},
            {"predecessors": ()},
            {"firmware_version": 2},
            {"image_hash": digest("the same")},
        ]
    )
    for model in (0x10000, 0x20000):
        first = len(made) + 1
        for number in range(first, first + draw(st.integers(1, 4))):
            before = [n for n in (number - 1, number - 2) if n >= first]
            extra = draw(st.lists(st.integers(1, 8), max_size=1))
            named = {f"E-{n}" for n in (*before, *extra)}
            values = {"predecessors": tuple(sorted(named)), "device_model": model}
            made.append(same_but(entry(number), **(values | draw(odd))))
    return made


@settings(max_examples=150)
@given(made=nearly_tidy())
def test_nothing_is_left_out_of_which_something_is_found(made: list[Entry]) -> None:
    with Registry(Database(":memory:", create=True)) as registry:
        fill(registry, made)
        screened = list(check_registry(registry, DAY))
        # the full check of every model
        found = [
            finding
            for own, elsewhere in registry.by_model()
            for finding in check_model(Pathways(own, elsewhere, DAY))
        ]
        assert [f for f in screened if f in found] == found
        # what concerns several models is looked for in any case
        assert {f.code for f in screened if f not in found} <= {"contradiction"}
