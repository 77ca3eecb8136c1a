"""RELEASE.toml, and the image that comes of it."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import APPLICATION, FIRST_RELEASE, RELEASE, make_release

from hanboot.errors import BadFile
from hanboot.image import ota_file, release, romfs, sources, verify
from hanboot.image.build import build_image
from hanboot.image.release import Predecessor

# --- good ones


def test_load(release_file):
    described = release.load(release_file)
    assert described == release.load(release_file.parent)
    assert described.file_version == 0x01010000
    assert described.hardware == (0x0100, 0x01FF)
    assert described.predecessors == (Predecessor(0x01000000, None, "TEST-0001"),)
    assert described.sources == (release_file.parent / ".", release_file.parent / "common")


def test_what_may_be_left_out(tmp_path):
    described = release.load(make_release(tmp_path, FIRST_RELEASE))
    assert described.predecessors == ()
    assert described.minimum_base_version == 0
    assert described.security_counter == 0
    assert described.point_of_no_return is False
    assert described.label is None
    assert described.header_string == ""


def test_built_image(release_file, pairs):
    key = pairs.manufacturer
    built, again = (
        build_image(release.load(release_file), key.public.kid, key.sign) for _ in range(2)
    )
    if key.sign(b"") == key.sign(b""):
        assert built.octets == again.octets
    found = built.manifest
    assert (found.label, found.cpl_entry_id) == ("1.1.0", "TEST-0002")
    assert found.release_notes == "https://example.com/1.1.0"
    assert found.feature_version == "3.1 (meals)"
    assert (found.security_counter, found.point_of_no_return) == (1, True)
    assert found.predecessors == ((0x01000000, None, "TEST-0001"),)
    verify.verify(built, key.public, None)


def test_payload_is_the_same_wherever_it_is_built(tmp_path, pairs):
    folders = [make_release(tmp_path / name).parent for name in ("here", "elsewhere")]
    one, other = (romfs.build(sources.collect([folder, folder / "common"])) for folder in folders)
    assert one == other
    assert one[:3] == b"\xd2\xcd\x31"  # ROMFS
    assert b"app.mpy" in one
    assert b"units.mpy" in one
    assert str(tmp_path).encode() not in one


def test_first_source_wins(tmp_path):
    file = make_release(tmp_path)
    before = romfs.build(sources.collect(release.load(file).sources))
    (tmp_path / "units.py").write_text("PENCE = 240\n")
    modules = sources.collect(release.load(file).sources)
    assert modules["units.py"] == tmp_path / "units.py"
    assert romfs.build(sources.collect(release.load(file).sources)) != before


def escaped(text: str) -> str:
    return "".join(f"\\U{ord(character):08X}" for character in text)


texts = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(*[st.integers(0, 0xFFFF)] * 4),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(min_size=32, max_size=32), texts)),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
    st.tuples(texts, texts, texts),
)
def test_release_to_image_and_back(
    tmp_path, pairs, numbers, version, predecessors, counter, no_return, words
):
    low, high = sorted(numbers[2:])
    unique = {(v, h): e for v, h, e in predecessors[:8]}
    lines = [
        "[image]",
        f"manufacturer_code = {numbers[0]}",
        f"image_type = 0x{numbers[1]:X}",
        f"file_version = {version}",
        f"hardware = [{low}, {high}]",
        f"security_counter = {counter}",
        f"point_of_no_return = {str(no_return).lower()}",
    ]
    for name, word in zip(("label", "cpl_entry_id", "release_notes"), words, strict=True):
        if word is not None:
            lines.append(f'{name} = "{escaped(word)}"')
    lines += ["[application]", 'sources = ["."]', 'entry = "app"']
    for (v, digest), entry in unique.items():
        lines += ["[[predecessors]]", f"file_version = {v}", f'hash = "{digest.hex()}"']
        if entry is not None:
            lines.append(f'cpl_entry_id = "{escaped(entry)}"')
    described = release.load(make_release(tmp_path, "\n".join(lines)))
    key = pairs.manufacturer
    built = ota_file.load(build_image(described, key.public.kid, key.sign).octets)
    found = built.manifest
    assert (found.manufacturer_code, found.image_type) == numbers[:2]
    assert (found.file_version, found.hardware) == (version, (low, high))
    assert (found.security_counter, found.point_of_no_return) == (counter, no_return)
    assert (found.label, found.cpl_entry_id, found.release_notes) == words
    assert found.predecessors == tuple((v, h, e) for (v, h), e in unique.items())
    payload = built.manufacturer_image[-found.payload_bytes :]
    assert found.payload_hash == hashlib.sha256(payload).digest()


# --- predecessors from images


def test_hash_goes_to_the_entry_of_its_version(release_file, first):
    described = release.with_predecessors(release.load(release_file), [first])
    assert described.predecessors == (Predecessor(0x01000000, first.image_hash, "TEST-0001"),)
    # once more changes nothing
    assert release.with_predecessors(described, [first]) == described


def test_image_without_an_entry_gets_one(release_file, first, built):
    described = release.with_predecessors(release.load(release_file), [first, built])
    assert described.predecessors[1:] == (Predecessor(0x01010000, built.image_hash, "TEST-0002"),)


def test_equal_versions_with_different_hashes(release_file, first, pairs):
    other = build_image(
        release.load(make_release(release_file.parent / "other", FIRST_RELEASE)),
        pairs.stranger.public.kid,
        pairs.stranger.sign,
    )
    described = release.with_predecessors(release.load(release_file), [first, other])
    assert [p.image_hash for p in described.predecessors] == [first.image_hash, other.image_hash]


def test_predecessor_of_another_model(release_file, first):
    described = dataclasses.replace(release.load(release_file), image_type=6)
    with pytest.raises(BadFile, match="image type 0x0005"):
        release.with_predecessors(described, [first])


# --- bad ones


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[image]", "[imago]", "image is missing"),
        ("image_type = 0x0005\n", "", "image.image_type is missing"),
        ("image_type = 0x0005", 'image_type = "5"', "image.image_type must be a whole number"),
        ("image_type = 0x0005", "image_type = true", "not true"),
        ("image_type = 0x0005", "image_type = 0x10000", "from 0 to 0xFFFF, not 0x10000"),
        ("image_type = 0x0005", "image_type = -1", "not -1"),
        ("image_type = 0x0005", "image_type = 5.0", "not 5.0"),
        ("image_type", "imagetype", "did you mean|image.image_type is missing"),
        ("= 0x01010000", "= 0x101010000", "image.file_version must be .* 0xFFFFFFFF"),
        ("[0x0100, 0x01FF]", "[0x0100]", "image.hardware must be a list of 2 numbers"),
        ("[0x0100, 0x01FF]", "0x0100", "image.hardware must be a list of 2 numbers"),
        ("[0x0100, 0x01FF]", "[0x0100, 65536]", r"image.hardware\[1\] must be a whole number"),
        ("[0x0100, 0x01FF]", "[2, 1]", r"image.hardware must be \[minimum, maximum\]"),
        ('"a test\'s image"', f'"{"x" * 33}"', "image.header_string must be at most 32"),
        ('"a test\'s image"', '"für"', "image.header_string must be at most 32 ASCII"),
        ('label = "1.1.0"', f'label = "{"x" * 257}"', "image.label must be text of at most 256"),
        ('label = "1.1.0"', f'label = "{"ü" * 129}"', "image.label must be text of at most 256"),
        ('label = "1.1.0"', 'label = ""', "image.label must be text"),
        ("= true", '= "yes"', "image.point_of_no_return must be true or false"),
        ("security_counter", "colour", "image.colour is not a known key"),
        ("[application]", "[other]\n[application]", "other is not a known key"),
        ('sources = [".", "common"]', "sources = []", "application.sources must be a list"),
        ('sources = [".", "common"]', 'sources = "."', "application.sources must be a list"),
        ('"common"', '"nowhere"', "there is no such folder"),
        ('sources = [".", "common"]', 'sources = ["common"]', "application.entry names app.py"),
        ('entry = "app"', 'entry = "main"', 'application.entry must be "app"'),
        ('entry = "app"', "", "application.entry is missing"),
        ("[[predecessors]]", "[predecessors]", r"predecessors must be tables"),
        ('"TEST-0001"', '""', r"predecessors\[0\].cpl_entry_id must be text"),
        ('"TEST-0001"', f'"{"x" * 257}"', "predecessors must be a list"),
        ('cpl_entry_id = "TEST-0001"', 'hash = "00"', r"predecessors\[0\].hash must be text of 64"),
        ('cpl_entry_id = "TEST-0001"', "hash = 0", r"predecessors\[0\].hash must be text of 64"),
        ('cpl_entry_id = "TEST-0001"', "version = 0", r"predecessors\[0\].version is not a known"),
        ("= 0x01000000\nsecurity", "= 0x01000001\nsecurity", "nothing can ever take it"),
        ("[image]", "[image", "at line 2, column"),
    ],
)
def test_bad_release(tmp_path, old, new, why):
    assert old in RELEASE
    with pytest.raises(BadFile, match=why) as raised:
        release.load(make_release(tmp_path, RELEASE.replace(old, new, 1)))
    assert "RELEASE.toml" in raised.value.what or "nowhere" in raised.value.what
    assert all(line and "\n" not in line for line in raised.value.lines)


def test_first_release_with_a_minimum_base(tmp_path):
    text = FIRST_RELEASE.replace("cpl_entry_id", "minimum_base_version = 1\ncpl_entry_id")
    with pytest.raises(BadFile, match="no predecessors are named"):
        release.load(make_release(tmp_path, text))


def test_predecessor_named_twice(tmp_path):
    entry = "\n[[predecessors]]\nfile_version = 0x01000000\n"
    with pytest.raises(BadFile, match=r"names 01000000 \(1.0.0.0\) twice"):
        release.load(make_release(tmp_path, RELEASE + entry))


def test_predecessor_that_would_be_refused(tmp_path, caplog):
    entry = "\n[[predecessors]]\nfile_version = 0x00FF0000\n"
    with caplog.at_level(logging.WARNING):
        release.load(make_release(tmp_path, RELEASE + entry))
    assert "00FF0000 (0.255.0.0) is below image.minimum_base_version" in caplog.text


@pytest.mark.parametrize("octets", [b"\xff\xfe", b"\0" * 100, b"[" * 100_000, b"x" * 300_000])
def test_no_toml(tmp_path, octets):
    (tmp_path / "RELEASE.toml").write_bytes(octets)
    with pytest.raises(BadFile):
        release.load(tmp_path)


def test_too_many_predecessors(tmp_path, pairs):
    entries = "".join(
        f'\n[[predecessors]]\nfile_version = 0x0100{n:04X}\nhash = "{n:064x}"\n' for n in range(60)
    )
    described = release.load(make_release(tmp_path, RELEASE + entries))
    with pytest.raises(BadFile, match=r"2048.*name fewer predecessors"):
        build_image(described, bytes(8))


def test_application_that_does_not_compile(tmp_path):
    file = make_release(tmp_path)
    (tmp_path / "app.py").write_text(APPLICATION + "\nif True\n    pass\n")
    with pytest.raises(BadFile, match=r"line 5: SyntaxError: invalid syntax") as raised:
        build_image(release.load(file), bytes(8))
    assert raised.value.what == f"{tmp_path / 'app.py'} does not compile"


def test_module_with_an_impossible_name(tmp_path):
    file = make_release(tmp_path)
    (tmp_path / "my-module.py").write_text("")
    with pytest.raises(BadFile, match="no identifier"):
        release.load(file)


def test_releases_of_the_project_build():
    root = Path(__file__).parent.parent.parent / "firmware"
    files = sorted(root.rglob("RELEASE.toml"))
    assert len(files) >= 6
    for file in files:
        build_image(release.load(file), bytes(8))
