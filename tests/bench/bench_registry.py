"""How fast the register and the inventory are, on data made here.

    python tests/bench/bench_registry.py            everything, some minutes
    python tests/bench/bench_registry.py check plan only these

Each function makes what it needs (once), measures, and gives a row: what, figure, budget, unit.
Nothing here is asserted.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hanboot.cli.registry_options import collect_rarely
from hanboot.inventory import pending, reports
from hanboot.inventory.devices import Inventory, device_id
from hanboot.registry import export, intake
from hanboot.registry.check import check_register
from hanboot.registry.database import Database
from hanboot.registry.entry import Entry
from hanboot.registry.fields import FIELDS
from hanboot.registry.history import Why
from hanboot.registry.plan import Plan, plan_between
from hanboot.registry.schema import DEVICE
from hanboot.registry.store import Register

MODELS, PER_MODEL = 5000, 20
DEVICES = 1_000_000
WHY = Why("bench", "to measure")


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        budget: None where there is none.
        cpu: processor time, where `value` is a time; on a machine that does other things too,
            the difference is their share.
    """

    what: str
    value: float
    unit: str
    budget: float | None = None
    cpu: float | None = None


class Watch:
    """Measures its body. wall, cpu: seconds."""

    wall = cpu = 0.0

    def __enter__(self) -> Watch:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._began[0]
        self.cpu = time.process_time() - self._began[1]

    def figure(self, what: str, budget: float | None = None) -> Figure:
        return Figure(what, self.wall, "s", budget, self.cpu)


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
    )


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="hanboot-bench-")


def _path(name: str) -> Path:
    return Path(_folder().name) / name


@functools.cache
def register() -> Register:
    """100,000 entries in 5,000 models."""
    made = Register(Database(str(_path("registry.db")), create=True))
    with made.changing(WHY) as writer:
        for batch in _batches(entries(), 1000):
            writer.add(batch)
    return made


@functools.cache
def inventory() -> Inventory:
    """1,000,000 devices, spread over all firmwares, the newer ones more often."""
    random_ = random.Random(82)
    firmwares = [(e.device_model, e.firmware_version, e.image_hash) for e in entries()]
    held = Inventory(register().database)
    with held.database.writing() as connection:
        for batch in _batches(range(DEVICES), 10_000):
            connection.execute(sa.insert(DEVICE), [_device(n, firmwares, random_) for n in batch])
    return held


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


# --- figures


def bench_check() -> list[Figure]:
    """The full check, from the database on."""
    held = register()
    with Watch() as watch:
        findings = sum(1 for _ in check_register(held))
    return [watch.figure(f"check of 100,000 entries ({findings} findings)", 5)]


def bench_plan() -> list[Figure]:
    """Plans from the oldest to the newest entry of a model, each from the database on."""
    held = register()
    taken = []
    with Watch() as watch:
        for model in range(1, 400):
            began = time.perf_counter()
            answer = plan_between(held, f"CPL-{model:04d}-00")
            taken.append((time.perf_counter() - began) * 1000)
            assert isinstance(answer, Plan) or model % 50 == 0
    mean = watch.cpu / len(taken) * 1000
    return [
        Figure("plan, median", statistics.median(taken), "ms", 20, mean),
        Figure("plan, slowest of 399", max(taken), "ms", 20),
    ]


def bench_import() -> list[Figure]:
    """Import of 100,000 new entries; and the memory that it takes, beside that for a tenth."""
    figures = []
    for form in ("csv", "xlsx"):
        path = _path(f"all.{form}")
        export.write_file(path, form, entries(), FIELDS)
        figures.append(_import(path).figure(f"import of 100,000 entries, {form}", 60))
    for models in (MODELS // 10, MODELS):
        path = _path(f"{models}.csv")
        export.write_file(path, "csv", entries(models), FIELDS)
        tracemalloc.start()
        _import(path)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        figures.append(Figure(f"memory, import of {models * PER_MODEL:,} entries", peak, "MB"))
    return figures


def _import(path: Path) -> Watch:
    database = _path(f"import-{path.name}.db")
    database.unlink(missing_ok=True)
    with Register(Database(str(database), create=True)) as held, Watch() as watch:
        intake.import_file(held, path, WHY)
    return watch


def bench_export() -> list[Figure]:
    held = register()
    figures = []
    for form in ("csv", "xlsx"):
        stream = (entry for own, _ in held.by_model() for entry in own)
        with Watch() as watch:
            export.write_file(_path(f"out.{form}"), form, stream, FIELDS)
        figures.append(watch.figure(f"export of 100,000 entries, {form}"))
    return figures


def bench_inventory() -> list[Figure]:
    """The devices that need a step: by model and path; and each of them into a file."""
    held = inventory()
    with Watch() as listing:
        needs = list(pending.needs(register(), held))
    with Watch() as writing:
        pending.write_devices(_path("pending.csv"), held, pending.needs(register(), held))
    devices = sum(need.running.devices for need in needs)
    return [
        listing.figure(f"1,000,000 devices, {devices:,} of which need a step: by model", 10),
        writing.figure("the same, each device into a file", 10),
    ]


def bench_reports() -> list[Figure]:
    """A day's reports: how even they come, and how long merging 100,000 takes."""
    per_minute: dict[int, int] = {}
    for number in range(DEVICES):
        minute = reports.due_second(device_id(number.to_bytes(8, "big"))) // 60
        per_minute[minute] = per_minute.get(minute, 0) + 1
    held = inventory()
    said = [
        reports.Report(
            d.device_id,
            "2026-01-01T00:00:00Z",
            d.model,
            d.device_type,
            d.firmware_version,
            d.image_hash,
        )
        for d in itertools.islice(held.devices(), 100_000)
    ]
    path = _path("reports.jsonl")
    path.unlink(missing_ok=True)
    reports.append(path, said)
    with Watch() as watch:
        merged = reports.merge_into(held, reports.read(path))
    return [
        Figure("1,000,000 daily reports: most in one minute", max(per_minute.values()), ""),
        Figure("the same: mean of a minute", DEVICES / 1440, ""),
        Figure("octets for 100,000 reports, merged", path.stat().st_size / 1e6, "MB"),
        watch.figure(f"merge of {merged.updated:,} reports"),
    ]


BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "check": bench_check,
    "plan": bench_plan,
    "import": bench_import,
    "export": bench_export,
    "inventory": bench_inventory,
    "reports": bench_reports,
}


def table(figures: Iterable[Figure]) -> str:
    """The figures, for people."""
    lines = []
    for figure in figures:
        cpu = "" if figure.cpu is None else f"({figure.cpu:.2f} of processor)"
        budget = "" if figure.budget is None else f"at most {figure.budget:g} {figure.unit}"
        line = f"{figure.what:<62} {figure.value:>8.2f} {figure.unit:<3} {cpu:<22} {budget}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def main(names: list[str]) -> None:
    collect_rarely()  # as the commands do
    for name in names or BENCHES:
        print(table(BENCHES[name]()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
