"""`hanboot upgrade`: a path of images, given in order or planned from a registry."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.connection import connect
from hanboot.cli.gating import Gate, gate_options
from hanboot.cli.library_options import library_options, signature_options, signer
from hanboot.cli.output import Out, counted, json_option, progress
from hanboot.cli.refusals import refusals
from hanboot.cli.settings import any_registry_option, is_flag_given, port_option
from hanboot.cli.upgrade_images import FetchedImages, Images
from hanboot.device.client import Device, Progress
from hanboot.device.records import FirmwareId
from hanboot.device.upgrade import Step, Watcher, follow, remaining
from hanboot.explain.versions import device_type_text
from hanboot.image import ota_file
from hanboot.registry import DEFAULT_URL

if TYPE_CHECKING:
    from hanboot.library.client.remote import Remote
    from hanboot.registry.pathways.plan import Plan
    from hanboot.registry.pathways.walk import WalkStep

_FOR_PLANS = {
    "to": "--to",
    "yes": "--yes",
    "day": "--on",
    "library": "--library",
    "folder": "--download-to",
    "hash_only": "--hash-only",
}


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--plan",
    "is_planned",
    is_flag=True,
    help="Find the order in the registry; FILES are images and folders of them, in any order.",
)
@click.option(
    "--to",
    metavar="ID",
    default="latest",
    show_default=True,
    help="With --plan: CPL Entry ID, or latest.",
)
@click.option("--yes", is_flag=True, help="With --plan: send every step without asking.")
@on_option
@click.option(
    "--download-to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --library: folder for what is fetched.  [default: the user's cache]",
)
@signature_options[0]
@signature_options[1]
@library_options(required=False)
@any_registry_option
@gate_options
@port_option
@json_option
@click.pass_context
def upgrade(
    ctx: click.Context,
    files: tuple[Path, ...],
    is_planned: bool,
    to: str,
    yes: bool,
    day: datetime.datetime | None,
    folder: Path | None,
    manufacturer_public_key: Path | None,
    hash_only: bool,
    open_remote: Callable[[], Remote] | None,
    registry: str | None,
    gate: Gate,
    port: str,
    as_json: bool,
) -> None:
    """Upload, activate and wait for confirmation; several FILES are a path, taken in order.

    A path that was interrupted is taken up after the file that runs and is confirmed.

    With --plan the device is asked what it runs, the shortest safe path from there is taken from
    the registry, and each step is shown and asked about before it is sent. What was interrupted is
    taken up by the same command, which plans from what runs then.

    With --library, images that are not among FILES are fetched from there. Each must have the hash
    that the registry says, and the manufacturer's signature; its notes are shown before.

    A registry that --registry or HANBOOT_REGISTRY names binds: an image that its CPL does not list
    as Active, and any while local updates are banned, is not sent. What is sent is recorded there.
    """
    out = Out(as_json)
    if is_planned:
        images = Images(out, files, yes)
        if open_remote is not None:
            key = signer(manufacturer_public_key, hash_only)
            images = FetchedImages(out, files, yes, open_remote(), key, folder)
        elif not files:
            raise _no_files()
        with connect(port) as device, refusals(out, device, registry):
            _walk_plan(out, device, gate, registry or DEFAULT_URL, images, to, date_of(day), yes)
        return
    for name in _FOR_PLANS:
        if is_flag_given(ctx, name):
            raise click.UsageError(f"{_FOR_PLANS[name]} requires --plan")
    if not files:
        raise _no_files()
    path = [Step(name=file.name, octets=ota_file.read_to_send(file)) for file in files]
    with connect(port) as device, refusals(out, device, registry):
        confirmed = device.identity().confirmed
        left = remaining(confirmed, path)
        reached = len(path) - len(left)
        done = [confirmed] if confirmed and reached else []
        if reached:
            out.line(f"{path[reached - 1].name}: runs already")
        done += _follow(device, left, Shown(out), gate)
    out.document({"confirmed": [firmware.as_json() for firmware in done]})


def _follow(device: Device, path: Sequence[Step], watcher: Watcher, gate: Gate) -> list[FirmwareId]:
    """Takes a device along a path, each step through the gate."""
    done = []
    for step in path:
        with gate.sending(device, step.octets, step.name):
            done += follow(device, [step], watcher)
    return done


class Shown(Watcher):
    """Shows how a path goes: progress and stages on stderr, what is confirmed on stdout."""

    def __init__(self, out: Out) -> None:
        self._out = out

    def sending(self, step: Step) -> AbstractContextManager[Progress]:
        return progress(self._out, step.name, len(step.octets))

    def staged(self, step: Step) -> None:
        self._out.note(f"{step.name}: staged, starting it on trial")

    def confirmed(self, step: Step, firmware: FirmwareId) -> None:
        self._out.line(f"{step.name}: running and confirmed")


def _no_files() -> click.MissingParameter:
    return click.MissingParameter(param_hint="'FILES...'", param_type="argument")


# --- by a plan


def _walk_plan(
    out: Out,
    device: Device,
    gate: Gate,
    url: str,
    images: Images,
    to: str,
    day: datetime.date | None,
    yes: bool,
) -> None:
    # imported late: an upgrade without a plan needs no database
    from hanboot.cli.registry_options import opened
    from hanboot.registry.pathways.walk import plan_upgrade

    with opened(url) as registry:
        identity = device.identity()
        plan = plan_upgrade(registry, identity, to, day)
        steps = images.of(plan, registry)
        serial = f"{device_type_text(identity.device_type)} {identity.serial.hex('-').upper()}"
        # who is asked must see it, also where stdout is for a program
        _show(out.line if yes or not out.as_json else out.note, serial, plan, steps)
        path = [Step(name=step.entry.cpl_entry_id, octets=step.image.octets) for step in steps]
        watcher = _Asked(out, steps, yes)
        try:
            _follow(device, path, watcher, gate)
        except click.Abort:
            out.document(_as_json(plan, steps, watcher.done))
            raise
        out.document(_as_json(plan, steps, watcher.done))


class _Asked(Shown):
    """Asks before each step of a plan."""

    def __init__(self, out: Out, steps: Sequence[WalkStep], yes: bool) -> None:
        super().__init__(out)
        self._steps = steps
        self._yes = yes
        self.done: list[FirmwareId] = []

    def before(self, step: Step, number: int, count: int) -> None:
        if not self._yes:
            number, count = len(self.done) + 1, len(self._steps)
            _ask(self._out, self._steps[number - 1], f"step {number} of {count}")

    def confirmed(self, step: Step, firmware: FirmwareId) -> None:
        super().confirmed(step, firmware)
        self.done.append(firmware)


def _show(say: Callable[[str], None], device: str, plan: Plan, steps: list[WalkStep]) -> None:
    from hanboot.registry.pathways.plan import remarks

    if not steps:
        say(f"{device} runs {plan.start}, which is the target: nothing to do")
        return
    count = counted(len(steps), "step")
    say(f"{device} runs {plan.start}; to {plan.target.cpl_entry_id} in {count}:")
    for number, step in enumerate(steps, 1):
        entry = step.entry
        digest = f"{entry.image_hash.hex()[:16]}…"
        say(f"{number:>3}  {entry.cpl_entry_id}  {entry.version_text}  {digest}  {step.image.name}")
        for remark in remarks(entry):
            say(f"     {remark}")


def _ask(out: Out, step: WalkStep, place: str) -> None:
    """Asks before a step.

    Raises:
        Abort: the answer is no, or there is none.
    """
    door = "; there is no way back from it" if step.entry.point_of_no_return else ""
    question = f"Send {step.entry.cpl_entry_id} ({step.entry.version_text}), {place}{door}?"
    try:
        is_sure = click.confirm(question, err=True)
    except click.Abort:
        out.note("\nno answer: --yes asks nothing")
        raise
    if not is_sure:
        out.note("not sent; the same command goes on from what the device runs")
        raise click.Abort


def _as_json(plan: Plan, steps: list[WalkStep], done: list[FirmwareId]) -> dict[str, Any]:
    document = plan.as_json()
    for number, step in enumerate(steps):
        document["steps"][number] |= {"file": step.image.name, "confirmed": number < len(done)}
    return document | {"confirmed": [firmware.as_json() for firmware in done]}
