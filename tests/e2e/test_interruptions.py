"""Cables pulled, replies lost, power cut: what was begun is finished, and nothing is lost."""

import random
import signal
import subprocess
import threading

import pytest
from cables import SerialCable, TcpCable, cable
from command_line import command, hanboot, run
from rig import ROOT, Bench, ReleaseImages, States, is_topped_up, wait_for

from hanboot.device.client import Device
from hanboot.errors import LinkError
from hanboot.image.ota_file import Image
from hanboot.link import virtual
from hanboot.link.deadline import Deadline

BALLAST = 150_000
CUTS = 8


def first_offset(errors: str) -> int:
    """Where an upload went on, from its lines of progress."""
    line = next(line for line in errors.splitlines() if " octets" in line)
    return int(line.split(": ")[1].split()[0])


# --- the cable


@pytest.mark.parametrize("kind", [SerialCable, TcpCable])
def test_pulled_in_the_middle(
    ppmid: Bench, firmware: ReleaseImages, long: Image, kind: type[SerialCable | TcpCable]
) -> None:
    file = firmware.file(long)
    with cable(kind, ppmid.board.state, cut_after=100_000) as pulled:
        ran = run("upload", file, "--port", pulled.port)
    assert ran.code == 4
    assert "repeat the command" in ran.error[2]
    # another program looks at it meanwhile
    with Device(ppmid.port) as device:
        reached = device.progress()
    received = reached.received
    assert (reached.state, reached.total) == ("receiving", len(long.octets))
    assert 50_000 < received < len(long.octets)

    with cable(kind, ppmid.board.state) as whole:
        ran = hanboot("upgrade", file, "--port", whole.port)
    assert ran.code == 0, ran.err
    assert first_offset(ran.err) == received
    assert ppmid.runs(long)


def test_pulled_again_and_again(ppmid: Bench, firmware: ReleaseImages, long: Image) -> None:
    """Every time it goes on: at last it is there."""
    reached = [0]
    file = firmware.file(long)
    while True:
        with cable(SerialCable, ppmid.board.state, cut_after=50_000) as pulled:
            ran = hanboot("upload", file, "--port", pulled.port)
        if ran.code == 0:
            break
        assert ran.code == 4, ran.err
        with Device(ppmid.port) as device:
            reached.append(device.progress().received)
        assert reached[-1] > reached[-2]
    assert len(reached) > 3


def test_another_image_after_the_cut(ppmid: Bench, firmware: ReleaseImages, long: Image) -> None:
    with cable(SerialCable, ppmid.board.state, cut_after=50_000) as pulled:
        assert hanboot("upload", firmware.file(long), "--port", pulled.port).code == 4
    ran = hanboot("upgrade", *firmware.files("ppmid/1.1.0"), "--port", ppmid.port)
    assert ran.code == 0, ran.err
    assert first_offset(ran.err) < 1024
    assert is_topped_up(ppmid.credit)


@pytest.mark.parametrize("seed", range(2))
def test_a_line_that_spoils_what_it_carries(
    ppmid: Bench, firmware: ReleaseImages, long: Image, seed: int
) -> None:
    """Octets are lost, doubled, changed and put in, both ways; every reply is waited for."""
    chance = random.Random(seed)

    def spoil(octets: bytes, to_board: bool) -> bytes:
        if chance.random() > 0.04:
            return octets
        at = chance.randrange(len(octets))
        return chance.choice(
            [
                b"",
                octets * 2,
                octets[:at],
                octets[at:],
                octets[:at] + b"\n" + octets[at:],
                octets[:at] + b"\x06\x09AAAA\n" + octets[at:],
                octets[:at] + chance.randbytes(200) + octets[at:],
                octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :],
            ]
        )

    starts = ppmid.board.starts
    with (
        cable(SerialCable, ppmid.board.state, spoil=spoil) as bad,
        Device(bad.port, patience=0.1) as device,
    ):
        device.upload(long.octets)
        assert device.smp.repeats > 0
        device.wait_verified()
    assert ppmid.board.starts == starts
    ppmid.install(long)
    assert ppmid.runs(long)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_an_upload_that_is_stopped(
    ppmid: Bench, firmware: ReleaseImages, long: Image, number: signal.Signals, code: int
) -> None:
    """In whatever it does; the same command goes on."""
    file = firmware.file(long)
    with (
        cable(SerialCable, ppmid.board.state, pace_s=0.05) as slow,
        subprocess.Popen(
            command("upload", file, "--port", slow.port), stderr=subprocess.PIPE, text=True
        ) as upload,
    ):
        assert upload.stderr is not None
        # the third line: some of it is there
        for _ in range(3):
            upload.stderr.readline()
        upload.send_signal(number)
        _, errors = upload.communicate()
        assert upload.returncode == code
        assert "Traceback" not in errors
    with Device(ppmid.port) as device:
        received = device.progress().received
    assert 0 < received < len(long.octets)
    ran = hanboot("upload", file, "--port", ppmid.port)
    assert ran.code == 0, ran.err
    assert first_offset(ran.err) == received


