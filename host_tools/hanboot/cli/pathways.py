"""Commands of `hanboot registry` about pathways: check, plan, diagram."""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections import Counter
from pathlib import Path

import click

from hanboot import files, terminal
from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.registry_options import (
    FILE,
    manufacturer_option,
    model_option,
    opened,
    parse_model,
    progress,
)
from hanboot.cli.settings import registry_option
from hanboot.errors import WrongUsage
from hanboot.registry.entry import Model
from hanboot.registry.pathways import svg
from hanboot.registry.pathways.check import Finding, check_registry
from hanboot.registry.pathways.diagram import as_mermaid, as_text, draw
from hanboot.registry.pathways.plan import (
    LATEST,
    NoPlan,
    Plan,
    load_pathways,
    plan_between,
    plan_for_device,
    remarks,
)
from hanboot.registry.pathways.state import parse_state

_STATE_MAX_BYTES = 1 << 20


# --- check


@click.command()
@model_option
@manufacturer_option
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@on_option
@registry_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    model: Model | None,
    manufacturer: int | None,
    strict: bool,
    day: datetime.datetime | None,
    url: str,
    as_json: bool,
) -> None:
    """Prove the registry: every entry reaches the newest of its model, every reference holds.

    Exit code 1 if there are errors, so that it can guard a pipeline.
    """
    out = Out(as_json)
    counts: Counter[str] = Counter()
    found: list[Finding] = []
    last: Model | None = None
    stated = 0
    with opened(url) as registry, progress("check") as advance:
        findings = check_registry(registry, date_of(day), model, manufacturer, advance)
        for finding in findings:
            counts[finding.severity] += 1
            stated += finding.code == "never-in-field"
            if as_json:
                found.append(finding)
                continue
            if finding.model != last:
                out.line(str(finding.model))
                last = finding.model
            out.line(f"  {finding.severity:<8} {finding.code:<20} {finding.text}")
    totals = {severity: counts[severity] for severity in ("error", "warning", "note")}
    summary = {**totals, "never_in_field": stated}
    out.document({"summary": summary, "findings": [finding.as_json() for finding in found]})
    words = [counted(n, severity) for severity, n in totals.items()]
    if stated:
        verb = "rests" if stated == 1 else "rest"
        words.append(f"{stated} of which {verb} on a statement 'never in the field'")
    out.line(", ".join(words))
    if counts["error"] or (strict and counts["warning"]):
        ctx.exit(1)


# --- plan


@click.command()
@click.option(
    "--device-state",
    "state_file",
    metavar="FILE",
    help="What hanboot status --json printed; - reads it from stdin.",
)
@click.option(
    "--from",
    "start",
    metavar="ID|VERSION|HASH",
    help="What runs: CPL Entry ID; or firmware version or hash, with --model where several fit.",
)
@model_option
@click.option(
    "--to", default=LATEST, show_default=True, metavar="ID", help="CPL Entry ID, or latest."
)
@on_option
@registry_option
@json_option
def plan(
    state_file: str | None,
    start: str | None,
    model: Model | None,
    to: str,
    day: datetime.datetime | None,
    url: str,
    as_json: bool,
) -> None:
    """The shortest safe path for a device, by the decision that the device itself makes."""
    out = Out(as_json)
    if bool(state_file) == bool(start):
        raise click.UsageError("give --device-state or --from, and not both")
    with opened(url) as registry:
        answer: Plan | NoPlan
        if state_file:
            state = parse_state(_state_octets(state_file), state_file)
            answer = plan_for_device(registry, state, to, date_of(day))
        else:
            answer = plan_between(registry, start or "", to, date_of(day), model)
    out.document(answer.as_json())
    if isinstance(answer, NoPlan):
        raise answer.refusal()
    if not answer.steps:
        out.line(f"{answer.start} is there already: nothing to do")
        return
    count = counted(len(answer.steps), "step")
    out.line(f"from {answer.start} to {answer.target.cpl_entry_id} in {count}")
    for number, step in enumerate(answer.steps, 1):
        out.line(f"{number:>3}  {step.cpl_entry_id}  {step.version_text}  {step.image_hash.hex()}")
        for remark in remarks(step):
            out.line(f"     {remark}")


def _state_octets(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(_STATE_MAX_BYTES)
    return files.read(Path(name), _STATE_MAX_BYTES)


# --- diagram


@click.command()
@click.argument("model_or_id", metavar="MODEL|CPL_ENTRY_ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "ascii", "mermaid", "svg"]),
    help="Default: by the ending of the file's name, or text.",
)
@click.option("-o", "--output", type=FILE, help="File to write, instead of stdout.")
@on_option
@registry_option
def diagram(
    model_or_id: str,
    form: str | None,
    output: Path | None,
    day: datetime.datetime | None,
    url: str,
) -> None:
    """Draw the pathways of a model ('FFF0 00050100'), or of the model of an entry."""
    with opened(url) as registry:
        wanted = _model(model_or_id) or registry.entry(model_or_id).model
        pathways = load_pathways(registry, wanted, date_of(day))
    if not pathways.entries:
        raise WrongUsage(
            f"there is no model {wanted}",
            "the registry has no entry of it",
            "hanboot registry show lists what it holds",
        )
    drawn = draw(pathways)
    by_ending = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid"}
    form = form or by_ending.get(output.suffix.lower() if output else "", "text")
    text = {
        "text": lambda: as_text(drawn),
        "ascii": lambda: as_text(drawn, ascii_only=True),
        "mermaid": lambda: as_mermaid(drawn),
        "svg": lambda: svg.as_svg(drawn),
    }[form]()
    if output:
        files.write(output, text.encode())
        terminal.echo(f"{output}: written", err=True)
    else:
        terminal.echo(text, end=False)


def _model(text: str) -> Model | None:
    with contextlib.suppress(click.BadParameter):
        return parse_model(text)
    return None


COMMANDS = (check, plan, diagram)
