"""The commands: what they print, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from registries import KEY, SSC_COLUMNS, WORKED, make_image, write_rows

from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry
from hanbootloader import cpl_entry

REASON = ("--reason", "a test")

Run = Callable[..., Result]


@pytest.fixture
def filled(run: Run) -> Run:
    """In a folder with the worked registry."""
    assert run("registry", "import", WORKED, "--existing", *REASON).exit_code == 0
    return run


def lines(result: Result) -> list[str]:
    return result.stderr.strip().splitlines()


def test_import_makes_a_registry(run: Run) -> None:
    result = run("registry", "import", WORKED, "--existing", *REASON)
    assert (result.exit_code, lines(result)) == (0, ["registry.db was made"])
    assert "20 added" in result.stdout
    again = run("registry", "import", WORKED, "--existing", *REASON)
    assert "20 as they were" in again.stdout


def test_an_import_that_fails_leaves_nothing(run: Run, tmp_path: Path) -> None:
    result = run("registry", "import", WORKED, *REASON)
    assert result.exit_code == 5
    assert "(ZigBee Join Option): it is empty: a new entry states" in result.stderr
    assert "row 2 (ZigBee Stack Certificate): it is empty" in result.stderr
    assert "nothing was changed" in lines(result)[-1]
    assert not (tmp_path / "registry.db").exists()
    as_json = run("registry", "import", WORKED, *REASON, "--json")
    faults = json.loads(as_json.stdout)["faults"]
    assert "ZigBee Join Option" in {fault["heading"] for fault in faults}


def test_a_change_needs_a_reason(run: Run) -> None:
    assert run("registry", "import", WORKED).exit_code == 2
    assert run("registry", "import", WORKED, "--reason", "").exit_code == 2


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_export_and_import(filled: Run, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    assert filled("registry", "export", "-o", out, "--role", "ssc").exit_code == 0
    other = ("--registry", tmp_path / "other.db")
    assert filled("registry", "import", out, "--existing", *REASON, *other).exit_code == 0
    with Registry(str(tmp_path / "registry.db")) as a, Registry(str(tmp_path / "other.db")) as b:
        assert a.entries() == b.entries()


def test_views(filled: Run) -> None:
    everyone = filled("registry", "export", "-o", "-", "--role", "everyone").stdout
    assert "PPMID-0001" in everyone
    assert "Predecessor" not in everyone
    as_manufacturer = ("registry", "export", "-o", "-", "--role", "manufacturer")
    own = filled(*as_manufacturer, "--manufacturer", "FFF1")
    assert own.stdout.count("ESME-") > 8
    assert "PPMID" not in own.stdout
    assert filled(*as_manufacturer).exit_code == 2


def test_show(filled: Run, run_json: Callable[..., Any]) -> None:
    assert len(filled("registry", "show").stdout.splitlines()) == 20
    assert "Predecessor CPL Entry IDs" in filled("registry", "show", "PPMID-0003").stdout
    [shown] = run_json("registry", "show", "PPMID-0003", "--role", "everyone")
    assert shown["firmware_version"] == "02000000"
    assert "predecessors" not in shown
    assert filled("registry", "show", "NOBODY").exit_code == 2


def test_correct_and_history(filled: Run, run_json: Callable[..., Any]) -> None:
    ids = "PPMID-0003, PPMID-0004, PPMID-0005"
    command = ("registry", "correct", "PPMID-0006", f"predecessors={ids}")
    assert filled(*command, "--reason", "a shorter way was tested").exit_code == 0
    changes = run_json("registry", "history", "PPMID-0006")
    assert [change["reason"] for change in changes] == ["a test", "a shorter way was tested"]
    assert changes[1]["before"] == {"predecessors": "PPMID-0003, PPMID-0005"}
    assert "by a test: a shorter way was tested" in filled("registry", "history").stdout
    assert run_json("registry", "history", "--verify") == {"verified": 2}
    # PPMID-0004 is not stranded any more
    codes = [f["code"] for f in run_json("registry", "check")["findings"]]
    assert "stranded" not in codes
    for bad in ("predecessors=PPMID-0006", "colour=red", "status", "status=Gone"):
        assert filled("registry", "correct", "PPMID-0006", bad, *REASON).exit_code in (2, 5)


def test_check_guards_a_pipeline(filled: Run, run_json: Callable[..., Any]) -> None:
    found = run_json("registry", "check", "--on", "2026-01-01", code=1)
    assert found["summary"] == {"error": 1, "warning": 6, "note": 3, "never_in_field": 0}
    assert {"code", "severity", "model", "rows", "text"} == set(found["findings"][0])
    assert filled("registry", "check", "--model", "FFF1 00A10203").exit_code == 0
    assert filled("registry", "check", "--model", "FFF1 00A10203", "--strict").exit_code == 1
    assert filled("registry", "check", "--model", "FFF1").exit_code == 2


def test_plan(filled: Run, run_json: Callable[..., Any]) -> None:
    found = run_json("registry", "plan", "--from", "ESME-0101")
    assert found["found"]
    assert [step["cpl_entry_id"] for step in found["steps"]][-1] == "ESME-0107"
    assert all(len(step["hash"]) == 64 for step in found["steps"])
    text = filled("registry", "plan", "--from", "PPMID-0001", "--to", "PPMID-0002").stdout
    assert "in 1 step" in text
    assert "no way back" in text

    nowhere = run_json("registry", "plan", "--from", "PPMID-0004", code=1)
    assert not nowhere["found"]
    assert [entry["cpl_entry_id"] for entry in nowhere["accepts"]] == ["PPMID-0003", "PPMID-0005"]
    result = filled("registry", "plan", "--from", "PPMID-0004")
    assert (result.exit_code, result.stdout, len(lines(result))) == (1, "", 3)
    assert filled("registry", "plan").exit_code == 2


def test_plan_from_what_a_device_says(filled: Run, tmp_path: Path) -> None:
    with Registry(str(tmp_path / "registry.db")) as registry:
        running = registry.entry("PPMID-0002")
    state = {
        "manufacturer_code": 0xFFF0,
        "image_type": 5,
        "hardware_version": 0x0100,
        "device_type": "PPMID",
        "security_counter": 0,
        "running": {
            "file_version": running.firmware_version,
            "hash": running.image_hash.hex(),
        },
    }
    piped = filled("registry", "plan", "--device-state", "-", input=json.dumps(state))
    assert piped.exit_code == 0
    assert "PPMID-0003" in piped.stdout
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert filled("registry", "plan", "--device-state", "state.json").stdout == piped.stdout
    assert filled("registry", "plan", "--device-state", "-", input="{}").exit_code == 5


def test_diagram(filled: Run, tmp_path: Path) -> None:
    assert "STRANDED" in filled("registry", "diagram", "PPMID-0001").stdout
    assert filled("registry", "diagram", "FFF0 00050100", "-o", "d.svg").exit_code == 0
    assert (tmp_path / "d.svg").read_text().startswith("<svg")
    assert filled("registry", "diagram", "FFF0 00050100", "-o", "d.mmd").exit_code == 0
    assert (tmp_path / "d.mmd").read_text().startswith("flowchart")
    assert filled("registry", "diagram", "FFF0 00990100").exit_code == 2


def test_submit_and_check_image(run: Run, run_json: Callable[..., Any], tmp_path: Path) -> None:
    first = make_image(1, cpl_entry_id="A-1")
    second = make_image(2, [(1, first.image_hash, "A-1")], cpl_entry_id="A-2")
    (tmp_path / "1.ota").write_bytes(first.octets)
    (tmp_path / "2.ota").write_bytes(second.octets)
    row = ("--set", "device_type=PPMID", "--set", "status=Active")
    row += ("--set", "join_option=2.4 GHz Only")
    for name in ("zigbee_vendor", "zigbee_stack", "zigbee_certificate"):
        row += ("--set", f"{name}=x")
    assert run("registry", "submit", "1.ota", *row, *REASON).exit_code == 0
    assert run("registry", "check-image", "1.ota").exit_code == 0
    assert run("registry", "check-image", "2.ota").exit_code == 1  # no row yet
    assert run("registry", "check-image", "2.ota", *row).exit_code == 0
    wrong = (*row, "--set", "predecessors=N/A")
    assert run("registry", "submit", "2.ota", *wrong, *REASON).exit_code == 1
    [compared] = run_json("registry", "check-image", "2.ota", *wrong, code=1)
    assert {d["code"] for d in compared["differences"]} == {"list"}
    write_rows(
        tmp_path / "row.csv",
        [
            ["CPL Entry ID", "Device Type", "CPL Status", "ZigBee Join Option", *SSC_COLUMNS],
            ["A-2", "PPMID", "Active", "2.4 GHz Only", *SSC_COLUMNS.values()],
        ],
    )
    assert run("registry", "submit", "2.ota", "--row", "row.csv", *REASON).exit_code == 0
    assert run_json("registry", "plan", "--from", "A-1")["steps"][0]["cpl_entry_id"] == "A-2"


def test_settings_and_snapshot(filled: Run, run_json: Callable[..., Any], tmp_path: Path) -> None:
    before = {"local_updates": "banned", "ssc_data": "here", "permits_from": "none"}
    assert run_json("registry", "settings") == before
    turn = ("registry", "settings", "--local-updates", "allowed")
    assert filled(*turn).exit_code == 2  # no reason
    # the author is who is logged in, as with every change
    assert filled(*turn, "--reason", "a decision").exit_code == 0
    assert run_json("registry", "settings") == before | {"local_updates": "allowed"}
    (tmp_path / "key.pem").write_bytes(KEY.pem())
    (tmp_path / "key.pem").chmod(0o600)
    made = filled("registry", "snapshot", "-o", "cpl.snapshot", "--key", "key.pem")
    assert made.exit_code == 0
    assert "local updates are allowed" in made.stdout
    (tmp_path / "dsp.pub.pem").write_bytes(KEY.public_pem())
    assert filled("registry", "settings", "--permits-from", "dsp.pub.pem").exit_code == 2
    filled("registry", "settings", "--permits-from", "dsp.pub.pem", *REASON)
    assert run_json("registry", "settings")["permits_from"] == KEY.public.kid.hex()
    filled("registry", "settings", "--permits-from", "none", *REASON)
    assert run_json("registry", "settings")["permits_from"] == "none"


def test_an_entry_for_a_board_that_demands_it(
    filled: Run, run_json: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(KEY.pem())
    (tmp_path / "key.pem").chmod(0o600)
    listed = next(each for each in run_json("registry", "show") if each["status"] == "Active")
    made = filled("registry", "cpl-entry", listed["cpl_entry_id"], "-o", "e", "--key", "key.pem")
    assert made.exit_code == 0
    assert KEY.public.kid.hex() in made.stdout
    assert (tmp_path / "e").stat().st_size <= cpl_entry.ENTRY_MAX_BYTES
    none = filled("registry", "cpl-entry", "NONE-1", "-o", "none", "--key", "key.pem")
    assert none.exit_code != 0
    assert not (tmp_path / "none").exists()


def test_migrate(filled: Run) -> None:
    assert "at 0004" in filled("registry", "migrate").stdout
    assert filled("registry", "migrate", "--registry", "none.db").exit_code == 5


@pytest.mark.parametrize("url", ["none.db", "sqlite:///none.db", "nosuch://x/y"])
@pytest.mark.parametrize(
    "command",
    [
        ("registry", "check"),
        ("registry", "show"),
        ("registry", "export", "-o", "x.csv"),
        ("registry", "plan", "--from", "x"),
        ("inventory", "list"),
        ("inventory", "pending"),
    ],
)
def test_a_register_that_is_not_there(run: Run, tmp_path: Path, command: tuple, url: str) -> None:
    result = run(*command, "--registry", url)
    assert result.exit_code == (2 if url.startswith("nosuch") else 5)
    assert len(lines(result)) == 3
    assert list(tmp_path.iterdir()) == []


def test_the_register_can_be_named_in_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HANBOOT_REGISTRY", str(tmp_path / "elsewhere.db"))
    assert run("registry", "import", WORKED, "--existing", *REASON).exit_code == 0
    assert (tmp_path / "elsewhere.db").exists()


# --- the inventory

DEVICES = [
    ["Device ID", "Device Type", "Manufacturer Code", "Device Model", "Firmware Version"],
    ["00000000000000A1", "PPMID", "FFF0", "00050100", "01000000"],
    ["00000000000000A2", "PPMID", "FFF0", "00050100", "02010100"],
    ["00000000000000A3", "PPMID", "FFF0", "00050100", "01050000"],
    ["00000000000000A4", "ESME", "FFF1", "00A10203", "00010100"],
]


def test_inventory(filled: Run, run_json: Callable[..., Any], tmp_path: Path) -> None:
    path = write_rows(tmp_path / "devices.csv", DEVICES)
    assert "4 devices added" in filled("inventory", "add", path).stdout
    assert filled("inventory", "add", path).exit_code == 5
    listed = run_json("inventory", "list")
    assert [device["CPLStatus"] for device in listed] == ["Active"] * 4
    assert listed[0]["DeviceID"] == "00-00-00-00-00-00-00-A1"
    assert filled("inventory", "list", "00000000000000A9").exit_code == 2

    pending = run_json("inventory", "pending")
    assert [(p["file_version_hex"], len(p["steps"]), bool(p["why"])) for p in pending] == [
        ("01000000", 3, False),
        ("01050000", 0, True),
        ("00010100", 0, True),
    ]
    text = filled("inventory", "pending", "--devices", "p.csv").stdout
    assert "3 devices need a step; 2 of them have no proven path" in text
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 4

    batch = {
        "model": "FFF0 00050100",
        "device_type": "PPMID",
        "file_version": "01050000",
        "hash": None,
        "how": "daily",
        "devices": {"00000000000000A1": "2026-01-01T00:00:00Z"},
    }
    (tmp_path / "r.jsonl").write_text(json.dumps(batch) + "\n")
    merged = run_json("inventory", "merge", "r.jsonl")
    assert merged["differing"] == ["00-00-00-00-00-00-00-A1"]
    flagged = filled("inventory", "list", "--differs").stdout
    assert flagged.startswith("! 00-00-00-00-00-00-00-A1")
    assert "reports 01050000" in flagged
    assert filled("inventory", "history").stdout == ""


def test_distribute_stops_before_the_port(filled: Run, tmp_path: Path) -> None:
    """What the gate can see without a device is seen before the port is opened."""
    (tmp_path / "x.ota").write_bytes(make_image(1).octets)
    result = filled("distribute", "x.ota", "--port", "/dev/no-such-port")
    assert result.exit_code == 1
    assert "is not on the CPL" in lines(result)[0]
    banned = filled("distribute", "x.ota", "--port", "/dev/no-such-port", "--local")
    assert "banned" in lines(banned)[0]
    # with no port either: what the CPL does not list is not looked for a board for
    assert filled("distribute", "x.ota").exit_code == 1
    assert filled("distribute", "none.ota", "--port", "p").exit_code == 5
    assert filled("distribute", "x.ota", "--port", "p", "--snapshot", "s").exit_code == 2


def test_another_schema(filled: Run, tmp_path: Path) -> None:
    database = Database(str(tmp_path / "registry.db"))
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    database.close()
    result = filled("registry", "check")
    assert result.exit_code == 5
    assert "hanboot registry migrate" in lines(result)[2]
