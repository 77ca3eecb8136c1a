"""Programs and packages of others, that give a test a second opinion.

Where they are missing a test is skipped, but not in CI: there it fails, as it must bring them.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
#: Where `make setup-witnesses` puts npm packages.
NODE_MODULES = ROOT / ".toolchain" / "witnesses" / "node_modules"


def missing(what: str) -> None:
    """Skips the test, or fails it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing; run: make setup-witnesses")


def package(name: str) -> ModuleType:
    """A Python package, imported."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"the Python package {name}")
        raise


def node(script: Path, given: Any = None) -> Any:
    """What a script for Node writes as JSON, given JSON."""
    program = shutil.which("node")
    if program is None or not NODE_MODULES.exists():
        missing("node with its packages")
    assert program
    done = subprocess.run(
        [program, script],
        input=json.dumps(given),
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
