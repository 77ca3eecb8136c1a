"""The hub's control socket, and what it is asked for."""

from __future__ import annotations

import base64
import json
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from home import V1, V11, People, build, eui_of

from hanboot import cli
from hanboot.errors import BadFile, CheckFailed, HanbootError, NoDevice
from hanboot.hub.air import Air, Weather
from hanboot.hub.attachment import Attachment
from hanboot.hub.control import ControlServer, call
from hanboot.hub.hub import Hub, Settings
from hanboot.hub.ota import Phase
from hanboot.hub.post import Letter
from hanboot.hub.service import HubService
from hanboot.image.ota_file import Image
from hanboot.inventory.gate import permit
from hanboot.registry.entry import Entry
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys

EUI = eui_of(1)
TEXT = EUI.hex("-").upper()


class Silent:
    """A device that sends nothing."""

    def __call__(self, frames: list[bytes]) -> list[bytes]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def image() -> Image:
    return build(People(), V11, (V1,), payload_bytes=1000)


@pytest.fixture
def service() -> Iterator[HubService]:
    made = HubService(Settings(), Weather(), 1)
    made.attach(
        EUI,
        Silent(),
        model={
            "manufacturer_code": 0xFFF0,
            "image_type": 5,
            "hardware_version": 0x0102,
            "device_type": 5,
        },
    )
    yield made
    made.close()


