"""`hanboot upgrade`: a path of images, given in order or planned from a registry."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.device import send
from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.refusals import refusals
from hanboot.cli.settings import any_registry_option, is_flag_given, port_option
from hanboot.device.client import Device, FirmwareId, hash_in
from hanboot.errors import Refused
from hanboot.explain import reasons as explain
from hanboot.image import ota_file as image
from hanboot.registry import DEFAULT_URL

if TYPE_CHECKING:
    from hanboot.registry.pathways.plan import Plan
    from hanboot.registry.pathways.walk import WalkStep
    from hanboot.registry.storage.store import Registry

_FOR_PLANS = ("to", "yes", "day")


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
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
@any_registry_option
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
    registry: str | None,
    port: str,
    as_json: bool,
) -> None:
    """Upload, activate and wait for confirmation; several FILES are a path, taken in order.

    A path that was interrupted is taken up behind the file that runs and is confirmed.

    With --plan the device is asked what it runs, the shortest safe path from there is taken from
    the registry, and each step is shown and asked about before it is sent. A plan is made again
    behind every step, so what was interrupted is taken up by the same command.
    """
    out = Out(as_json)
    if is_planned:
        with Device(port) as device, refusals(out, device, registry):
            _walk_plan(out, device, registry or DEFAULT_URL, files, to, date_of(day), yes)
        return
    for name in _FOR_PLANS:
        if is_flag_given(ctx, name):
            raise click.UsageError(f"--{'on' if name == 'day' else name} goes with --plan")
    images = [(file, image.read_to_send(file)) for file in files]
    done = []
    with Device(port) as device, refusals(out, device, registry):
        confirmed = device.identity().confirmed
        reached = _reached(confirmed, [octets for _, octets in images])
        if confirmed and reached:
            done.append(confirmed.as_json())
            out.line(f"{images[reached - 1][0].name}: runs already")
        for file, octets in images[reached:]:
            outcome = upgrade_one(device, octets, file.name, out)
            done.append(outcome.as_json())
            out.line(f"{file.name}: running and confirmed")
    out.document({"confirmed": done})


def _reached(confirmed: FirmwareId | None, path: list[bytes]) -> int:
    """How many images of `path` are behind a device on which `confirmed` runs."""
    hashes = [hash_in(octets) for octets in path]
    if confirmed is None or confirmed.image_hash not in hashes:
        return 0
    return hashes.index(confirmed.image_hash) + 1


def upgrade_one(device: Device, octets: bytes, name: str, out: Out) -> FirmwareId:
    """One step of a path: returns the firmware that is confirmed at its end."""
    send(device, octets, name, out)
    staged = device.wait_verified()
    wanted = staged.offered.image_hash
    assert wanted is not None
    out.note(f"{name}: staged, starting it on trial")
    device.activate(wanted)
    device.reset()
    device.wait_outcome(wanted)
    return staged.offered


# --- by a plan


def _walk_plan(
    out: Out,
    device: Device,
    url: str,
    files: tuple[Path, ...],
    to: str,
    day: datetime.date | None,
    yes: bool,
) -> None:
    # imported late: an upgrade without a plan needs no database
    from hanboot.cli.registry_options import opened
    from hanboot.registry.pathways.walk import plan_upgrade

    with opened(url) as registry:
        identity = device.identity()
        plan, steps = plan_upgrade(registry, identity, files, to, day)
        serial = f"{explain.device_type(identity.device_type)} {identity.serial.hex('-').upper()}"
        # who is asked must see it, also where stdout is for a program
        _show(out.line if yes or not out.as_json else out.note, serial, plan, steps)
        done: list[FirmwareId] = []
        try:
            for number, step in enumerate(steps, 1):
                if not yes:
                    _ask(out, step, f"step {number} of {len(steps)}")
                octets = step.image.octets
                done.append(upgrade_one(device, octets, step.entry.cpl_entry_id, out))
                out.line(f"{step.entry.cpl_entry_id}: running and confirmed")
                _check_still(registry, device, steps[number:], to, day)
        except click.Abort:
            out.document(_as_json(plan, steps, done))
            raise
        out.document(_as_json(plan, steps, done))


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
        Abort: the answer is no, or nobody answers.
    """
    door = "; there is no way back from it" if step.entry.point_of_no_return else ""
    question = f"Send {step.entry.cpl_entry_id} ({step.entry.version_text}), {place}{door}?"
    try:
        is_sure = click.confirm(question, err=True)
    except click.Abort:
        out.note("\nnobody answered: --yes asks nothing")
        raise
    if not is_sure:
        out.note("not sent; the same command goes on from what the device runs")
        raise click.Abort


def _check_still(
    registry: Registry,
    device: Device,
    left: list[WalkStep],
    to: str,
    day: datetime.date | None,
) -> None:
    """Plans again from what the device says now; what is left must still be the plan.

    Raises:
        Refused: it is not, for the device is not what the registry takes it for.
    """
    from hanboot.registry.pathways.plan import NoPlan, plan_for_device
    from hanboot.registry.pathways.state import state_of

    again = plan_for_device(registry, state_of(device.identity()), to, day)
    if isinstance(again, NoPlan):
        raise again.refusal()
    if list(_ids(again.steps)) != [step.entry.cpl_entry_id for step in left]:
        way = " -> ".join(_ids(again.steps)) or "nothing more"
        raise Refused(
            "the plan does not hold any more",
            f"from what the device runs now it would be {way}",
            "look at hanboot status and hanboot registry check, then give the same command again",
        )


def _ids(entries: Any) -> Iterator[str]:
    return (entry.cpl_entry_id for entry in entries)


def _as_json(plan: Plan, steps: list[WalkStep], done: list[FirmwareId]) -> dict[str, Any]:
    document = plan.as_json()
    for number, step in enumerate(steps):
        document["steps"][number] |= {"file": step.image.name, "confirmed": number < len(done)}
    return document | {"confirmed": [firmware.as_json() for firmware in done]}
