"""What every test stands on: the device's modules, the virtual flash, the device tests' helpers."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from postgres_cluster import Cluster

    from hanboot.demo.bench import KeyPairs

ROOT = Path(__file__).parent.parent

# as the MicroPython that runs tests/device finds them (host/test_on_micropython.py)
for folder in (
    "tests/device",
    *("boards/virtual", "boards/stock", "boards/common", "boards/esp32_model"),
):
    sys.path.append(str(ROOT / folder))
# what tests of several folders share
for folder in ("support", "bench", "registry"):
    sys.path.append(str(ROOT / "tests" / folder))

# found in the folder above
from hang_limit import hang_limit  # noqa: E402

# The same examples in every run, on any machine; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


#: Far more than the longest test takes, with what it is set up by.
HANG_S = 3600.0
LONG_HANG_S = 4 * HANG_S


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """No test hangs for ever, nor what it is set up and cleared away by."""
    with hang_limit(LONG_HANG_S if item.get_closest_marker("long") else HANG_S):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of long tests first: at the end there are short ones to share out among processes."""
    are_long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name != "rp2040", item.path not in are_long))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Octets named by how many they are: every process must collect the same names.

    What a compressor or a signature makes is another in each process, and unreadable in a name.
    """
    return f"{len(val)}-octets" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def pairs() -> KeyPairs:
    """Key pairs of a manufacturer, a supplier and a stranger."""
    # imported late: most tests need none
    from hanboot.demo.bench import KeyPairs

    return KeyPairs.generate()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed and logged goes from process to process as UTF-8: a lone surrogate in it
    would end the whole run."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; a missing one is a skip, or in CI a failure."""
    # imported late: most tests need no server
    import witness
    from postgres_cluster import Cluster, find_programs

    programs = find_programs()
    if programs is None:
        witness.missing("PostgreSQL")
    assert programs
    made = Cluster(programs)
    yield made
    made.stop()
