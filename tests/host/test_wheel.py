"""A wheel, made from the sdist, in a bare virtual environment elsewhere: it runs a board, upgrades
it, plays the demo; and what is missing is named in a line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hanboot import installation

pytestmark = pytest.mark.slow

_BUILD = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
ROOT = Path(__file__).parents[2]


class Installed:
    """hanboot from its wheel, without extras, in a folder with a space in its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "some where"
        bare = self.folder / "venv" / "bin"
        self._command = bare / "hanboot"
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        self.micropython = installation.micropython()
        if not self._command.exists():
            self._install(folder / "made", bare)

    def _install(self, made: Path, bare: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        self._done(sys.executable, "-c", _BUILD, made, cwd=ROOT)
        [sdist] = made.glob("*.tar.gz")
        self._done(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", made, sdist)
        [wheel] = made.glob("*.whl")
        venv.create(self.folder / "venv")
        self._done(*pip, "--python", bare / "python", "install", wheel)

    def _done(self, *command: object, cwd: Path | None = None) -> None:
        arguments = [str(argument) for argument in command]
        done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: object, code: int = 0, **environment: str) -> str:
        """Runs a command; its output, which is standard error where it fails."""
        done = subprocess.run(
            [self._command, *(str(argument) for argument in arguments)],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout

    @contextmanager
    def board(self, state: str) -> Iterator[None]:
        """A virtual board on `state`."""
        command = [self._command, "board", "run", "virtual", "--state", state, "--quiet"]
        process = subprocess.Popen(
            [*command, "--interpreter", self.micropython],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("/dev/")
            yield
        finally:
            process.terminate()
            process.communicate()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "wheel"
    folder.mkdir(exist_ok=True)
    # one installation for all workers
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Installed(folder)


def test_it_upgrades_a_virtual_board(installed: Installed) -> None:
    [data] = installed.folder.glob("venv/lib/*/site-packages/hanboot/data/firmware/ppmid")
    installed.run("keys", "new", "man")
    sign = ("--manufacturer-key", "man.pem")
    installed.run("image", "build", data / "1.0.0", "-o", "1.0.0.ota", *sign)
    after = ("--predecessor", "1.0.0.ota")
    installed.run("image", "build", data / "1.1.0", "-o", "1.1.0.ota", *sign, *after)
    port = ("--port", "virtual:ppmid")
    with installed.board("ppmid"):
        anchor = ("--manufacturer-public-key", "man.pub.pem")
        installed.run("board", "provision", *anchor, *port)
        installed.run("upgrade", "1.0.0.ota", "1.1.0.ota", *port)
        assert "01010000" in installed.run("status", *port)
    # what it made for the board lies in the user's cache, not beside the package
    assert list(installed.folder.glob("cache/hanboot/virtual/*.romfs"))


def test_the_demo(installed: Installed) -> None:
    shown = installed.run("demo", MICROPYTHON=str(installed.micropython))
    assert "as expected" in shown
    assert "pip install 'hanboot[registry]'" in shown


def test_no_micropython(installed: Installed, tmp_path: Path) -> None:
    error = installed.run("board", "run", "virtual", code=3)
    assert error.splitlines()[0] == "no MicroPython to run a virtual board"
    assert "--interpreter" in error
    for useless in ("/bin/true", tmp_path / "missing"):
        error = installed.run("board", "run", "virtual", "--interpreter", useless, code=3)
        assert error.startswith(str(useless))


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("registry", "show"), "registry"),
        (("inventory", "show"), "registry"),
        (("board", "run", "rp2040"), "emulator"),
        (("duis", "show", "x"), "chain"),
    ],
)
def test_an_extra_is_missing(installed: Installed, command: tuple[str, ...], extra: str) -> None:
    code = 3 if extra == "emulator" else 2
    error = installed.run(*command, code=code)
    assert f"pip install 'hanboot[{extra}]'" in error


def test_python_finds_no_other_name(installed: Installed) -> None:
    [packages] = installed.folder.glob("venv/lib/*/site-packages")
    assert (packages / "hanbootloader" / "boot.py").is_file()
    assert not (packages / "bootloader").exists()
    assert not (packages / "tests").exists()
    assert not os.path.lexists(packages / "boards")


def test_every_file_is_there(installed: Installed) -> None:
    source = ROOT / "host_tools" / "hanboot"
    [packages] = installed.folder.glob("venv/lib/*/site-packages")
    # rglob does not follow the links of data/
    files = [
        path for path in source.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    assert len(files) > 100
    missing = [p for p in files if not (packages / p.relative_to(source.parent)).exists()]
    assert not missing
