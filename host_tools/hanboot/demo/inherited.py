"""A supplier inherits a PPMID: the registry, the plan, the walk, the inventory before and after."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hanboot.demo.bench import TOP_UP, Bench, KeyPairs, Releases
from hanboot.demo.story import Story
from hanboot.image.ota_file import Image
from hanboot.inventory import gate, pending
from hanboot.inventory.devices import DeviceRecord, Inventory
from hanboot.inventory.distribute import distribute
from hanboot.inventory.enrolment import from_identity
from hanboot.inventory.gate import GateRefused
from hanboot.registry.entry import name
from hanboot.registry.images import submission
from hanboot.registry.pathways import diagram
from hanboot.registry.pathways.check import check_registry
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.pathways.walk import WalkStep, find_images, plan_upgrade
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution, now
from hanboot.registry.storage.store import Registry

_ROW = {
    "device_type": "PPMID",
    "device_model": "00050100",
    "join_option": "2.4 GHz Only",
    "zigbee_vendor": "Example Radios",
    "zigbee_stack": "3.2",
    "zigbee_certificate": "ZCP-0001",
    "contact": "firmware@displays.example",
}


def play(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    story.chapter("Another supplier inherits a PPMID, at a version that it never sent")
    _inherit(story, bench, pairs, releases)
    with (
        tempfile.TemporaryDirectory(prefix="hanboot-demo-") as folder,
        Registry(Database(str(Path(folder) / "registry.db"), create=True)) as registry,
    ):
        _registry(story, registry, releases)
        inventory = Inventory(registry.database)
        device = from_identity(bench.device.identity(), now())
        inventory.add([device])
        _before(story, registry, inventory, device)
        _not_by_guessing(story, bench, registry, inventory, releases)
        steps = _plan(story, bench, registry, releases)
        for number, step in enumerate(steps, 1):
            title = f"step {number} of {len(steps)}, {name(step.entry)}"
            story.step(
                f"{title}: through the gate, tried, confirmed, and in the inventory",
                lambda step=step: _send(bench, registry, inventory, step.image),  # type: ignore[misc]
            )
        story.step("the credit is there", lambda: bench.credit("balance"))
        _after(story, bench, registry, inventory, device, releases)


def _inherit(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    def before() -> tuple[bool, str]:
        is_there, running = bench.provision(pairs), bench.upgrade(releases.v100)[1]
        has_credit, balance = bench.credit(f"top-up {TOP_UP}")
        return is_there and has_credit, f"{running}\n{balance}"

    story.step("as the supplier before left it: 1.0.0, with credit", before)


def _registry(story: Story, registry: Registry, releases: Releases) -> None:
    why = Attribution("the manufacturer", "release")

    def submit() -> tuple[bool, str]:
        for number, image in enumerate(releases, 1):
            # the last did not pass its trial
            status = "Withdrawn" if image is releases.v210 else "Active"
            own = {"cpl_entry_id": f"PPMID-{number:04d}", "status": status}
            row = submission.rows_from(_ROW | own)
            submission.submit(registry, image, row, image.name, why)
        errors = [f for f in check_registry(registry) if f.severity == "error"]
        found = [(f.code, f.rows[0]) for f in errors]
        return found == [("stranded", "PPMID-0004")], "\n".join(f.text for f in errors)

    story.step(
        "the registry: each image entered with its row; check finds whom the withdrawn one strands",
        submit,
    )
    for own, elsewhere in registry.by_model():
        drawing = diagram.as_text(diagram.draw(Pathways(own, elsewhere)))
        story.show(drawing.rstrip("\n").splitlines())


def _before(story: Story, registry: Registry, inventory: Inventory, device: DeviceRecord) -> None:
    def look() -> tuple[bool, str]:
        held = inventory.find([device.device_id])[device.device_id]
        needs = list(pending.needs(registry, inventory))
        ways = [" -> ".join(step.cpl_entry_id for step in need.steps) for need in needs]
        return len(needs) == 1, f"{_line(held)}; it needs {', '.join(ways)}"

    story.step("the inventory before", look)


def _not_by_guessing(
    story: Story, bench: Bench, registry: Registry, inventory: Inventory, releases: Releases
) -> None:
    def newest() -> tuple[bool, str]:
        good, seen = _send(bench, registry, inventory, releases.v200)
        reasons = [sent.reason for sent in inventory.distributions()]
        as_told = reasons == ["not-a-predecessor"]
        return not good and as_told and bench.runs(releases.v100), seen

    story.step("2.0.0 at once: the gate has nothing against it, the device has", newest)

    def withdrawn() -> tuple[bool, str]:
        before = bench.device.smp.octets_sent
        try:
            gate.check_listed(registry, releases.v210)
        except GateRefused as refused:
            is_silent = bench.device.smp.octets_sent == before
            return is_silent and refused.code == "not-active", "\n".join(refused.lines[:2])
        return False, "the gate let it through"

    story.step("2.1.0, which was withdrawn: not even sent", withdrawn)


def _plan(story: Story, bench: Bench, registry: Registry, releases: Releases) -> list[WalkStep]:
    walk: list[WalkStep] = []

    def find() -> tuple[bool, str]:
        with tempfile.TemporaryDirectory(prefix="hanboot-demo-") as folder:
            for number, image in enumerate(releases):
                (Path(folder) / f"{number}.ota").write_bytes(image.octets)
            plan = plan_upgrade(registry, bench.device.identity())
            steps = find_images(plan, [Path(folder)])
        walk.extend(steps)
        sent = [step.image.image_hash for step in steps]
        way = " -> ".join(name(step) for step in plan.steps)
        return sent == [releases.v110.image_hash, releases.v200.image_hash], way

    story.step("the plan, from what the device says it runs", find)
    return walk


def _send(bench: Bench, registry: Registry, inventory: Inventory, image: Image) -> tuple[bool, str]:
    outcome = distribute(bench.device, image, gate.check_listed(registry, image), inventory)
    if outcome.error:
        return False, "\n".join(outcome.error.lines)
    runs = f"{outcome.after.file_version:08X}" if outcome.after else "nothing"
    return bench.runs(image), f"{outcome.distribution.device_id} runs {runs}"


def _after(
    story: Story,
    bench: Bench,
    registry: Registry,
    inventory: Inventory,
    device: DeviceRecord,
    releases: Releases,
) -> None:
    def look() -> tuple[bool, str]:
        held = inventory.find([device.device_id])[device.device_id]
        is_right = held.image_hash == releases.v200.image_hash and bench.runs(releases.v200)
        left = list(pending.needs(registry, inventory))
        outcomes = [sent.outcome for sent in inventory.distributions()]
        good = is_right and not left and not held.differs
        return (
            good and outcomes == ["refused", "activated", "activated"],
            f"{_line(held)}; no device needs a step\nits history: {', '.join(outcomes)}",
        )

    story.step("the inventory after", look)


def _line(device: DeviceRecord) -> str:
    return (
        f"{device.device_id}  {device.device_type}  {device.model}  {device.firmware_version:08X}"
    )