# --- the power


def test_power_cut_while_receiving(ppmid: Bench, firmware: ReleaseImages, long: Image) -> None:
    """The same command begins anew by itself."""
    cut = threading.Event()

    def advance(done: int, total: int) -> None:
        if done > total // 2 and not cut.is_set():
            cut.set()
            ppmid.board.power_cycle()

    with Device(ppmid.port, patience=0.25) as device:
        device.upload(long.octets, advance)
        device.wait_verified()
    assert cut.is_set()
    ppmid.install(long)


def test_an_image_that_was_lost_again(ppmid: Bench, firmware: ReleaseImages) -> None:
    """Cut while it verified, a device has an older verdict, perhaps on the same image."""
    image = firmware.image("ppmid/1.1.0")
    with Device(ppmid.port, patience=0.25) as device:
        device.upload(image.octets)
        assert not device.wait_verified().reason
        device.smp.write(1, 5, {"slot": 1})
        ppmid.cut_power()
        with pytest.raises(LinkError) as caught:
            device.wait_verified()
    assert "upload the image again" in caught.value.what_to_do
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))
    ppmid.install(image)
    assert is_topped_up(ppmid.credit)


def test_an_image_that_is_staged_already(ppmid: Bench, firmware: ReleaseImages) -> None:
    """It is, whatever the last verdict was about."""
    file = firmware.file(firmware.image("ppmid/1.1.0"))
    assert hanboot("upload", file, "--port", ppmid.port).code == 0
    assert hanboot("activate", "00" * 32, "--port", ppmid.port).code == 1
    ran = hanboot("upload", file, "--port", ppmid.port, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["reason"]["name"] == "accepted"
    assert ran.document["offered"]["file_version_hex"] == "01010000"


@pytest.mark.parametrize("seed", range(2))
def test_power_cuts_at_random_moments(
    states: States, firmware: ReleaseImages, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an upgrade of two steps; the command is repeated until it is done."""
    # a request that the cut swallows is soon sent again
    monkeypatch.setattr("hanboot.link.serial.patience", lambda port: 0.2)
    chance = random.Random(seed)
    releases = [firmware.image("ppmid/1.0.0")]
    for number in ("1.1.0", "2.0.0"):
        source = ROOT / "firmware" / "ppmid" / number
        releases.append(firmware.build(source, releases[-1], predecessors=(), ballast=BALLAST))
    hashes = [image.image_hash for image in releases]
    files = [firmware.file(image) for image in releases[1:]]
    done = threading.Event()
    cuts = 0
    with states.bench(states.installed("ppmid/1.0.0")) as bench:

        def cut() -> None:
            nonlocal cuts
            clock = virtual.clock(bench.board.state)
            while cuts < CUTS:
                # of the board's time: on a busy machine, too, it comes some way between two cuts
                runs = Deadline(chance.uniform(0.02, 0.25), clock)
                while not runs.passed:
                    if done.wait(0.005):
                        return
                bench.board.power_cycle()
                cuts += 1

        cutter = threading.Thread(target=cut)
        cutter.start()
        reached = failed = 0
        while (ran := hanboot("upgrade", *files, "--port", bench.port)).code:
            # a cut breaks the link of the command that it comes in, and may end a trial that the
            # next one finds
            failed += 1
            assert failed <= 2 * CUTS, ran.err
            # the link broke, or a trial did not get its starts; nothing else may be the matter
            assert ran.code == 4 or "trial-not-started" in ran.error[0], ran.err
            running = bench.identity().confirmed
            assert running is not None
            # never back behind what was confirmed
            assert hashes.index(running.image_hash or b"") >= reached
            reached = hashes.index(running.image_hash or b"")
        done.set()
        cutter.join()
        assert cuts >= CUTS // 2
        wait_for(lambda: bench.runs(releases[-1]), "the last start")
        assert is_topped_up(bench.credit)
