"""zigpy's OTA server logic, unmodified, upgrades a device.

zigpy drives radios of its own; the bridge below stands for one. It hands the device's frames to
zigpy as zigpy's radios do, and zigpy's answers to the device. zigpy refuses to load a GBCS image,
which has no sub-elements, so the bridge gives it header and octets.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

from home import V1, V2, V11, Home, Household, build
from zigpy.ota.image import OTAImageHeader
from zigpy.ota.manager import OTAManager
from zigpy.zcl import foundation
from zigpy.zcl.clusters.general import Ota

from hanboot.image.ota_file import Image
from hanbootloader import reasons
from hanbootloader.han import zcl

SCHEMAS = {found.id: found.schema for found in Ota.ServerCommandDefs}
ANSWERS = {
    name: getattr(Ota.ClientCommandDefs, name)
    for name in (
        "image_notify",
        "query_next_image_response",
        "image_block_response",
        "upgrade_end_response",
    )
}
HUB = bytes.fromhex("00db1234567890aa")


class Bridge:
    """A zigpy device, application and cluster, as far as `OTAManager` asks for them."""

    ImageNotifyCommand = Ota.ImageNotifyCommand

    def __init__(self, household: Household) -> None:
        self.household = household
        self.callbacks: list[tuple[type, object]] = []
        self.application = self._application = self

    def find_cluster(self, cluster_id: int, cluster_type: object) -> Bridge:
        assert cluster_id == Ota.cluster_id
        return self

    @contextlib.contextmanager
    def callback_for_response(self, src, filters, callback):
        entry = (type(filters[0]), callback)
        self.callbacks.append(entry)
        yield
        self.callbacks.remove(entry)

    @contextlib.asynccontextmanager
    async def request_priority(self, priority):
        yield

    def debug(self, *text: object, exc_info: BaseException | None = None) -> None:
        if exc_info is not None:
            raise exc_info

    def __getattr__(self, name: str):
        definition = ANSWERS[name]

        async def send(tsn: int = 0, **values: object) -> None:
            header = foundation.ZCLHeader.cluster(
                tsn=tsn,
                command_id=definition.id,
                direction=foundation.Direction.Server_to_Client,
            )
            header.frame_control = header.frame_control.replace(disable_default_response=True)
            octets = header.serialize() + definition.schema(**values).serialize()
            frame = (HUB, zcl.OTA_CLUSTER, False, memoryview(octets))
            self.household.radio.inbox.append(frame)

        return send

    async def deliver(self) -> None:
        """The device's frames, to whom zigpy has registered for them."""
        sent, self.household.radio.outbox = self.household.radio.outbox, []
        for _, cluster, octets in sent:
            header, payload = foundation.ZCLHeader.deserialize(octets)
            if cluster != zcl.OTA_CLUSTER or header.frame_control.is_general:
                continue
            command, rest = SCHEMAS[header.command_id].deserialize(payload)
            assert not rest
            for wanted, callback in list(self.callbacks):
                if isinstance(command, wanted):
                    await callback(header, command)


def offered(image: Image) -> SimpleNamespace:
    header, rest = OTAImageHeader.deserialize(image.octets)
    assert len(rest) == header.image_size - header.header_length
    return SimpleNamespace(
        firmware=SimpleNamespace(header=header, serialize=lambda: image.octets),
        check_compatibility=lambda device, command: (
            command.manufacturer_code == header.manufacturer_id
            and command.image_type == header.image_type
        ),
        check_version=lambda running: header.file_version > running,
    )


async def serve(home: Home, device: Household, image: Image) -> foundation.Status:
    bridge = Bridge(device)
    # zigpy gives up by the time of the home, not by the machine's
    asyncio.get_running_loop().time = lambda: home.ms / 1000  # type: ignore[method-assign]
    with OTAManager(bridge, offered(image)) as manager:
        await manager.notify()
        waiting = asyncio.ensure_future(manager.wait())
        for _ in range(20_000):
            device.work()
            await bridge.deliver()
            await asyncio.sleep(0)
            home.ms += 20
            if waiting.done():
                break
        status = waiting.result()
    # what zigpy said last is still on its way
    for _ in range(500):
        device.work()
        home.ms += 20
    return status


def test_upgrade(home: Home) -> None:
    device = home.ppmid()
    device.install(build(home.people, V1))
    status = asyncio.run(serve(home, device, build(home.people, V11, (V1,))))
    assert status == foundation.Status.SUCCESS
    assert device.version == V11


def test_refusal(home: Home) -> None:
    device = home.ppmid()
    device.install(build(home.people, V1))
    status = asyncio.run(serve(home, device, build(home.people, V2, (V11,))))
    assert int(status) == zcl.INVALID_IMAGE
    assert device.version == V1
    assert device.device.ledger.verdict().reason == reasons.NOT_A_PREDECESSOR
