"""What is packed into an image, and applications that no device could start."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from hanboot import cli
from hanboot.boards.device_code import BOARDS
from hanboot.errors import BadFile
from hanboot.image import application, foreign, ota_file, release, romfs, sources
from hanboot.image.build import build_image
from hanboot.image.describe import describe
from hanboot.image.sign import sign
from hanboot.trust import keys

MAIN = "async def main(services):\n    pass\n"
RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 5
file_version = 0x01000000
hardware = [0x0100, 0x01FF]
[application]
sources = ["."]
entry = "app"
"""


def write(folder: Path, **files: str | bytes) -> Path:
    """A release with app.py and `files`, whose names have _ for / and __ for a dot."""
    (folder / "RELEASE.toml").write_text(RELEASE)
    for name, content in ({"app__py": MAIN} | files).items():
        path = folder / name.replace("__", ".").replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def build(folder: Path) -> ota_file.Image:
    key = keys.generate()
    return build_image(release.load(folder), key.public.kid, key.sign)


def test_packages_and_data_are_packed(tmp_path: Path) -> None:
    write(
        tmp_path,
        app__py=f"from lib import helper\n{MAIN}",
        lib_helper__py="WORD = 1\n",
        **{"lib_deep_more__py": ""},
        table__json='{"a": 1}',
    )
    (tmp_path / "lib" / "__init__.py").write_text("")
    held = dict(romfs.listing(_payload(build(tmp_path))))
    assert held["table.json"] == 8
    assert {"app.mpy", "lib/__init__.mpy", "lib/helper.mpy", "lib/deep/more.mpy"} <= held.keys()


def _payload(image: ota_file.Image) -> bytes:
    assert image.manifest is not None
    return image.manufacturer_image[image.image_bytes - image.manifest.payload_bytes :]


def test_inspect_lists_them(tmp_path: Path) -> None:
    write(tmp_path, table__json="{}")
    described = describe(build(tmp_path))
    assert [entry["path"] for entry in described["files"]] == ["app.mpy", "table.json"]
    assert described["end_is_inferred"] is False


def test_what_is_left_out_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, manufacturer__pem="secret", old__ota="x", notes__md="x", __settings__json="{}")
    assert list(sources.collect([tmp_path])) == ["app.py"]
    left_out = ("manufacturer.pem", "old.ota", "notes.md", ".settings.json")
    assert all(name in caplog.text for name in left_out)


@pytest.mark.parametrize(
    ("app", "why"),
    [
        ("X = 1\n", "has no async def main"),
        ("def main(services):\n    pass\n", "line 1: main must be async def"),
        (f"import nothing_here\n{MAIN}", "line 1 imports nothing_here"),
        (f"{MAIN}    import nothing_here\n", "line 3 imports nothing_here"),
        (f"from bootloader import policy\n{MAIN}", "line 1 imports bootloader"),
        (f"import ffi\n{MAIN}", "imports ffi"),
        (f"import numpy.linalg\n{MAIN}", "imports numpy"),
        (f"from . import other\n{MAIN}", "line 1 imports from ., which is above the top"),
        (f"from ..lib import helper\n{MAIN}", "imports from ..lib"),
        (f"import lib.nothing_here\n{MAIN}", "imports lib.nothing_here"),
        (f"from lib.nothing_here import x\n{MAIN}", "imports lib.nothing_here"),
        (f"from plain import nothing_here\n{MAIN}", "imports plain.nothing_here"),
        (f"from lib import user\n{MAIN}", None),
    ],
)
def test_an_application_that_no_device_could_start(
    tmp_path: Path, app: str, why: str | None
) -> None:
    write(tmp_path, app__py=app, plain_helper__py="", lib_helper__py="", lib_user__py="")
    (tmp_path / "lib" / "__init__.py").write_text("")
    if why is None:
        # what is imported fails, not the application itself
        (tmp_path / "lib" / "user.py").write_text("from .nothing_here import x\n")
        why = "imports lib.nothing_here"
    with pytest.raises(BadFile) as raised:
        build(tmp_path)
    assert why in raised.value.why


@pytest.mark.parametrize(
    "app",
    [
        f"import asyncio, ujson, sys\nfrom machine import Pin\n{MAIN}",
        f"try:\n    import network\nexcept ImportError:\n    network = None\n{MAIN}",
        "from other import main\n",
        "import other\nmain = other.main\n",
        f"import plain.helper, lib.helper\nfrom plain import helper\n{MAIN}",
        f"from lib import WORD, helper\nfrom lib.helper import *\n{MAIN}",
    ],
)
def test_an_application_that_can_start(tmp_path: Path, app: str) -> None:
    write(tmp_path, app__py=app, other__py=MAIN, plain_helper__py="", lib_helper__py="")
    (tmp_path / "lib" / "__init__.py").write_text("from . import helper\nfrom .helper import *\n")
    assert build(tmp_path)


@pytest.mark.parametrize("name", ["board", "asyncio", "json", "nor", "prototype", "machine"])
def test_a_module_that_would_never_be_imported(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{f"{name}__py": "LED = 25\n"})
    with pytest.raises(BadFile) as raised:
        build(tmp_path)
    assert f"has a module {name} of its own" in raised.value.why


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"app__mpy": b"M\x06"}, "app.py lies beside it"),
        ({"board__mpy": b"M\x06"}, "has a module board of its own"),
        ({"lib__py": "", "lib_helper__py": ""}, "there is a package lib, too"),
    ],
    ids=str,
)
def test_a_module_behind_another(tmp_path: Path, files: dict[str, str | bytes], why: str) -> None:
    write(tmp_path, **files)
    with pytest.raises(BadFile, match="would never be imported") as raised:
        build(tmp_path)
    assert why in raised.value.why


