"""How fast the registry and the inventory are, on data made here.

    python tests/bench/bench_registry.py                    everything, some minutes
    python tests/bench/bench_registry.py check plan         only these
    python tests/bench/bench_registry.py --runs 1 import    once instead of three times

Each run is a process of its own; a figure is the median of the runs. Nothing here is asserted.
Leaves build/bench-registry.json: name -> what, value, unit, budget, processor time, runs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import sqlalchemy as sa

from hanboot.cli.inventory import list_command
from hanboot.cli.registry_options import collect_rarely
from hanboot.inventory import pending, reports
from hanboot.inventory.devices import Inventory, device_id
from hanboot.registry.entry import Entry
from hanboot.registry.exchange import export, intake
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.fields import FIELDS
from hanboot.registry.pathways.check import check_registry
from hanboot.registry.pathways.plan import Plan, plan_between
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE
from hanboot.registry.storage.store import Registry

ROOT = Path(__file__).resolve().parents[2]

OUT = ROOT / "build" / "bench-registry.json"
MODELS, PER_MODEL = 5000, 20
DEVICES = 1_000_000
WHY = Attribution("bench", "to measure")


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        name: for programs.
        value: median of the runs.
        budget: None where there is none.
        cpu_s: processor time, where `value` is a time; on a machine that does other things too,
            the difference is their share.
    """

    name: str
    what: str
    value: float
    unit: str
    budget: float | None = None
    cpu_s: float | None = None


# --- a run is a process of its own


@dataclass(frozen=True)
class Run:
    """What one run took. peak_mb: memory at its most, beyond what there was before it."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    result: Any


def _measured(action: Callable[..., Any], arguments: tuple[Any, ...]) -> Run:
    collect_rarely()  # as the commands do
    before = _resident_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    result = action(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Run(wall, cpu, _resident_mb() - before, result)


def _resident_mb() -> float:
    """The most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts in ru_maxrss what the parent held, too
        [high] = [row for row in status.read_text().splitlines() if row.startswith("VmHWM")]
        return int(high.split()[1]) / 1e3
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


class Runs:
    """Some runs of one action."""

    def __init__(self, count: int, action: Callable[..., Any], *arguments: Any) -> None:
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            self.all: list[Run] = [pool.apply(_measured, (action, arguments)) for _ in range(count)]

    @property
    def result(self) -> Any:
        return self.all[-1].result

    def took(self, name: str, what: str, budget: float | None = None) -> Figure:
        wall = statistics.median(run.wall_s for run in self.all)
        cpu = statistics.median(run.cpu_s for run in self.all)
        return Figure(name, what, wall, "s", budget, cpu)

    def peak(self, name: str, what: str) -> Figure:
        return Figure(name, what, statistics.median(run.peak_mb for run in self.all), "MB")


# --- data


