"""Fetches source archives of one Debian suite through apt, on any Debian or Ubuntu.

A private apt state leaves the machine's own lists alone. No mirror's address is written
here: the machine knows one. What may be unpacked is decided by sources.sha256, not by the
archive's signature, whose key a machine of another suite often lacks.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from system import OUT, ToolchainError, say

SUITE = "trixie"
PINS = Path(__file__).with_name("sources.sha256")
DOWNLOADS = OUT / "downloads"


def pin(name: str) -> tuple[str, str]:
    """The pinned (SHA-256, file name) of a package's archive."""
    for line in PINS.read_text().splitlines():
        digest, file_name = line.split()
        if file_name.startswith(f"{name}_"):
            return digest, file_name
    raise ToolchainError(f"{PINS} does not name {name}")


def fetch(name: str) -> Path:
    """Returns the archive of a source package, or of a binary package pinned as .deb."""
    digest, file_name = pin(name)
    archive = DOWNLOADS / file_name
    if not archive.exists():
        say(f"fetching {file_name}")
        _fetch_by_apt(name, archive)
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    if actual != digest:
        raise ToolchainError(
            f"{archive} is not the file that {PINS.name} names:\n"
            f"  expected SHA-256 {digest}\n  it has          {actual}\n  remove it and try again"
        )
    return archive


def _fetch_by_apt(name: str, archive: Path) -> None:
    if not shutil.which("apt-get"):
        raise ToolchainError(
            f"no apt-get here to fetch {archive.name} from Debian {SUITE}\n"
            "  set MICROPYTHON=path of a MicroPython 1.25 unix binary,\n"
            "  or MICROPYTHON_DIR=path of a MicroPython 1.25 source tree (git clone)"
        )
    get = ["source", "--download-only", "--tar-only"] if ".orig." in archive.name else ["download"]
    kind = "deb-src" if ".orig." in archive.name else "deb"
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    trouble = "no mirror known"
    for mirror in _mirrors():
        with tempfile.TemporaryDirectory(dir=DOWNLOADS) as scratch:
            apt = _private_apt(Path(scratch), f"{kind} [trusted=yes] {mirror} {SUITE} main\n")
            for command in ([*apt, "update"], [*apt, *get, name]):
                result = _run(command, cwd=scratch)
                if result.returncode:
                    break
            offered = [path.name for path in Path(scratch).glob(f"{name}_*")]
            if archive.name in offered:
                os.replace(Path(scratch) / archive.name, archive)
                return
            if offered:
                trouble = f"{mirror} offers {', '.join(offered)}"
            else:
                trouble = f"{mirror}: {(result.stderr.strip().splitlines() or ['nothing'])[-1]}"
    raise ToolchainError(
        f"could not fetch {archive.name} from Debian {SUITE} ({trouble})\n"
        f"  put it into {DOWNLOADS}, or set DEBIAN_MIRROR, MICROPYTHON_DIR or MICROPYTHON"
    )


def _mirrors() -> Iterator[str]:
    if given := os.environ.get("DEBIAN_MIRROR"):
        yield given
        return
    # needs neither root nor downloaded lists
    listing = _run(["apt-get", "update", "--print-uris"]).stdout
    yield from dict.fromkeys(re.findall(r"'(\S+?)/dists/[^/']+/InRelease'", listing))
    # Ubuntu: its own mirrors lack the suite, but this package tells where Debian's are
    with tempfile.TemporaryDirectory(dir=DOWNLOADS) as scratch:
        _run(["apt-get", "download", "python-apt-common"], cwd=scratch)
        for package in Path(scratch).glob("*.deb"):
            _run(["dpkg", "-x", package.name, "."], cwd=scratch)
        for template in Path(scratch).glob("usr/share/python-apt/templates/Debian.info"):
            yield from re.findall(r"(?m)^BaseURI: (\S+?)/?$", template.read_text())[:1]


def _private_apt(state: Path, sources: str) -> list[str]:
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    (state / "sources.list").write_text(sources)
    settings = {
        "Dir::State::Lists": f"{state}/lists",
        "Dir::Etc::SourceList": f"{state}/sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::Cache": str(state),
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "APT::Update::Error-Mode": "any",
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings.items())]


def _run(command: list[str], cwd: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)
