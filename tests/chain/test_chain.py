"""The whole chain on the device's own code: supplier, service, hub, device, and back."""

from __future__ import annotations

import datetime
import threading

import images
import pytest
import sqlalchemy as sa
from dsp import BROKER, COMMS_HUB, HCALCS, PPMID, SUPPLIER, Dsp
from home import V1, V2, V11, Home, Household, People, build

from hanboot.dcc.hub_link import SocketHub
from hanboot.duis import parsing, precommand, requests
from hanboot.hub.control import ControlServer
from hanboot.hub.hub import Settings
from hanboot.hub.ota import Offer
from hanboot.image import ota_file
from hanboot.inventory.devices import Inventory
from hanboot.registry.entry import device_model
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE
from hanboot.trust.smki.certificate import parse_eui
from hanbootloader import policy


class HomeHub:
    """A hub in memory, as the service reaches it."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def offer(self, device_id: str, image: bytes, layout: ota_file.Layout, once: str) -> str:
        offer = Offer(ota_file.load(image, layout), None if layout == "signed" else 0)
        self._home.hub.offer(parse_eui(device_id), offer)
        return COMMS_HUB

    def send(self, device_id: str, command: bytes, once: str) -> None:
        self._home.hub.send_message(parse_eui(device_id), command)

    def versions(self) -> dict[str, int]:
        return {}

    def messages(self) -> list[bytes]:
        return [octets for _, octets in self._home.messages]


class Chain:
    """A service, a hub, and one device with the keys of the lab's PKI."""

    def __init__(self, monkeypatch, folder, pki, device_id: str, device_type: int) -> None:
        self.dsp = Dsp(folder, pki)
        name = "ppmid" if device_type == policy.PPMID else "hcalcs"
        key = self.dsp.key
        self.people = People(
            supplier=key("supplier-ds"),
            broker=key("broker-ka"),
            signing=key(f"{name}-ds"),
            agreement=key(f"{name}-ka"),
        )
        settings = Settings(eui=parse_eui(COMMS_HUB), key=key("hub-ds"))
        self.home = Home(monkeypatch, settings)
        self.device = self.home.add(Household(self.people, parse_eui(device_id), device_type))
        self.dsp.hub = HomeHub(self.home)
        self.device_id = device_id
        is_signed = device_type != policy.PPMID
        self.first = build(self.people, V1, signed=is_signed)
        self.device.install(self.first)
        model = device_model(images.IMAGE_TYPE, self.device.board.hardware_version)
        with self.dsp.registry.database.writing() as connection:
            connection.execute(
                sa.update(DEVICE)
                .where(DEVICE.c.device_id == device_id)
                .values(manufacturer_code=images.MANUFACTURER_CODE, device_model=model)
            )
        self._model, self._kind, self._listed = model, name.upper(), 0

    def listed(self, image):
        """The image, once it is on the CPL."""
        self._listed += 1
        entry = self.dsp.entry(
            f"C-{self._listed}", self._kind, image,
            manufacturer_code=images.MANUFACTURER_CODE, device_model=self._model,
        )  # fmt: skip
        with self.dsp.registry.changing(Attribution("a test", "to test")) as changing:
            changing.add([entry])
        return image

    def run(self, until, seconds=3600) -> None:
        """Lets the home and the service go on until `until` holds."""

        def step():
            return until()

        for _ in range(int(seconds // 60)):
            self.dsp.time += datetime.timedelta(minutes=1)
            self.dsp.dispatcher.work()
            if self.home.run(60, step):
                self.dsp.dispatcher.work()
                return
        raise AssertionError("it never came to that")

    def outgoing(self):
        """Kinds of what was sent to the supplier, with their bodies."""
        return [(one["kind"], one["body"]) for _, one in self.dsp.outgoing()]


def alerts(chain, name):
    return [
        body["dcc_alert"][name]
        for kind, body in chain.outgoing()
        if kind == "DCCAlertMessage" and name in body["dcc_alert"]
    ]


def test_a_ppmid(monkeypatch, tmp_path, pki):
    """An image that is not listed, one with the wrong predecessor, then the right one."""
    chain = Chain(monkeypatch, tmp_path, pki, PPMID, policy.PPMID)
    dsp, device = chain.dsp, chain.device
    wrong, right = build(chain.people, V2, (V11,)), build(chain.people, V11, (V1,))

    def distribute(image):
        asked = requests.update_ppmid_firmware(dsp.request_id(BROKER), image, [parse_eui(PPMID)])
        return dsp.ask(asked)["response_code"]

    assert distribute(wrong) == "E110401"
    chain.listed(wrong)
    chain.listed(right)

    # listed, so it goes out; the device refuses it, and the hub says that it did not arrive
    assert distribute(wrong) == "I0"
    chain.run(lambda: chain.home.messages)
    (transfer,) = alerts(chain, "comms_hub_alert")
    assert transfer["firmware_transfer_alert"]["transfer_response_code"] == "FileTransferFailure"
    assert device.version == V1
    state = chain.home.state(device)
    assert state.data_octets <= 4096
    (failed,) = Inventory(dsp.registry.database).distributions(PPMID)
    assert (failed.outcome, failed.file_version) == ("failed", V2)

    assert distribute(right) == "I0"
    chain.run(lambda: device.version == V11 and len(chain.home.messages) >= 3)
    (activated,) = alerts(chain, "ppmid_alert")
    assert activated["ppmid_firmware_upgrade_alert"] == {
        "firmware_version": "01010000",
        "activate_image_result_code": "ActivationSuccess",
    }
    held = dsp.device(PPMID)
    assert (held.firmware_version, held.image_hash) == (V11, right.image_hash)


@pytest.mark.parametrize("kind", [policy.PPMID, policy.HCALCS])
def test_an_image_that_runs_already(monkeypatch, tmp_path, pki, kind):
    """The device has no use for it: the hub drops it and says so, and the next one may go out."""
    device_id = PPMID if kind == policy.PPMID else HCALCS
    chain = Chain(monkeypatch, tmp_path, pki, device_id, kind)
    dsp, is_signed = chain.dsp, kind != policy.PPMID
    with dsp.registry.database.writing() as connection:
        mine = DEVICE.c.device_id == device_id
        connection.execute(sa.update(DEVICE).where(mine).values(firmware_version=V1))
    running = chain.listed(chain.first)
    newer = chain.listed(build(chain.people, V11, (V1,), signed=is_signed))

    def distribute(image):
        make = requests.update_firmware if is_signed else requests.update_ppmid_firmware
        return dsp.ask(make(dsp.request_id(BROKER), image, [parse_eui(device_id)]))

    assert distribute(running)["response_code"] == "I0"
    chain.run(lambda: chain.home.messages, seconds=600)
    (transfer,) = alerts(chain, "comms_hub_alert")
    assert transfer["firmware_transfer_alert"] == {
        "update_firmware_request_id": f"{SUPPLIER}:{BROKER}:1000",
        "other_device_id": device_id,
        "firmware_version": f"{V1:08X}",
        "transfer_response_code": "FirmwareImageDiscarded",
    }
    (sent,) = Inventory(dsp.registry.database).distributions(device_id)
    assert (sent.outcome, sent.detail) == ("refused", "the device runs it already")
    assert chain.home.state(chain.device).data_octets == 0
    # no more is reported of it, and the device is not busy
    chain.home.run(3600, lambda: False)
    assert len(chain.home.messages) == 1
    assert distribute(newer)["response_code"] == "I0"


def test_an_hcalcs(monkeypatch, tmp_path, pki):
    """Distributed by 11.1, activated by 11.3 in two steps, asked by 11.2."""
    chain = Chain(monkeypatch, tmp_path, pki, HCALCS, policy.HCALCS)
    dsp, device = chain.dsp, chain.device
    image = chain.listed(build(chain.people, V11, (V1,), signed=True))
    asked = requests.update_firmware(dsp.request_id(BROKER), image, [parse_eui(HCALCS)])
    assert dsp.ask(asked)["response_code"] == "I0"
    chain.run(lambda: any(kind == "DeviceAlertMessage" for kind, _ in chain.outgoing()))
    (receipt,) = [body for kind, body in chain.outgoing() if kind == "DeviceAlertMessage"]
    assert receipt["alert_code"] == "8F72"
    assert receipt["gbcs_payload"]["payload"]["image_hash"] == image.image_hash.hex()
    assert device.version == V1

    first = requests.activate_firmware(dsp.request_id(HCALCS), image.image_hash)
    answer = parsing.parse(dsp.service.answer(dsp.signed(first)))
    command = precommand.compare(first, answer)
    second = precommand.sign(first, command, 5, dsp.key("supplier-ds"))
    assert dsp.ask(second)["response_code"] == "I99"
    chain.run(lambda: any("gbcs_payload" in body for kind, body in responses(chain)))
    (_, body) = responses(chain)[0]
    assert body["gbcs_payload"]["payload"] == {
        "response_code": 0,
        "response": "success",
        "version": "01010000",
    }
    assert device.version == V11
    assert dsp.device(HCALCS).firmware_version == V11

    question = requests.read_firmware_version(dsp.request_id(HCALCS), 1)
    assert dsp.ask(question)["response_code"] == "I99"
    chain.run(lambda: len(responses(chain)) == 2)
    (_, body) = responses(chain)[1]
    assert body["gbcs_payload"]["payload"]["version"] == "01010000"
    assert all(party == SUPPLIER for party, _ in dsp.outgoing())


def responses(chain):
    return [one for one in chain.outgoing() if one[0] == "ResponseMessage"]


def test_a_hub_is_reached_by_its_socket(tmp_path):
    """What the service asks of a hub, as the hub's own control server reads it."""

    asked = []

    def handle(request):
        asked.append(request)
        if request["command"] == "messages":
            return [{"device": PPMID, "message": "df00"}]
        return {"hub": COMMS_HUB, "offered_to": request["to"]}

    path, stop = tmp_path / "hub.sock", threading.Event()
    server = ControlServer(path, handle)
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        hub = SocketHub(str(path))
        image = build(People(), V1)
        assert hub.offer(PPMID, image.octets, "unsigned", "a") == COMMS_HUB
        hub.offer(HCALCS, image.octets, "signed", "b")
        hub.send(HCALCS, b"\x01\x02", "c")
        assert hub.messages() == [b"\xdf\x00"]
    finally:
        stop.set()
        thread.join()
        server.close()
    assert [one["command"] for one in asked] == ["offer", "offer", "send", "messages"]
    assert [one.get("once") for one in asked] == ["a", "b", "c", None]
    assert [one.get("activate_in_s", 1) for one in asked[:2]] == [0, None]
    with pytest.raises(Exception, match="no hub answers"):
        SocketHub(str(path)).messages()
