"""`hanboot board run virtual` as a process: started, stopped, killed, reached over a network."""

import os
import signal
from pathlib import Path

import pytest
from cables import TcpCable, cable
from command_line import RunningBoard, hanboot, run
from rig import Bench, ReleaseImages, States, is_topped_up, wait_for

from hanboot.device.client import Device

CHATTY = """
import asyncio


async def main(services):
    services.confirm()
    for _ in range(5000):
        services.say("x" * 70)
        await asyncio.sleep(0)
    while True:
        await asyncio.sleep(1)
"""


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(states: States, number: signal.Signals) -> None:
    state = states.installed("ppmid/1.0.0")
    with RunningBoard(state) as board:
        board.await_line("| PPMID 1.0.0")
        children = board.children()
        assert len(children) == 1
        board.process.send_signal(number)
        assert board.process.wait() == 0
        assert not any(map(is_running, children))
        assert board.process.stderr is not None
        assert "Traceback" not in board.process.stderr.read()
    assert not (state / "port").exists()
    assert hanboot("status", "--port", f"virtual:{state}").code == 3
    # and again
    with RunningBoard(state) as board:
        assert hanboot("status", "--port", f"virtual:{state}").code == 0


def test_stopped_while_the_application_hangs(states: States, firmware: ReleaseImages) -> None:
    """The console is not read then, and is written to."""
    hung = firmware.own(
        "hangs-at-once",
        0x05000000,
        firmware.image("ppmid/1.0.0"),
        app="async def main(services):\n    while True:\n        pass\n",
    )
    with RunningBoard(states.installed("ppmid/1.0.0"), "--quiet") as board:
        port = f"virtual:{board.state}"
        assert hanboot("upload", firmware.file(hung), "--port", port).code == 0
        assert hanboot("activate", "--port", port).code == 0
        children = board.children()
        line = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        os.write(line, b"hello?\n" * 100)
        os.close(line)
        board.process.terminate()
        assert board.process.wait() == 0
        assert not any(map(is_running, children))


def test_killed(states: States) -> None:
    """The device ends with its supervisor, and the folder can be taken again."""
    state = states.installed("ppmid/1.0.0")
    with RunningBoard(state) as board:
        board.await_line("| PPMID 1.0.0")
        (child,) = board.children()
        board.process.kill()
        board.process.wait()
        wait_for(lambda: not is_running(child), "the device to end")
    assert hanboot("status", "--port", f"virtual:{state}").code == 3
    with Bench(state) as bench:
        assert is_topped_up(bench.credit)


def test_a_device_whose_process_is_killed_starts_again(states: States) -> None:
    with RunningBoard(states.installed("ppmid/1.0.0")) as board:
        board.await_line("| PPMID 1.0.0")
        (child,) = board.children()
        os.kill(child, signal.SIGKILL)
        wait_for(lambda: (now := board.children()) and now != [child], "another process")
        assert hanboot("status", "--port", board.port).code == 0


def test_a_restart_keeps_the_port(ppmid: Bench) -> None:
    port = ppmid.board.port
    for _ in range(3):
        starts = ppmid.board.starts
        assert hanboot("reset", "--port", port).code == 0
        wait_for(lambda before=starts: ppmid.board.starts > before, "a start")
        assert hanboot("status", "--port", port).code == 0
    assert ppmid.board.cause == "reset"
    assert ppmid.board.port == port
    assert is_topped_up(ppmid.credit)


def test_nobody_reads_what_the_device_writes(states: States, firmware: ReleaseImages) -> None:
    """Its terminal fills up; the device goes on, and so does its link."""
    chatty = firmware.own("chatty", 0x01000000, app=CHATTY)
    with states.bench(states.holding(chatty)) as bench:
        line = f"{'x' * 70}"
        wait_for(lambda: bench.texts.count(line) > 4000, "more than a terminal holds")
        assert bench.board.starts == 1
        with Device(bench.port) as device:
            assert device.identity().confirmed is not None
        assert bench.board.starts == 1


def test_the_default_state_folder(tmp_path: Path) -> None:
    """Started in the current folder, without any option."""
    with RunningBoard(Path("build/boards/virtual"), "--role", "ihd"):
        ran = run("status", "--port", "virtual:build/boards/virtual", "--json")
        assert ran.code == 0
        assert ran.document["device_type"] == "IHD" or ran.document["image_type"] == 6


def test_over_a_network(ppmid: Bench, firmware: ReleaseImages) -> None:
    """A pyserial URL."""
    with cable(TcpCable, ppmid.board.state) as line:
        assert hanboot("status", "--port", line.port).code == 0
        ran = hanboot("upgrade", *firmware.files("ppmid/2.0.0"), "--port", line.port, "--json")
        assert ran.code == 1
        assert ran.document["reason"]["name"] == "not-a-predecessor"
        files = firmware.files("ppmid/1.1.0", "ppmid/2.0.0")
        ran = hanboot("upgrade", *files, "--port", line.port)
        assert ran.code == 0, ran.err
    assert ppmid.runs(firmware.image("ppmid/2.0.0"))
    assert is_topped_up(ppmid.credit)
