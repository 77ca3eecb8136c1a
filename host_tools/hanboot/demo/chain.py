"""From the manufacturer's desk to the household and back: delivery, 11.4 and 11.1, DSP, alerts."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from hanboot.delivery import options
from hanboot.delivery.delivery import Delivery, header_for
from hanboot.delivery.options import Sources
from hanboot.demo.bench import Bench, KeyPairs, Releases, build
from hanboot.demo.parties import BROKER, Chain, device_id
from hanboot.demo.story import Story
from hanboot.duis import precommand, requests
from hanboot.image import ota_file, sign
from hanboot.image.ota_file import Image
from hanboot.inventory import pending
from hanboot.registry.images import submission
from hanboot.registry.storage.history import Attribution
from hanboot.trust.keys import PrivateKey
from hanboot.trust.smki.certificate import parse_eui

_NOT_LISTED = "E110401"
_TAKEN = "I0"
_ON_ITS_WAY = "I99"
_RECEIVED = "8F72"  # GBCS: a supplier's image is there, and its signature is right
_SEND_AND_ANSWER = 5  # command variant of a signed pre-command
_ROW = {
    "join_option": "2.4 GHz Only",
    "zigbee_vendor": "Example Radios",
    "zigbee_stack": "3.2",
    "zigbee_certificate": "ZCP-0001",
    "contact": "firmware@displays.example",
    "status": "Active",
}


def play_short(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    """The PPMID's part: delivered, refused by the device, led the right way."""
    story.chapter("The chain, its short form: manufacturer, supplier, DSP, hub, PPMID, and back")
    chain = Chain(pairs.manufacturer.public, bench)
    try:
        _begin(story, chain, [(bench, releases.v100)])
        _play_ppmid(story, chain, bench, pairs, releases)
    finally:
        chain.close()
    story.tell("ACT=chain plays all of it, with a load switch, its signature and its activation")