def test_a_file_with_the_name_of_another_folder(tmp_path: Path) -> None:
    for place in ("one/x", "two/x/data"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text("")
    with pytest.raises(BadFile, match="data cannot be packed"):
        sources.collect([tmp_path / "one", tmp_path / "two"])


def test_the_device_s_modules_are_known() -> None:
    folders = [path for path in BOARDS.iterdir() if path.name not in ("toolchain", "esp32_model")]
    names = {file.stem for folder in folders for file in folder.glob("*.py")}
    on_device = {name for name in names if not name.endswith(("build", "manifest"))}
    assert on_device <= application.DEVICE | application.PROVIDED


def test_a_pipe_and_a_link_that_leaves(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    write(folder)
    os.mkfifo(folder / "pipe.py")
    with pytest.raises(BadFile, match=r"pipe.py cannot be packed; it is neither a file"):
        build(folder)
    (folder / "pipe.py").unlink()
    (tmp_path / "secret.py").write_text("")
    (folder / "linked.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(BadFile, match="leaves the folder"):
        build(folder)


@pytest.mark.parametrize("name", ["my-module.py", "Zähler.json", "a\nb.json", "x" * 80 + ".json"])
def test_a_name_that_cannot_be(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (tmp_path / name).write_text("")
    with pytest.raises(BadFile, match="cannot be"):
        build(tmp_path)


def test_an_unsigned_image_is_no_predecessor(tmp_path: Path) -> None:
    unsigned = build_image(release.load(write(tmp_path)), bytes(8))
    with pytest.raises(BadFile, match="its hash changes when it is"):
        release.with_predecessors(release.load(tmp_path), [unsigned])


def test_a_signed_image_is_signed_again_on_request_alone(tmp_path: Path) -> None:
    private, _, _ = keys.new(tmp_path / "supplier")
    file = tmp_path / "signed.ota"
    folder = tmp_path / "release"
    folder.mkdir()
    file.write_bytes(sign(build(write(folder)), keys.load_private(private)))
    command = ["image", "sign", str(file), "--supplier-key", str(private), "-o", str(file)]
    result = CliRunner().invoke(cli.main, command)
    assert (result.exit_code, "is signed already" in result.stderr) == (1, True)
    assert CliRunner().invoke(cli.main, [*command, "--replace"]).exit_code == 0


# --- files of other tools


def header(control: int = 4, total: int = 0, extra: bytes = b"") -> bytes:
    fields = (0x0BEEF11E, 4), (0x0100, 2), (56 + len(extra), 2), (control, 2), (0x1234, 2)
    more = (5, 2), (0x01020304, 4), (2, 2)
    front = b"".join(value.to_bytes(size, "little") for value, size in (*fields, *more))
    return front + bytes(32) + total.to_bytes(4, "little") + extra


HARDWARE = bytes((0, 1, 0xFF, 1))
BODY, TRAILER = b"\xa5" * 1000, bytes((0, 0x40)) + bytes(64)
WHOLE = header(total=60 + 1000, extra=HARDWARE) + BODY


@pytest.mark.parametrize(
    ("octets", "remark"),
    [
        (b"WRAP" + bytes(12) + WHOLE, "begins at octet 16"),
        (WHOLE + bytes(24), "24 zero octets follow its end: padding"),
        (WHOLE + b"\1" * 24, "24 octets follow its end"),
        (WHOLE + TRAILER, "does not count the 66 octets of the trailer"),
        (WHOLE[:-100], "100 octets are missing"),
        (WHOLE[:30], "it ends 30 octets into the OTA Header"),
        (header(0, 56 + 1000) + BODY, "field control is 0x0000"),
        (header(7, 1069, b"\2" + bytes(8) + HARDWARE) + BODY, "field control is 0x0007"),
        (
            header(total=60 + 6 + 1000, extra=HARDWARE) + b"\0\0\xe8\3\0\0" + BODY,
            "sub-element 'upgrade image' of 1000 octets",
        ),
        (WHOLE.hex().encode(), "the file is hex text"),
        (b"\xef\xbb\xbf" + WHOLE.hex(" ").upper().encode(), "the file is hex text"),
        (base64.encodebytes(WHOLE), "the file is base64 text"),
        (base64.urlsafe_b64encode(WHOLE).rstrip(b"="), "the file is base64 text"),
        (gzip.compress(WHOLE, mtime=0), "begins as a gzip archive does: unpack it first"),
        (b"nothing", "is nowhere in it"),
        (b"", "is nowhere in it"),
    ],
)
def test_what_can_be_read_is_shown(octets: bytes, remark: str, tmp_path: Path) -> None:
    reading = foreign.read(octets)
    assert any(remark in line for line in reading.remarks), reading.remarks
    file = tmp_path / "f.ota"
    file.write_bytes(octets)
    shown = CliRunner().invoke(cli.main, ["image", "inspect", str(file)])
    as_json = CliRunner().invoke(cli.main, ["image", "inspect", str(file), "--json"])
    assert shown.exit_code == as_json.exit_code
    assert remark in shown.stdout + shown.stderr
    document = json.loads(as_json.stdout)
    if shown.exit_code:
        assert document["error"]["exit_code"] == 5
        assert all(part["inferred"] for part in document["reading"]["parts"])
    else:
        assert document["end_is_inferred"] is True
