"""docs/guide/adopting.md: its commands are run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import blocks, text_of

from hanboot.image import release


def script_of(page: str) -> str:
    """The page's `sh` blocks as one script; the virtual board runs beside it."""
    lines = ["set -eu", "trap 'kill $BOARD; wait' EXIT", "BOARD="]
    for number, block in enumerate(blocks(text_of(page), "sh")):
        lines.append(f"echo '=== {number}'")
        if block.startswith("hanboot board run"):
            lines.append(f"{block.strip()} & BOARD=$!")
            lines.append("until test -s device/port; do kill -0 $BOARD; sleep 0.05; done")
            continue
        for line in block.splitlines():
            command, _, code = line.partition("# exit ")
            lines.append(f"CODE=0; {command} || CODE=$?; test $CODE = {code}" if code else line)
    return "\n".join(lines) + "\n"


def masked(line: str) -> str:
    """Hashes differ with the keys."""
    return re.sub(r"[0-9a-f]{16,}", "H", " ".join(line.split()))


def test_predecessors_by_hand_are_taken(tmp_path):
    shown = re.search(r"RELEASE.toml <<'END'\n(.*?)^END$", text_of("adopting.md"), re.S | re.M)
    assert shown
    by_hand = blocks(text_of("adopting.md"), "toml")[0]
    (tmp_path / "app.py").write_text("async def main(services):\n    pass\n")
    (tmp_path / "RELEASE.toml").write_text(shown[1] + by_hand)
    (predecessor,) = release.load(tmp_path).predecessors
    assert predecessor.file_version == 0x01010000
    assert predecessor.image_hash
    assert predecessor.cpl_entry_id


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl plays the HSM")
def test_the_way_of_a_manufacturer(tmp_path):
    """In a folder with spaces, with a manufacturer code that no board here has of its own."""
    tools = Path(sys.executable).parent
    folder = tmp_path / "Acme Ltd (our own)"
    folder.mkdir()
    process = subprocess.Popen(
        ["bash", "-c", script_of("adopting.md")],
        cwd=folder,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, output
    seen = {masked(line) for line in output.splitlines()}
    for shown in blocks(text_of("adopting.md"), "text"):
        for line in shown.splitlines():
            assert masked(line) in seen, line
