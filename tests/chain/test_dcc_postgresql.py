"""The service on a real PostgreSQL server: the same answers, also to several at once."""

from __future__ import annotations

import threading

import pytest
from dsp import BROKER, IHD, PPMID, Dsp, ppmid_alert

from hanboot.duis import requests
from hanboot.trust.smki.certificate import parse_eui


@pytest.fixture
def dsp(cluster, tmp_path, pki):
    made = Dsp(tmp_path, pki, cluster.new_database())
    yield made
    made.close()


def test_a_distribution(dsp):
    devices = [parse_eui(PPMID), parse_eui(IHD)]
    asked = requests.update_ppmid_firmware(dsp.request_id(BROKER), dsp.ppmid_image, devices)
    assert dsp.ask(asked)["response_code"] == "I0"
    dsp.close()
    dsp.open()
    for _ in range(2):
        dsp.dispatcher.work()
    assert [device for device, _ in dsp.hub.offers] == [PPMID, IHD]
    alert = ppmid_alert(0, "02000000")
    octets = dsp.says("ppmid", alert)
    at_once(lambda: dsp.devices.take(octets))
    # two that say that the hub has the images, and the alert
    assert len(dsp.outgoing()) == 3
    assert dsp.device(PPMID).firmware_version == 0x02000000


def test_the_same_document_at_once(dsp):
    asked = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), dsp.ppmid_image, [parse_eui(PPMID)]
    )
    octets = dsp.signed(asked)
    answers = at_once(lambda: dsp.service.answer(octets))
    assert len(set(answers)) == 1
    assert dsp.read(answers[0])["response_code"] == "I0"
    dsp.dispatcher.work()
    assert len(dsp.hub.offers) == 1


def test_one_counter_at_once(dsp):
    """Two documents with one counter: one of them is refused."""
    request_id = dsp.request_id(BROKER)
    documents = [
        dsp.signed(requests.read_inventory(request_id, "DeviceID", device))
        for device in (PPMID, IHD)
    ]
    waiting = list(documents)
    answers = at_once(lambda: dsp.service.answer(waiting.pop()), len(documents))
    codes = sorted(dsp.read(answer)["response_code"] for answer in answers)
    assert codes == ["E17", "I0"]


def at_once(work, times=6):
    """What `work` returns in several threads that start together."""
    found = []
    start = threading.Barrier(times)

    def run():
        start.wait()
        found.append(work())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == times
    return found
