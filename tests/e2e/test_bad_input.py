"""What people give by mistake: ports, files, folders and devices of another kind. One clear error
each, the right exit code, no traceback, and soon enough.
"""

import json
import os
from pathlib import Path

import pytest
from command_line import Ran, assert_error, hanboot, run
from rig import Bench, ReleaseImages, States, wait_for

from hanboot.boards.virtual import VirtualBoard
from hanboot.device.client import Device
from hanboot.errors import BadFile, NoDevice

# --- ports


@pytest.mark.parametrize(
    "port",
    [
        "/dev/does-not-exist",
        "virtual:nowhere",
        "virtual:",
        "socket://127.0.0.1:1",
        "/",
        "",
        "socket://",
        __file__,
        "/dev/null",
    ],
)
def test_no_port(port: str) -> None:
    assert_error(hanboot("status", "--port", port), 3)


def test_a_pipe_in_the_place_of_hanboot_toml(tmp_path: Path, monkeypatch) -> None:
    """Whatever lies in the folder, no command waits for it."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "hanboot.toml")
    assert_error(hanboot("status"), 5, "hanboot.toml cannot be used", "not a regular file")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///file:made.db?mode=rwc&uri=true",
        "postgresql://host/db?sslkey=/home/me/key",
        "mysql://host/db",
        "access+pyodbc:///x",
    ],
)
def test_a_registry_of_the_folder_opens_no_other_file(
    url: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hanboot.toml").write_text(f'registry = "{url}"\n')
    assert_error(hanboot("registry", "show"), 5, "without options")
    assert [file.name for file in tmp_path.iterdir()] == ["hanboot.toml"]


@pytest.mark.parametrize("scheme", ["spy", "alt", "loop", "hwgrep", "cp2110", "nonsense"])
def test_a_scheme_that_is_not_allowed(scheme: str, tmp_path: Path) -> None:
    """pyserial's spy:// writes to any file: a hanboot.toml that was left there must not use it."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    port = f"{scheme}:///dev/null?file={victim}"
    assert_error(hanboot("status", "--port", port), 2, f"{scheme}://", "not allowed")
    (tmp_path / "hanboot.toml").write_text(f'port = "{port}"\n', encoding="utf-8-sig")
    assert_error(hanboot("status"), 2, "not allowed")
    assert victim.read_text() == "precious"


def test_a_board_that_was_stopped(states: States) -> None:
    state = states.installed("ppmid/1.0.0")
    with Bench(state) as bench:
        # as a supervisor leaves it that was killed
        port = (state / "port").read_text()
    (state / "port").write_text(port)
    assert_error(hanboot("status", "--port", bench.port), 3, "board run virtual")


def test_a_port_in_use(ppmid: Bench) -> None:
    with Device(ppmid.port):
        for port in (ppmid.port, ppmid.board.port):
            assert_error(hanboot("status", "--port", port), 3, "in use", "close")
    assert hanboot("status", "--port", ppmid.port).code == 0


# --- files


@pytest.fixture
def bad_files(tmp_path: Path) -> dict[str, Path]:
    contents = {
        "empty": b"",
        "short": b"\x1e\xf1\xee\x0b",
        "random": bytes(range(256)) * 40,
        "text": b"[image]\n",
    }
    made = {}
    for name, octets in contents.items():
        made[name] = tmp_path / name
        made[name].write_bytes(octets)
    made["missing"] = tmp_path / "missing"
    made["folder"] = tmp_path
    return made


@pytest.mark.parametrize("name", ["empty", "random", "text", "missing", "folder"])
@pytest.mark.parametrize("command", ["upload", "upgrade"])
def test_no_image_file(ppmid: Bench, bad_files: dict[str, Path], command: str, name: str) -> None:
    ran = hanboot(command, bad_files[name], "--port", ppmid.port)
    assert_error(ran, 5, bad_files[name].name)


