"""Files are written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hanboot import files
from hanboot.errors import BadFile


def test_write_and_replace(tmp_path):
    file = tmp_path / "image"
    files.write(file, b"one")
    files.write(file, b"two")
    assert files.read(file) == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["image"]


def test_an_error_leaves_the_old_file(tmp_path):
    file = tmp_path / "image"
    files.write(file, b"old")
    with pytest.raises(KeyError), files.writing(file, b"new"):
        raise KeyError
    assert file.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["image"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "image")
    files.write(tmp_path / "link", b"octets")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "image").read_bytes() == b"octets"


def test_a_device_is_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    files.write(fifo, b"octets")
    assert os.read(reader, 100) == b"octets"
    os.close(reader)
    assert fifo.is_fifo()


def test_a_name_of_any_length_that_the_disk_takes(tmp_path):
    files.write(tmp_path / ("x" * 255), b"octets")


@pytest.mark.parametrize("name", ["", "nowhere/image", "file/image", "x" * 300, "\0"])
def test_places_that_cannot_be_written(tmp_path, name):
    (tmp_path / "file").touch()
    for call in (files.write, lambda file, _: files.read(file)):
        with pytest.raises(BadFile, match="cannot "):
            call(tmp_path / name, b"octets")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_read_is_bounded(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read(tmp_path / "file", 5) == b"12345"
    with pytest.raises(BadFile, match="more than 4 octets"):
        files.read(tmp_path / "file", 4)
    with pytest.raises(BadFile, match="cannot read"):
        files.read(tmp_path)


@pytest.mark.parametrize(
    ("held", "what"),
    [
        (b"-----BEGIN EC PARAMETERS-----\nx\n-----BEGIN EC PRIVATE KEY-----\n", "a private key"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "a private key"),
        (b"SQLite format 3\0" + bytes(84), "a database"),
    ],
)
def test_what_cannot_be_made_again_is_not_replaced(tmp_path: Path, held: bytes, what: str) -> None:
    file, link = tmp_path / "held", tmp_path / "link"
    file.write_bytes(held)
    link.symlink_to(file)
    for path in (file, link):
        with pytest.raises(BadFile, match=f"it holds {what}"):
            files.write(path, b"other")
        with pytest.raises(BadFile, match=f"it holds {what}"):
            files.check_writable(path)
    assert file.read_bytes() == held
