"""A whole CPL as it is found, and what MP231 asks of a new entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from registries import SSC_COLUMNS, WHY, everything, write_rows

from hanboot.errors import BadFile
from hanboot.registry.exchange import mapping
from hanboot.registry.exchange.faults import CellFault
from hanboot.registry.exchange.intake import Imported, import_file
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.storage import history
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import Registry

REASON = ("--reason", "a test")
ROW = {
    "CPL Entry ID": "E-1",
    "Device Type": "PPMID",
    "Manufacturer Code": "FFF0",
    "Device Model": "00050100",
    "Firmware Version": "00000001",
    "Manufacturer Image Hash": "ab" * 32,
    "CPL Status": "Active",
    "Predecessor CPL Entry IDs": "N/A",
    "ZigBee Join Option": "2.4 GHz Only",
    **SSC_COLUMNS,
}
NEXT = {"CPL Entry ID": "E-2", "Firmware Version": "00000002", "Manufacturer Image Hash": "cd" * 32}


def write(path: Path, *changes: dict[str, str]) -> Path:
    rows = [ROW | change for change in changes]
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    return write_rows(path, [headings, *([row.get(h, "") for h in headings] for row in rows)])


@pytest.mark.parametrize(
    "heading", ["Predecessor CPL Entry IDs", "ZigBee Join Option", *SSC_COLUMNS]
)
def test_a_new_entry_states_it_all(registry: Registry, tmp_path: Path, heading: str) -> None:
    path = write(tmp_path / "r.csv", {heading: ""})
    faults: list[CellFault] = []
    with pytest.raises(BadFile):
        import_file(registry, path, WHY, on_fault=faults.append)
    assert [fault.heading for fault in faults] == [heading]
    import_file(registry, path, WHY, rules=ImportRules(existing=True))
    # and it is filled in later
    filled = import_file(registry, write(tmp_path / "f.csv", {}), WHY)
    assert filled.corrected == 1


@pytest.mark.parametrize(
    "band", ["Single Band", "Single Band (2.4GHz)", "Single Band (Sub-GHz)", "Dual Band", ""]
)
def test_old_bands_of_old_entries(registry: Registry, tmp_path: Path, band: str) -> None:
    path = write(tmp_path / "r.csv", {"ZigBee Join Option": band})
    with pytest.raises(BadFile):
        import_file(registry, path, WHY)
    assert import_file(registry, path, WHY, rules=ImportRules(existing=True)).added == 1
    # what the registry holds already need not be said again
    assert import_file(registry, path, WHY).unchanged == 1


def test_smets1_as_it_stands(run: Callable[..., Result], run_json: Any, tmp_path: Path) -> None:
    short = {
        "Manufacturer Code": "4E",
        "Device Model": "1A2B",
        "Firmware Version": "9001",
        "SMETS Version": "SMETS1",
    }
    path = write(tmp_path / "r.csv", short)
    assert run("registry", "import", path, "--existing", *REASON).exit_code == 0
    [shown] = run_json("registry", "show", "E-1")
    assert shown["manufacturer_code_text"] == "4E"
    assert (shown["device_model"], shown["device_model_text"]) == ("00001A2B", "1A2B")
    assert (shown["firmware_version"], shown["firmware_version_text"]) == ("00009001", "9001")
    again = run_json("registry", "import", path, "--existing", *REASON)
    assert again["unchanged"] == 1
    # what goes out comes in
    out = tmp_path / "out.csv"
    assert run("registry", "export", "-o", out, "--role", "ssc").exit_code == 0
    there = ("--registry", tmp_path / "other.db")
    assert run("registry", "import", out, "--existing", *REASON, *there).exit_code == 0
    assert run_json("registry", "show", "E-1", *there) == [shown]


def test_smets2_is_not_short(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(BadFile):
        import_file(registry, write(tmp_path / "r.csv", {"Device Model": "1A2B"}), WHY)


MAPPING = """
[[column]]
heading = "Certificate Expiry"
field = "expires_on"
[[column.value]]
theirs = "TBC"
not_stated = true

