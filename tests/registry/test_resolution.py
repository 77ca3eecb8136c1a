"""Predecessors in RELEASE.toml by CPL Entry ID: taken from the registry, or refused."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from registries import KEY, entry, fill

from hanboot.errors import BadFile
from hanboot.image import ota_file, release
from hanboot.registry.entry import Entry
from hanboot.registry.pathways import resolution
from hanboot.registry.storage.store import Registry

OLD = entry(0x01000000, cpl_entry_id="OLD")
#: What a RELEASE.toml needs beside its predecessors.
HEAD = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = 0x02000000
hardware = [0x0100, 0x01FF]
cpl_entry_id = "NEW"

[application]
sources = ["."]
entry = "app"
"""


@pytest.fixture
def build(tmp_path: Path, registry: Registry) -> Callable[..., release.Release]:
    """Loads a release with these predecessors, over a registry with these entries."""

    def load(predecessors: str, *entries: Entry, day: datetime.date | None = None) -> Any:
        fill(registry, entries)
        (tmp_path / "app.py").write_text("async def main(services):\n    pass\n")
        file = tmp_path / "RELEASE.toml"
        file.write_text(HEAD + predecessors)
        return release.load(
            file, lambda described, named: resolution.resolve(registry, described, named, day)
        )

    return load


def named(entry_id: str, *more: str) -> str:
    return "\n".join(["[[predecessors]]", f'cpl_entry_id = "{entry_id}"', *more, ""])


def resolved(built: release.Release) -> list[tuple[int, bytes | None, str | None]]:
    return [(p.file_version, p.image_hash, p.cpl_entry_id) for p in built.predecessors]


def test_an_id_alone(build: Callable[..., release.Release]) -> None:
    found = resolved(build(named("OLD"), OLD))
    assert found == [(0x01000000, OLD.image_hash, "OLD")]


def test_a_version_beside_the_id_gets_its_hash(build: Callable[..., release.Release]) -> None:
    found = resolved(build(named("OLD", "file_version = 0x01000000"), OLD))
    assert found == [(0x01000000, OLD.image_hash, "OLD")]


def test_without_an_id_the_file_alone_counts(build: Callable[..., release.Release]) -> None:
    found = resolved(build("[[predecessors]]\nfile_version = 0x01000000\n" + named("OLD"), OLD))
    assert found == [(0x01000000, None, None), (0x01000000, OLD.image_hash, "OLD")]


def test_one_firmware_listed_for_two_models_is_one_predecessor(
    build: Callable[..., release.Release],
) -> None:
    again = entry(
        0x01000000, cpl_entry_id="OLD-B", device_model=0x0005_0101, image_hash=OLD.image_hash
    )
    found = resolved(build(named("OLD") + named("OLD-B"), OLD, again))
    assert found == [(0x01000000, OLD.image_hash, "OLD")]


def test_a_withdrawn_one_only_if_it_is_meant(build: Callable[..., release.Release]) -> None:
    gone = entry(0x01000000, cpl_entry_id="OLD", status="Withdrawn")
    with pytest.raises(BadFile, match="it is Withdrawn"):
        build(named("OLD"), gone)
    assert resolved(build(named("OLD", "withdrawn = true"))) == [
        (0x01000000, gone.image_hash, "OLD")
    ]


def test_one_that_is_yet_to_be_listed(build: Callable[..., release.Release]) -> None:
    soon = entry(0x01000000, cpl_entry_id="OLD", listed_on=datetime.date(2030, 1, 1))
    assert build(named("OLD"), soon, day=datetime.date(2026, 1, 1)).predecessors


@pytest.mark.parametrize(
    ("predecessors", "old", "why"),
    [
        (named("OTHER"), OLD, "does not hold it"),
        (named("NEW"), entry(1, cpl_entry_id="NEW"), "it is the release itself"),
        (
            named("OLD"),
            entry(1, cpl_entry_id="OLD", device_model=0x0006_0100),
            "another model: manufacturer code 0xFFF0, image type 0x0006",
        ),
        (
            named("OLD"),
            entry(1, cpl_entry_id="OLD", manufacturer_code=0xFFF1),
            "another model: manufacturer code 0xFFF1, image type 0x0005",
        ),
        (
            named("OLD"),
            entry(1, cpl_entry_id="OLD", device_model=0x0005_0200),
            r"it is for hardware 0x0200 \(2.0\), the release for 0x0100",
        ),
        (named("OLD", "file_version = 0x01000001"), OLD, "gives it 01000001 .*, the registry 0100"),
        (named("OLD", f'hash = "{"00" * 32}"'), OLD, "another hash"),
        (
            named("OLD"),
            entry(1, cpl_entry_id="OLD", expires_on=datetime.date(2020, 1, 1)),
            "it is Expired",
        ),
    ],
)
def test_refused(
    build: Callable[..., release.Release], predecessors: str, old: Entry, why: str
) -> None:
    with pytest.raises(BadFile, match=why) as refused:
        build(predecessors, old)
    assert "RELEASE.toml" in refused.value.what


# --- the command


@pytest.fixture
def built(
    run: Callable[..., Result], tmp_path: Path, registry: Registry
) -> Callable[..., tuple[Result, Path]]:
    """`hanboot image build` of a release that names OLD by its ID alone."""
    key = tmp_path / "key.pem"
    key.write_bytes(KEY.pem())
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "app.py").write_text("async def main(services):\n    pass\n")

    def invoke(*options: str, predecessors: str = named("OLD")) -> tuple[Result, Path]:
        (folder / "RELEASE.toml").write_text(HEAD + predecessors)
        output = tmp_path / "new.ota"
        return run(
            "image", "build", folder, "--manufacturer-key", key, "-o", output, *options
        ), output

    return invoke


def test_image_build_takes_it_from_the_register_of_the_folder(
    built: Callable[..., tuple[Result, Path]], registry: Registry
) -> None:
    fill(registry, [OLD])
    result, output = built()
    assert result.exit_code == 0, result.output
    manifest = ota_file.load(output).manifest
    assert manifest is not None
    assert list(manifest.predecessors) == [(0x01000000, OLD.image_hash, "OLD")]


def test_image_build_without_a_registry(
    built: Callable[..., tuple[Result, Path]], registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "registry.db").unlink()
    result, output = built()
    assert result.exit_code == 5
    assert "there is no registry registry.db" in result.stderr
    assert not output.exists()


def test_image_build_compares_with_a_register_that_is_named(
    built: Callable[..., tuple[Result, Path]], registry: Registry, tmp_path: Path
) -> None:
    """Without --registry what RELEASE.toml states counts as it stands."""
    fill(registry, [OLD])
    stated = named("OLD", "file_version = 0x01000009")
    result, _ = built(predecessors=stated)
    assert result.exit_code == 0, result.output
    (tmp_path / "hanboot.toml").write_text('registry = "registry.db"\n')
    for options in (("--registry", "registry.db"), ()):
        result, _ = built(*options, predecessors=stated)
        assert result.exit_code == 5
        assert "RELEASE.toml gives it 01000009" in result.stderr