def entries(models: int = MODELS, per_model: int = PER_MODEL) -> Iterator[Entry]:
    """Models whose entries follow the last one or two, with the oddities of a real list."""
    random_ = random.Random(231)
    for model in range(models):
        # a withdrawn entry, one not stated, a dead end: each in one model of fifty
        odd = random_.choice(("withdrawn", "not stated", "dead end")) if model % 50 == 0 else ""
        for version in range(per_model):
            yield _entry(random_, model, version, odd if version == per_model // 2 else "")


def _entry(random_: random.Random, model: int, version: int, odd: str) -> Entry:
    name = f"CPL-{model:04d}-{version:02d}"
    before = range(max(0, version - 2), version)
    if version and random_.random() < 0.2:
        before = range(max(0, version - 4), version)
    return Entry(
        name,
        "PPMID",
        0xFFF0,
        0x1000_0000 + (model << 8),
        0x0100_0000 + version * 0x100,
        f"{0x0100_0000 + version * 0x100:08X}",
        hashlib.sha256(name.encode()).digest(),
        "Withdrawn" if odd == "withdrawn" else "Active",
        "Example Displays",
        f"Model {model}",
        "SMETS V5.1",
        "4.2",
        join_option="2.4 GHz Only",
        predecessors=None
        if odd == "not stated"
        else ()
        if odd == "dead end"
        else tuple(f"CPL-{model:04d}-{v:02d}" for v in before),
        contact="firmware@displays.example",
        release_notes=f"https://displays.example/{name}",
        release_kind="non-commercial",
        zigbee_vendor="Example Radios",
        zigbee_stack="3.2",
        zigbee_certificate="ZCP-0001",
    )


def _device(
    number: int, firmwares: list[tuple[int, int, bytes]], random_: random.Random
) -> dict[str, object]:
    model = random_.randrange(MODELS)
    version = max(random_.randrange(PER_MODEL), random_.randrange(PER_MODEL))
    device_model, firmware_version, digest = firmwares[model * PER_MODEL + version]
    return {
        "device_id": device_id(number.to_bytes(8, "big")),
        "device_type": "PPMID",
        "manufacturer_code": 0xFFF0,
        "device_model": device_model,
        "firmware_version": firmware_version,
        "image_hash": digest,
        "state": "Commissioned",
    }


def _batches(items: Iterable, size: int) -> Iterator[list]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


# --- where it is kept


class Bench:
    """Files and databases that the benches share, each made when it is first asked for."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs

    def run(self, action: Callable[..., Any], *arguments: Any) -> Runs:
        return Runs(self.runs, action, *arguments)

    @property
    def registry(self) -> str:
        """100,000 entries in 5,000 models."""
        path = self.folder / "registry.db"
        if not path.exists():
            with (
                Registry(Database(str(path), create=True)) as made,
                made.changing(WHY) as writer,
            ):
                for batch in _batches(entries(), 1000):
                    writer.add(batch)
        return str(path)

    @property
    def inventory(self) -> str:
        """The same with 1,000,000 devices, the newer firmwares more often."""
        with Registry(self.registry) as registry:
            held = Inventory(registry.database)
            if next(iter(held.devices()), None) is None:
                random_ = random.Random(82)
                firmwares = [(e.device_model, e.firmware_version, e.image_hash) for e in entries()]
                with held.database.writing() as connection:
                    for batch in _batches(range(DEVICES), 10_000):
                        rows = [_device(number, firmwares, random_) for number in batch]
                        connection.execute(sa.insert(DEVICE), rows)
        return self.registry

    def sheet(self, form: export.Format, models: int = MODELS) -> str:
        path = self.folder / f"{models}.{form}"
        if not path.exists():
            export.write_file(path, form, entries(models), FIELDS)
        return str(path)


# --- figures


def bench_check(bench: Bench) -> list[Figure]:
    """The full check, from the database on."""
    runs = bench.run(_check, bench.registry)
    return [
        runs.took("check_s", f"check of 100,000 entries ({runs.result} findings)", 5),
        runs.peak("check_mb", "memory for it"),
    ]


def _check(url: str) -> int:
    with Registry(url) as registry:
        return sum(1 for _ in check_registry(registry))


def bench_check_against_networkx(bench: Bench) -> list[Figure]:
    """The full check, beside what its graphs alone take: the same rows, read plainly."""
    ours, graphs = bench.run(_check, bench.registry), bench.run(_networkx_alone, bench.registry)
    alone = graphs.took("networkx_s", f"networkx alone ({graphs.result} entries do not reach)")
    whole = ours.took("check_again_s", "the full check, in the same run")
    assert whole.cpu_s
    assert alone.cpu_s
    ratio = whole.cpu_s / alone.cpu_s
    return [alone, whole, Figure("check_ratio", "check, over networkx alone", ratio, "x", 2)]


def _networkx_alone(url: str) -> int:
    """Reads IDs and predecessors, and searches the graph of each model from its newest entry."""
    with sqlite3.connect(url) as connection:
        models: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for entry_id, code, model, version in connection.execute(
            "SELECT cpl_entry_id, manufacturer_code, device_model, firmware_version FROM entry "
            "WHERE status = 'Active'"
        ):
            models.setdefault((code, model), []).append((version, entry_id))
        named: dict[str, list[str]] = {}
        for entry_id, name in connection.execute(
            "SELECT cpl_entry_id, predecessor_id FROM predecessor"
        ):
            named.setdefault(entry_id, []).append(name)
    missing = 0
    for entries_ in models.values():
        graph = nx.DiGraph()
        graph.add_nodes_from(entry_id for _, entry_id in entries_)
        graph.add_edges_from((p, e) for _, e in entries_ for p in named.get(e, ()))
        reaching = nx.single_target_shortest_path(graph, max(entries_)[1])
        missing += len({entry_id for _, entry_id in entries_} - reaching.keys())
    return missing


def bench_list(bench: Bench) -> list[Figure]:
    """`inventory list` of 1,000,000 devices into a file, beside plain SQL that prints the same."""
    ours, plain = bench.run(_list, bench.inventory), bench.run(_plain_list, bench.inventory)
    assert ours.result == plain.result
    listed = ours.took("list_s", f"list of {ours.result:,} devices, with the CPL status of the day")
    alone = plain.took("list_plain_s", "plain SQL: each row fetched and printed, no status")
    assert listed.cpu_s
    assert alone.cpu_s
    ratio = listed.cpu_s / alone.cpu_s
    return [listed, alone, Figure("list_ratio", "list, over plain SQL", ratio, "x", 3)]


def _list(url: str) -> int:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        list_command.main(["--registry", url], standalone_mode=False)
    with Registry(url) as registry, registry.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(DEVICE)).scalar_one())


def _plain_list(url: str) -> int:
    count = 0
    with sqlite3.connect(url) as connection, open(os.devnull, "w") as nowhere:
        for row in connection.execute(
            "SELECT device_id, device_type, manufacturer_code, device_model, firmware_version "
            "FROM device ORDER BY device_id"
        ):
            print(*row, file=nowhere)
            count += 1
    return count


def bench_plan(bench: Bench) -> list[Figure]:
    """Plans from the oldest to the newest entry of a model, each from the database on."""
    taken = [ms for run in bench.run(_plans, bench.registry).all for ms in run.result]
    return [
        Figure("plan_ms", "plan, median", statistics.median(taken), "ms", 20),
        Figure("plan_slowest_ms", f"plan, slowest of {len(taken)}", max(taken), "ms"),
    ]


def _plans(url: str) -> list[float]:
    taken = []
    with Registry(url) as registry:
        for model in range(1, 400):
            began = time.perf_counter()
            answer = plan_between(registry, f"CPL-{model:04d}-00")
            taken.append((time.perf_counter() - began) * 1000)
            assert isinstance(answer, Plan) or model % 50 == 0
    return taken


def bench_import(bench: Bench) -> list[Figure]:
    """Import of 100,000 new entries; and the memory that it takes, beside that for a tenth."""
    figures = []
    for form in ("csv", "xlsx"):
        runs = bench.run(_import, bench.sheet(form))
        tenth = bench.run(_import, bench.sheet(form, MODELS // 10))
        figures += [
            runs.took(f"import_{form}_s", f"import of {runs.result:,} entries, {form}", 60),
            runs.peak(f"import_{form}_mb", "memory for it"),
            tenth.peak(f"import_{form}_tenth_mb", f"memory for {tenth.result:,} entries"),
        ]
    return figures


def _import(sheet: str) -> int:
    with tempfile.TemporaryDirectory(prefix="hanboot-bench-") as folder:
        database = Database(str(Path(folder) / "registry.db"), create=True)
        with Registry(database) as registry:
            # some of the entries state no predecessors
            existing = ImportRules(existing=True)
            return intake.import_file(registry, Path(sheet), WHY, rules=existing).added


def bench_export(bench: Bench) -> list[Figure]:
    return [
        bench.run(_export, bench.registry, form).took(
            f"export_{form}_s", f"export of 100,000 entries, {form}"
        )
        for form in ("csv", "xlsx")
    ]


def _export(url: str, form: export.Format) -> int:
    with Registry(url) as registry, tempfile.TemporaryDirectory(prefix="hanboot-bench-") as folder:
        stream = (entry for own, _ in registry.by_model() for entry in own)
        return export.write_file(Path(folder) / "out", form, stream, FIELDS)


def bench_inventory(bench: Bench) -> list[Figure]:
    """The devices that need a step: by model and path; and each of them into a file."""
    listing = bench.run(_pending, bench.inventory, False)
    writing = bench.run(_pending, bench.inventory, True)
    what = f"1,000,000 devices, {listing.result:,} of which need a step: by model and path"
    return [
        listing.took("pending_s", what, 10),
        listing.peak("pending_mb", "memory for it"),
        writing.took("pending_devices_s", "the same, each device into a file", 10),
    ]


def _pending(url: str, is_written: bool) -> int:
    with Registry(url) as registry, tempfile.TemporaryDirectory(prefix="hanboot-bench-") as folder:
        held = Inventory(registry.database)
        needs = list(pending.needs(registry, held))
        if is_written:
            pending.write_devices(Path(folder) / "pending.csv", held, needs)
        return sum(need.running.devices for need in needs)


def bench_reports(bench: Bench) -> list[Figure]:
    """A day's reports: how even they come, and how long merging 100,000 takes."""
    per_minute: dict[int, int] = {}
    for number in range(DEVICES):
        minute = reports.due_second(device_id(number.to_bytes(8, "big"))) // 60
        per_minute[minute] = per_minute.get(minute, 0) + 1
    path = bench.folder / "reports.jsonl"
    path.unlink(missing_ok=True)
    with Registry(bench.inventory) as registry:
        said = [
            reports.FirmwareReport(
                d.device_id,
                "2026-01-01T00:00:00Z",
                d.model,
                d.device_type,
                d.firmware_version,
                d.image_hash,
            )
            for d in itertools.islice(Inventory(registry.database).devices(), 100_000)
        ]
    reports.append(path, said)
    # what was merged once is told apart and left alone, so there is one run
    runs = Runs(1, _merge, bench.inventory, str(path))
    most = float(max(per_minute.values()))
    return [
        Figure("reports_per_minute", "1,000,000 daily reports: most in one minute", most, ""),
        Figure("reports_mean", "the same: mean of a minute", DEVICES / 1440, ""),
        Figure("reports_mb", "octets of 100,000 reports", path.stat().st_size / 1e6, "MB"),
        runs.took("merge_s", f"merge of {runs.result:,} reports"),
    ]


def _merge(url: str, path: str) -> int:
    with Registry(url) as registry:
        return reports.merge_into(Inventory(registry.database), reports.read(Path(path))).updated


BENCHES: dict[str, Callable[[Bench], list[Figure]]] = {
    "check": bench_check,
    "check-ratio": bench_check_against_networkx,
    "list": bench_list,
    "plan": bench_plan,
    "import": bench_import,
    "export": bench_export,
    "inventory": bench_inventory,
    "reports": bench_reports,
}


# --- what is printed


def line(figure: Figure) -> str:
    """A figure for people."""
    cpu = "" if figure.cpu_s is None else f"({figure.cpu_s:.2f} of processor)"
    budget = ""
    if figure.budget is not None:
        met = "met" if figure.value <= figure.budget else "NOT MET"
        budget = f"at most {figure.budget:g} {figure.unit}: {met}"
    text = f"{figure.what:<70} {figure.value:>8.2f} {figure.unit:<3} {cpu:<22} {budget}"
    return text.rstrip()


def keep(figures: Iterable[Figure], runs: int) -> None:
    """Adds to what a run of other parts left."""
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for figure in figures:
        values = {key: value for key, value in vars(figure).items() if key != "name"}
        found[figure.name] = values | {"runs": runs}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the registry and the inventory.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(BENCHES))
    parser.add_argument("--runs", type=int, default=3, help="default: 3")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(BENCHES):
        parser.error(f"no such part: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(prefix="hanboot-bench-") as folder:
        bench = Bench(Path(folder), given.runs)
        for name in given.parts or BENCHES:
            figures = BENCHES[name](bench)
            keep(figures, given.runs)
            for figure in figures:
                print(line(figure), flush=True)


if __name__ == "__main__":
    main()