[[column]]
heading = "Comments"
field = "free_text"
[[column.extract]]
field = "predecessors"
pattern = "upgrade from:? *([A-Z0-9-]+(?:, *[A-Z0-9-]+)*)"

[[skip]]
heading = "Device Type"
values = ["GPF", "CAD"]
"""


def test_a_whole_cpl(registry: Registry, tmp_path: Path) -> None:
    text = "Upgrade from: E-1\nonly, see the release note"
    free = {"Comments": text, "Certificate Expiry": "TBC", "Predecessor CPL Entry IDs": ""}
    more = {
        "CPA Certificate": "CPA-12-3",
        "Renewal On": "2027-05-01",
        "Common Firmware Name": "v2.10 (summer)",
    }
    path = write(
        tmp_path / "r.csv",
        {"Certificate Expiry": "2027-01-31", "Comments": "none"} | more,
        NEXT | free | more,
        {"CPL Entry ID": "E-3", "Device Type": "GPF", "Firmware Version": "what is this"},
        {"CPL Entry ID": "E-4", "Device Type": "CAD"},
    )
    (tmp_path / "m.toml").write_text(MAPPING)
    done = import_file(registry, path, WHY, mapping.load(tmp_path / "m.toml"))
    assert done == Imported(2, 0, 0, 2)
    assert str(done).endswith("2 skipped")
    first, second = everything(registry)
    assert str(first.expires_on) == "2027-01-31"
    assert (second.expires_on, second.free_text) == (None, text)
    assert second.predecessors == ("E-1",)
    assert (second.certificate, second.common_name) == ("CPA-12-3", "v2.10 (summer)")
    assert str(second.renewal_on) == "2027-05-01"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[skip]]\nheading = 'x'", "must be a list of texts"),
        (
            "[[column]]\nheading='x'\nignore=true\n[[column.extract]]\nfield='nothing'",
            "must be one",
        ),
        (
            "[[column]]\nheading='x'\nignore=true\n[[column.extract]]\nfield='contact'\n"
            "pattern='('",
            "must be a regular expression",
        ),
    ],
)
def test_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(BadFile, match=message):
        mapping.load(tmp_path / "m.toml")


# --- who it came from, and who may see it


def test_party_and_channel_of_an_import(
    run: Callable[..., Result], run_json: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "r.csv", {})
    by = ("--party", "Example Energy", "--channel", "CPL Tool")
    assert run("registry", "import", path, *REASON, *by).exit_code == 0
    correct = ("registry", "correct", "E-1", "contact=firmware@example")
    assert run(*correct, *REASON, "--party", "Example Displays").exit_code == 0
    first, second = run_json("registry", "history")
    assert (first["party"], first["channel"]) == ("Example Energy", "CPL Tool")
    assert (second["party"], second["channel"]) == ("Example Displays", "command line")
    assert "for Example Energy" in run("registry", "history").stdout
    assert run("registry", "history", "--verify").exit_code == 0


@pytest.mark.parametrize("role", ["everyone", "supplier", "manufacturer", "ssc"])
def test_history_shows_what_a_role_may_see(
    run: Callable[..., Result], tmp_path: Path, role: str
) -> None:
    path = write(tmp_path / "r.csv", {"Manufacturer Contact": "who to ask"})
    assert run("registry", "import", path, *REASON).exit_code == 0
    change = ("registry", "correct", "E-1", "zigbee_vendor=Secret Radios")
    assert run(*change, *REASON).exit_code == 0
    view = ("--role", role) + (("--manufacturer", "FFF0") if role == "manufacturer" else ())
    for form in ((), ("--json",)):
        shown = run("registry", "history", *view, *form).stdout
        assert ("Secret Radios" in shown) == (role == "ssc")
        assert ("who to ask" in shown) == (role != "everyone")
        assert "FFF0" in shown
    own = ("--role", "manufacturer", "--manufacturer", "FFF1")
    assert "E-1" not in run("registry", "history", *own).stdout


def test_a_party_that_is_no_text(registry: Registry) -> None:
    with pytest.raises(Exception, match="party"):
        Attribution("a", "b", party="two\nlines")
    with registry.database.reading() as connection:
        assert list(history.changes(connection)) == []
