"""Registries that these tests share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from device_fixtures import firmware, ppmid, states  # noqa: F401
from registries import WHY, WORKED

from hanboot import cli
from hanboot.registry.exchange.intake import import_file
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry

COMMANDS = {
    "registry": "hanboot.cli.registry:registry",
    "inventory": "hanboot.cli.inventory:inventory",
    "distribute": "hanboot.cli.distribute:distribute",
}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry."""
    with Registry(Database(str(tmp_path / "registry.db"), create=True)) as made:
        yield made


@pytest.fixture
def worked(registry: Registry) -> Registry:
    """The worked registry of docs/."""
    import_file(registry, WORKED, WHY, rules=ImportRules(existing=True))
    return registry


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `hanboot` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANBOOT_AUTHOR", "a test")
    for name in ("PORT", "REGISTRY"):
        monkeypatch.delenv(f"HANBOOT_{name}", raising=False)
    for name, place in COMMANDS.items():
        monkeypatch.setitem(cli.COMMANDS, name, place)

    def invoke(*arguments: object, input: str | None = None) -> Result:
        return CliRunner().invoke(cli.main, [str(a) for a in arguments], input=input)

    return invoke


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., Any]:
    """The document that a command prints with --json."""

    def invoke(*arguments: object, code: int = 0) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return invoke