def test_a_path_is_read_before_it_is_taken(
    ppmid: Bench, firmware: ReleaseImages, bad_files: dict[str, Path]
) -> None:
    (good,) = firmware.files("ppmid/1.1.0")
    ran = hanboot("upgrade", good, bad_files["random"], "--port", ppmid.port)
    assert_error(ran, 5)
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))


@pytest.mark.parametrize("name", ["empty", "random", "text", "missing", "folder"])
def test_no_key_file(blank: Bench, bad_files: dict[str, Path], name: str) -> None:
    ran = hanboot(
        *("board", "provision", "--manufacturer-public-key", bad_files[name], "--port", blank.port)
    )
    assert_error(ran, 5)
    assert not blank.identity().provisioned


@pytest.mark.parametrize(
    "content",
    [b"port = ", b"\xff\xfe\x00", b"port = 7\n", b"[port]\n", b'prot = "/dev/ttyACM0"\n'],
)
def test_settings_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hanboot.toml").write_bytes(content)
    assert_error(hanboot("status"), 5, "hanboot.toml")


def test_a_release_that_cannot_be_read(tmp_path: Path) -> None:
    hanboot("keys", "new", "key")
    file = tmp_path / "RELEASE.toml"
    for content in (b"[image", b"\xff\xfe", b"", b"[image]\nfile_version = -1\n"):
        file.write_bytes(content)
        ran = hanboot("image", "build", file, "-o", "x.ota", "--manufacturer-key", "key.pem")
        assert_error(ran, 5, "RELEASE.toml")
    assert not (tmp_path / "x.ota").exists()


# --- state folders


def start(state: Path, *options: str) -> Ran:
    """A supervisor that must not start."""
    return run("board", "run", "virtual", "--state", state, *options)


def test_a_second_supervisor(ppmid: Bench) -> None:
    assert_error(start(ppmid.board.state), 3, "in use", "--state")
    with pytest.raises(NoDevice):
        VirtualBoard(ppmid.board.state)
    assert hanboot("status", "--port", ppmid.port).code == 0


def test_a_device_in_another_role(states: States) -> None:
    state = states.installed("ppmid/1.0.0")
    assert_error(start(state, "--role", "ihd"), 5, "ppmid")
    with pytest.raises(BadFile) as caught:
        VirtualBoard(state, "ihd")
    # a process that failed does not hold the folder
    with Bench(state, "ppmid") as bench:
        assert caught.value.exit_code == 5
        assert hanboot("status", "--port", bench.port).code == 0


def test_a_state_folder_that_holds_something_else(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    settings = state / "board.json"
    for content in (
        *("", "{", "[]", "{}", "null", '{"board": "virtual", "role": "ppmid", "serial": 7}'),
        '{"board": "virtual", "role": "toaster", "serial": "0011223344556677"}',
        '{"board": "virtual", "role": "ppmid", "serial": "00"}',
        '{"board": "something", "role": "ppmid", "serial": "0011223344556677"}',
    ):
        settings.write_text(content)
        with pytest.raises(BadFile):
            VirtualBoard(state)
    assert_error(start(state), 5, "another board")
    good = {"board": "virtual", "role": "ppmid", "serial": "0011223344556677"}
    settings.write_text(json.dumps(good))
    (state / "flash.bin").write_bytes(b"\xff" * 100)
    assert_error(start(state), 5, "flash.bin")


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert start(file).code == 2
    assert_error(start(file / "below"), 5)


def test_flash_of_noise_is_a_blank_device(states: States) -> None:
    """Whatever the flash holds, the bootloader answers."""
    state = states.fresh()
    with Bench(state, "ppmid"):
        pass
    (state / "flash.bin").write_bytes(os.urandom(2 * 1024 * 1024))
    with Bench(state) as bench:
        ran = hanboot("status", "--port", bench.port, "--json")
        assert ran.code == 0
        assert ran.document["provisioned"] is False
        assert ran.document["running"] is None
        # what does not check is looked at once more, at a second start
        wait_for(lambda: bench.board.starts == 2, "two starts")