@pytest.fixture
def path(service: HubService, tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "hub.sock"
    server = ControlServer(where, service.handle)
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    yield where
    stop.set()
    thread.join()
    server.close()


def test_it_is_the_owners_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_hub_at_a_place(path: Path, service: HubService) -> None:
    with pytest.raises(CheckFailed, match="a hub runs already"):
        ControlServer(path, service.handle)


def test_what_a_killed_hub_left(tmp_path: Path, service: HubService) -> None:
    where = tmp_path / "hub.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(where))
    left.close()
    ControlServer(where, service.handle).close()
    assert not where.exists()


def test_no_hub(tmp_path: Path) -> None:
    with pytest.raises(NoDevice, match="no hub answers"):
        call(tmp_path / "none.sock", {"command": "status"})


def test_offer(path: Path, service: HubService, image: Image) -> None:
    request = {
        "command": "offer",
        "octets": base64.b64encode(image.octets).decode(),
        "layout": None,
        "to": [TEXT],
        "jitter": None,
        "activate_in_s": 0,
    }
    assert call(path, request)["offered_to"] == [TEXT]
    assert service.hub.device(EUI).phase == Phase.OFFERED
    (device,) = call(path, {"command": "status"})["devices"]
    assert (device["device"], device["phase"]) == (TEXT, "offered")
    assert device["offered_version"] == V11
    # to a device that is not there: an error, and nothing is offered to the others
    call(path, {"command": "discard", "to": [TEXT]})
    with pytest.raises(HanbootError, match="is not on this hub") as error:
        call(path, request | {"to": [TEXT, "00-00-00-00-00-00-00-00"]})
    assert error.value.exit_code == NoDevice.exit_code
    assert service.hub.device(EUI).phase == Phase.DISCARDED


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b"[]", b'{"command": "format"}', b'{"command": "offer"}', b'{"command": 5}'],
)
def test_nonsense(path: Path, octets: bytes) -> None:
    """An error each, and the hub goes on."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        answer = json.loads(connection.makefile("rb").read())
    assert "error" in answer
    assert call(path, {"command": "messages"}) == []


def test_a_bad_image(path: Path, image: Image) -> None:
    request = {
        "command": "offer",
        "octets": base64.b64encode(image.octets[:-1]).decode(),
        "layout": None,
        "to": [TEXT],
        "jitter": None,
        "activate_in_s": 0,
    }
    with pytest.raises(HanbootError) as error:
        call(path, request)
    assert error.value.exit_code == BadFile.exit_code


class TestCommands:
    def run(self, *arguments: object):
        return CliRunner().invoke(cli.main, ["hub", *map(str, arguments)])

    def test_offer_and_status(self, path: Path, image: Image, tmp_path: Path) -> None:
        file = tmp_path / "1.1.0.ota"
        file.write_bytes(image.octets)
        offered = self.run("offer", file, "--to", TEXT, "--socket", path, "--json")
        assert offered.exit_code == 0, offered.output
        assert json.loads(offered.stdout) == {"offered_to": [TEXT]}
        status = self.run("status", "--socket", path)
        assert f"{TEXT}  ?  offered 01010000" in status.stdout
        everyone = self.run("offer", file, "--broadcast", "--jitter", 5, "--socket", path)
        assert everyone.exit_code == 0

    def test_what_became_of_messages(self, path: Path, service: HubService) -> None:
        """A command that the device refused is seen without --json."""
        service.hub.mail[EUI].settled.append(Letter(b"1", "refused"))
        assert "last message refused" in self.run("status", "--socket", path).stdout
        service.hub.send_message(EUI, bytes(20))
        assert "1 message on the way" in self.run("status", "--socket", path).stdout

    def test_usage(self, path: Path, image: Image, tmp_path: Path) -> None:
        file = tmp_path / "1.1.0.ota"
        file.write_bytes(image.octets)
        for arguments in (
            (),
            ("--to", TEXT, "--broadcast"),
            ("--to", "00"),
            ("--to", TEXT, "--wait", "--activate-in", "5"),
        ):
            assert self.run("offer", file, *arguments, "--socket", path).exit_code == 2

    def test_the_gate_binds(
        self, path: Path, service: HubService, image: Image, tmp_path: Path
    ) -> None:
        """An image that is not on the CPL of the registry that binds is not offered."""
        file = tmp_path / "1.1.0.ota"
        file.write_bytes(image.octets)
        registry = tmp_path / "registry.db"
        with Registry(Database(str(registry), create=True)):
            pass
        refused = self.run("offer", file, "--to", TEXT, "--socket", path, "--registry", registry)
        assert refused.exit_code == 1
        assert "not on the CPL" in refused.output
        assert service.hub.device(EUI).phase == Phase.NONE

    def test_a_permit_lifts_the_ban(
        self, path: Path, service: HubService, image: Image, tmp_path: Path
    ) -> None:
        file, registry = tmp_path / "1.1.0.ota", tmp_path / "registry.db"
        file.write_bytes(image.octets)
        key = keys.generate()
        with Registry(Database(str(registry), create=True)) as made:
            header = image.header
            listed = Entry(
                cpl_entry_id="E-1",
                device_type="PPMID",
                manufacturer_code=header.manufacturer_code,
                device_model=0x0005_0102,
                firmware_version=header.file_version,
                firmware_version_text=f"{header.file_version:08X}",
                image_hash=image.image_hash,
                status="Active",
                join_option="2.4 GHz Only",
                predecessors=(),
            )
            with made.changing(Attribution("a test", "to test")) as writer:
                writer.add([listed])
                writer.set_permits_from(key.public)
        offer = ("offer", file, "--to", TEXT, "--socket", path, "--registry", registry)
        refused = self.run(*offer)
        assert refused.exit_code == 1
        assert "local updates are banned" in refused.output
        permits = {}
        for device in (TEXT, "00-00-00-00-00-00-00-09"):
            permits[device] = tmp_path / f"{device}.permit"
            permits[device].write_bytes(
                permit.make(
                    *("90-B3-D5-1F-30-01-00-00", [device], image.image_hash, header.file_version),
                    *(int(time.time()), 60, key.public.kid, key.sign),
                )
            )
        refused = self.run(*offer, "--permit", permits["00-00-00-00-00-00-00-09"])
        assert refused.exit_code == 1
        assert "does not name the device" in refused.output
        assert service.hub.device(EUI).phase == Phase.NONE
        offered = self.run(*offer, "--permit", permits[TEXT])
        assert offered.exit_code == 0, offered.output
        assert service.hub.device(EUI).phase == Phase.OFFERED


def test_a_sleepy_device() -> None:
    """It asks for frames every minute; while something flows it stays awake."""
    hub = Hub(Settings(), clock=lambda: now)
    sent: list[list[bytes]] = []

    class Sleeper(Silent):
        def __call__(self, frames: list[bytes]) -> list[bytes]:
            sent.append(frames)
            return []

    attachment = Attachment(hub, threading.RLock(), EUI, Sleeper(), Weather(), 1, sleep_s=60)
    now = 1000.0
    assert attachment.step(now) == 60
    hub.send_message(EUI, b"a message")
    now = 1060.0
    assert attachment.step(now) < 1
    assert len(sent[-1]) == 1
    now = 1061.0
    assert attachment.step(now) < 1
    now = 1063.5
    hub.mail[EUI].letters.clear()
    assert attachment.step(now) == 60


class TestAir:
    def test_a_seed_repeats_a_run(self) -> None:
        def play(seed: int) -> list[list[int]]:
            air: Air[int] = Air(Weather(0.2, 0.2, 0.2, 0.5), seed)
            seen = []
            for number in range(200):
                air.put(number, number * 0.1)
                seen.append(air.arrived(number * 0.1))
            return seen

        assert play(5) == play(5)
        assert play(5) != play(6)

    def test_shares(self) -> None:
        air: Air[int] = Air(Weather(loss=0.25, duplicates=0.5), 1)
        for number in range(4000):
            air.put(number, 0)
        arrived = air.arrived(0)
        assert 0.22 < air.lost / air.sent < 0.28
        assert 1.4 < len(arrived) / (air.sent - air.lost) < 1.6

    def test_a_good_line(self) -> None:
        air: Air[int] = Air(Weather(), 1)
        for number in range(50):
            air.put(number, 0)
        assert air.arrived(0) == list(range(50))
        assert air.is_empty