def play(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    story.chapter("The chain: manufacturer, supplier, DSP, hub, household, and back")
    # a home may have been played before, with a load switch of its own
    switch = Bench(bench.board.state.with_name("chain-load-switch"), "virtual", "hcalcs")
    chain: Chain | None = None
    try:
        chain = Chain(pairs.manufacturer.public, bench, switch)
        _play(story, chain, (bench, switch), pairs, releases)
    finally:
        if chain is not None:
            chain.close()
        switch.close()


def _play(
    story: Story, chain: Chain, benches: tuple[Bench, Bench], pairs: KeyPairs, releases: Releases
) -> None:
    bench, switch = benches
    hcalcs = device_id(switch)
    supplier = chain.key("supplier-ds")
    switch_100 = build("1.0.0", pairs.manufacturer, role="hcalcs")
    switch_100 = ota_file.load(sign.sign(switch_100, supplier))
    switch_110 = build("1.1.0", pairs.manufacturer, (switch_100,), role="hcalcs")

    _begin(story, chain, [(bench, releases.v100), (switch, switch_100)])
    _play_ppmid(story, chain, bench, pairs, releases)
    signed = _delivered(story, chain, switch_110, pairs.manufacturer, supplier)
    _list(story, chain, hcalcs, "HCALCS", (switch_100, signed))
    _distributed(story, chain, hcalcs, signed)
    _activated(story, chain, hcalcs, signed)


def _begin(story: Story, chain: Chain, devices: list[tuple[Bench, Image]]) -> None:
    def play() -> tuple[bool, str]:
        good = all([bench.upgrade(image)[0] for bench, image in devices])
        chain.enter()
        versions = ", ".join(_inventory(chain, device) for device in chain.devices)
        return (
            good and not chain.received(),
            f"the inventory before: {versions}\nthe supplier's inbox before: empty",
        )

    names = "a PPMID" if len(devices) == 1 else "a PPMID and a load switch"
    story.step(f"{names}, commissioned", play)


def _play_ppmid(
    story: Story, chain: Chain, bench: Bench, pairs: KeyPairs, releases: Releases
) -> None:
    ppmid = chain.devices[0]
    right, wrong = (
        _delivered(story, chain, image, pairs.manufacturer, None)
        for image in (releases.v110, releases.v200)
    )
    _refused_by_the_service(story, chain, ppmid, wrong)
    _list(story, chain, ppmid, "PPMID", (releases.v100, right, wrong))
    _refused_by_the_device(story, chain, ppmid, wrong)
    _right_path(story, chain, ppmid, right)


def _inventory(chain: Chain, device: str) -> str:
    held = chain.held(device)
    return f"{device} ({held.device_type}) runs {held.firmware_version:08X}"


def _delivered(
    story: Story, chain: Chain, image: Image, key: PrivateKey, supplier: PrivateKey | None
) -> Image:
    """What the supplier has of the manufacturer's `image`; signed anew by `supplier`, if given."""
    checked: list[Image] = []

    def play() -> tuple[bool, str]:
        header = header_for(image.header, image.image_bytes, supplier is not None)
        content = image.manufacturer_image
        made = Delivery(
            image.name, header, content, key.sign_plain(header + content),
            hashlib.sha256(content).digest(),
        )  # fmt: skip
        folder = chain.folder / f"delivery-{image.image_hash.hex()[:8]}"
        files = options.write(made, 1, folder)
        taken = options.read(1, folder, Sources())
        taken.check(key.public)
        loaded = ota_file.load(taken.gbcs_file(), "signed" if supplier else "unsigned")
        seen = ", ".join(Path(file).name for file in files)
        if supplier is not None:
            loaded = ota_file.load(sign.sign(loaded, supplier), "signed")
            seen += "\nthe supplier's signature in the place of the manufacturer's"
        checked.append(loaded)
        return loaded.image_hash == image.image_hash, seen

    label = image.manifest.label if image.manifest else image.name
    kind = "load switch" if supplier else "PPMID"
    story.step(f"{label} for the {kind} delivered by option 1, checked by the supplier", play)
    return checked[0] if checked else image


def _list(story: Story, chain: Chain, device: str, kind: str, images: tuple[Image, ...]) -> None:
    def play() -> tuple[bool, str]:
        model = chain.held(device).device_model
        for number, image in enumerate(images, 1):
            own = {
                "device_type": kind,
                "device_model": f"{model:08X}",
                "cpl_entry_id": f"{kind}-{number:04d}",
            }
            row = submission.rows_from(_ROW | own)
            why = Attribution("the manufacturer", "release")
            submission.submit(chain.registry, image, row, image.name, why)
        return True, f"{kind}-0001 to {kind}-{len(images):04d}, each Active"

    story.step(f"the CPL lists the {kind}'s images", play)


def _send_ppmid(chain: Chain, device: str, image: Image) -> str:
    target = chain.request_id(BROKER)
    return chain.submit(requests.update_ppmid_firmware(target, image, [parse_eui(device)]))[0]


def _refused_by_the_service(story: Story, chain: Chain, device: str, image: Image) -> None:
    def play() -> tuple[bool, str]:
        code = _send_ppmid(chain, device, image)
        return code == _NOT_LISTED, f"{code}; nothing went to the hub"

    story.step("11.4 with 2.0.0, which is not on the CPL yet: the DSP refuses", play)


def _refused_by_the_device(story: Story, chain: Chain, device: str, image: Image) -> None:
    def play() -> tuple[bool, str]:
        code = _send_ppmid(chain, device, image)
        delivered = _dcc_alert(chain, "csp_firmware_delivery_status") or {}
        at_hub = delivered.get("comms_hub_transfer_status")
        alert = _dcc_alert(chain, "comms_hub_alert")
        found = alert["firmware_transfer_alert"]["transfer_response_code"] if alert else "none"
        outcomes = [sent.outcome for sent in chain.inventory.distributions()]
        held = chain.held(device)
        good = (code, at_hub, found, outcomes) == (
            _TAKEN, "Success", "FileTransferFailure", ["failed"],
        )  # fmt: skip
        return (
            good and held.firmware_version == 0x01000000,
            f"DSP {code}; in the supplier's inbox N60, delivered to the hub: {at_hub}, "
            f"then a CommsHubAlert: {found}\n"
            f"the inventory: {_inventory(chain, device)}, the distribution failed",
        )

    story.step("11.4 with 2.0.0, listed now: the device refuses it over 1.0.0", play)

    def remedy() -> tuple[bool, str]:
        ways = [
            [step.cpl_entry_id for step in need.steps]
            for need in pending.needs(chain.registry, chain.inventory)
            # the load switch is on no CPL yet, and has no way
            if need.steps
        ]
        return ways == [["PPMID-0002", "PPMID-0003"]], " -> ".join(ways[0]) if ways else "no way"

    story.step("the planner's remedy, from the inventory", remedy)


def _right_path(story: Story, chain: Chain, device: str, image: Image) -> None:
    def play() -> tuple[bool, str]:
        code = _send_ppmid(chain, device, image)
        alert = _dcc_alert(chain, "ppmid_alert")
        fields = alert["ppmid_firmware_upgrade_alert"] if alert else {}
        held = chain.held(device)
        good = code == _TAKEN and fields.get("activate_image_result_code") == "ActivationSuccess"
        return (
            good and held.image_hash == image.image_hash,
            f"CS09 came back as a PPMIDAlert: {fields.get('activate_image_result_code')}, "
            f"{fields.get('firmware_version')}\nthe inventory after: {_inventory(chain, device)}\n"
            f"the supplier's inbox after: {_kinds(chain)}",
        )

    story.step("11.4 with 1.1.0: taken, tried, confirmed", play)


def _distributed(story: Story, chain: Chain, device: str, image: Image) -> None:
    def play() -> tuple[bool, str]:
        target = chain.request_id(BROKER)
        code, _ = chain.submit(requests.update_firmware(target, image, [parse_eui(device)]))
        alert = chain.wait_for("DeviceAlertMessage", lambda body: body["alert_code"] == _RECEIVED)
        digest = alert["gbcs_payload"]["payload"]["image_hash"] if alert else ""
        held = chain.held(device)
        return (
            code == _TAKEN
            and digest == image.image_hash.hex()
            and held.firmware_version == 0x01000000,
            f"DSP {code}, then alert {_RECEIVED} with the hash; 1.0.0 runs still",
        )

    story.step("11.1 with 1.1.0 for the load switch: received, its signature is right", play)


def _activated(story: Story, chain: Chain, device: str, image: Image) -> None:
    def play() -> tuple[bool, str]:
        first = requests.activate_firmware(chain.request_id(device), image.image_hash)
        _, answer = chain.submit(first)
        command = precommand.compare(first, answer)
        second = precommand.sign(first, command, _SEND_AND_ANSWER, chain.key("supplier-ds"))
        code, _ = chain.submit(second)
        body = chain.wait_for("ResponseMessage", lambda body: "gbcs_payload" in body)
        payload: dict[str, Any] = body["gbcs_payload"]["payload"] if body else {}
        held = chain.held(device)
        good = code == _ON_ITS_WAY and payload.get("response") == "success"
        return (
            good and held.image_hash == image.image_hash,
            f"pre-command compared and signed, {code}; the device: {payload.get('response')}, "
            f"{payload.get('version')}\nthe inventory after: {_inventory(chain, device)}\n"
            f"the supplier's inbox after: {_kinds(chain)}",
        )

    story.step("11.3 in two steps: activated, and answered", play)


def _dcc_alert(chain: Chain, name: str) -> dict[str, Any] | None:
    body = chain.wait_for("DCCAlertMessage", lambda body: name in body["dcc_alert"])
    found: dict[str, Any] | None = body["dcc_alert"][name] if body else None
    return found


def _kinds(chain: Chain) -> str:
    kinds = Counter(one["kind"] for one in chain.received())
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())
