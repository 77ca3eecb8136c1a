"""What a distribution to 50,000 devices behind 50,000 hubs costs the service, on SQLite and on
PostgreSQL, and what their alerts cost it (`bench_alerts`).

    python tests/bench/bench_chain.py [DEVICES]

The service is a process of its own, which is killed (SIGKILL) in the middle and started again; the
hubs, which only take, are this one. Its clock runs through the window over which the images are
spread. Nothing here is asserted but that each hub gets its image once. Leaves
build/bench-chain.json: name -> what, value, unit.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("bench", "chain", "support")]

import bench_alerts  # noqa: E402
import dsp  # noqa: E402
from postgres_cluster import Cluster, find_programs  # noqa: E402

from hanboot.dcc import keys  # noqa: E402
from hanboot.dcc.devices import Devices  # noqa: E402
from hanboot.dcc.dispatch import TaskDispatcher  # noqa: E402
from hanboot.dcc.service import Service  # noqa: E402
from hanboot.duis import requests  # noqa: E402
from hanboot.registry.storage.database import Database  # noqa: E402
from hanboot.registry.storage.history import Attribution  # noqa: E402
from hanboot.registry.storage.store import Registry  # noqa: E402
from hanboot.trust.smki import lab  # noqa: E402
from hanboot.trust.smki.certificate import eui_text  # noqa: E402

OUT = ROOT / "build" / "bench-chain.json"
DEVICES = 50_000
_IMAGE_BYTES = 200_000
#: Over which the images are spread, and how often the service looks what is due.
_WINDOW_S = 3600
_ROUND_S = 10

Figures = dict[str, tuple[str, float, str]]


# --- the service, a process of its own


class _Hubs:
    """Hubs on the other side of stdout: each takes, and has nothing to say."""

    def __init__(self) -> None:
        self.round = 0

    def offer(self, device_id: str, image: bytes, layout: str, once: str) -> str:
        print("offer", self.round, device_id, once, flush=True)
        return dsp.COMMS_HUB

    def send(self, device_id: str, command: bytes, once: str) -> None:
        raise AssertionError("no command is sent here")

    def versions(self) -> dict[str, int]:
        return {}

    def messages(self) -> list[bytes]:
        return []


def _print(what: str, started: float, before: float) -> None:
    """Processor time since `started`, and the most memory beyond `before`, MB."""
    spent = time.process_time() - started
    print(what, spent, bench_alerts.memory_mb("VmHWM") - before, flush=True)


def serve(url: str, pki: Path, request: Path, began: float, first_round: int) -> None:
    """Answers the request, and works through the window from a round on."""
    hubs = _Hubs()

    def clock() -> datetime.datetime:
        return datetime.datetime.fromtimestamp(began + hubs.round * _ROUND_S, datetime.UTC)

    held = keys.load(pki)
    with Registry(Database(url)) as registry:
        window = datetime.timedelta(seconds=_WINDOW_S)
        service = Service(registry, held, None, clock, window)
        devices = Devices(registry.database, service, held, clock)
        dispatcher = TaskDispatcher(registry.database, devices, lambda path: hubs, clock)
        before = bench_alerts.memory_mb("VmRSS")
        started = time.process_time()
        service.answer(request.read_bytes())
        print(
            "answered",
            time.process_time() - started,
            bench_alerts.memory_mb("VmHWM") - before,
            flush=True,
        )
        for hubs.round in range(first_round, _WINDOW_S // _ROUND_S + 1):
            started = time.process_time()
            dispatcher.work()
            print(
                "round",
                time.process_time() - started,
                bench_alerts.memory_mb("VmHWM") - before,
                flush=True,
            )


# --- the hubs, and what is measured


class _Run:
    """What the service's processes have printed.

    Attributes:
        offers: names of what was handed over, by device.
        by_round: images that went out in each round.
    """

    def __init__(self, url: str, pki: Path, request: Path) -> None:
        began = time.time()
        self._arguments = [url, str(pki), str(request), str(began)]
        self.offers: dict[str, list[str]] = {}
        self.by_round: Counter[int] = Counter()
        self.answer_s = self.answer_mb = self.work_s = self.work_mb = 0.0
        self._last_round = 0

    def go(self, kill_at: int | None) -> None:
        """Runs the service to the end of the window, or until it has handed over so many."""
        command = [sys.executable, __file__, "serve", *self._arguments, str(self._last_round)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self._read(line.split(), is_first=kill_at is not None)
                if kill_at is not None and len(self.offers) >= kill_at:
                    process.kill()
                    break
            # what it had printed before the kill reached its hub
            for line in process.stdout:
                if line.endswith("\n"):
                    self._read(line.split(), is_first=kill_at is not None)

    def _read(self, words: list[str], is_first: bool) -> None:
        if words[0] == "offer":
            self._last_round = int(words[1])
            self.by_round[self._last_round] += words[2] not in self.offers
            self.offers.setdefault(words[2], []).append(words[3])
        elif words[0] == "answered" and is_first:
            self.answer_s, self.answer_mb = float(words[1]), float(words[2])
        elif words[0] == "round":
            self.work_s += float(words[1])
            # the answer's memory is the second process's too, which only looks it up
            if not is_first:
                self.work_mb = max(self.work_mb, float(words[2]))


def measure(folder: Path, url: str | None, count: int = DEVICES) -> Figures:
    """name: (what, value, unit)."""
    folder.mkdir()
    lab.new(folder / "pki")
    made = dsp.Dsp(folder, folder / "pki", url)
    devices = made.add_displays([f"/hub/{number:05d}" for number in range(count)])
    image = dsp.image_of(bytes(_IMAGE_BYTES))
    with made.registry.changing(Attribution("bench", "to measure")) as changing:
        changing.add([made.entry("E-9", "PPMID", image)])
    asked = requests.update_ppmid_firmware(made.request_id(dsp.BROKER), image, devices)
    request = folder / "request.xml"
    request.write_bytes(made.signed(asked))
    made.close()
    run = _Run(made.url, folder / "pki", request)
    run.go(kill_at=count * 2 // 5)
    assert len(run.offers) < count
    run.go(kill_at=None)
    assert run.offers.keys() == set(map(eui_text, devices))
    # a hub does a thing of one name once
    assert all(len(set(names)) == 1 for names in run.offers.values())
    mean = count / (_WINDOW_S / _ROUND_S)
    return {
        "request_bytes": ("the request", request.stat().st_size, "octets"),
        "answer_s": ("screened, written down and answered", run.answer_s, "s CPU"),
        "answer_mb": ("memory for that, beyond rest", run.answer_mb, "MB"),
        "dispatch_s": ("all images handed over, two processes", run.work_s, "s CPU"),
        "dispatch_mb": ("memory of the process after the kill, its most", run.work_mb, "MB"),
        "handed_again": (
            "handed over again after the kill",
            sum(len(names) - 1 for names in run.offers.values()),
            "",
        ),
        "hubs_mean": (f"hubs in {_ROUND_S} s, mean over an hour", mean, ""),
        "hubs_most": ("and at most", max(run.by_round.values()), ""),
        **bench_alerts.measure(folder, made, devices),
    }


@contextlib.contextmanager
def _postgresql() -> Iterator[str | None]:
    programs = find_programs()
    if programs is None:
        yield None
        return
    cluster = Cluster(programs)
    try:
        yield cluster.new_database()
    finally:
        cluster.stop()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["serve"]:
        url, pki, request, began, first_round = arguments[1:]
        serve(url, Path(pki), Path(request), float(began), int(first_round))
        return 0
    count = int(arguments[0]) if arguments else DEVICES
    found: Figures = {}
    with tempfile.TemporaryDirectory() as folder, _postgresql() as server:
        for name, url in (("sqlite", None), ("postgresql", server)):
            if name == "postgresql" and url is None:
                print("PostgreSQL is left out: it is not here; make setup-witnesses")
                continue
            for figure, value in measure(Path(folder) / name, url, count).items():
                found[f"{name}_{figure}"] = value
    OUT.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        name: {"what": what, "value": value, "unit": unit}
        for name, (what, value, unit) in found.items()
    }
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    for name, (what, value, unit) in found.items():
        print(f"{name:24} {what:46} {value:10.4g} {unit}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
