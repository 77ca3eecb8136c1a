"""Planning: what next for a device; and the SSC's question about ZigBee stacks."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.http import HttpRequest, HttpResponseBase

from hanboot.errors import HanbootError
from hanboot.library.catalogue import downloads, planning, reading
from hanboot.library.permissions import Action
from hanboot.library.web import pages
from hanboot.library.web.inputs import TextInput
from hanboot.library.web.routes import route
from hanboot.library.web.views.entries import model_of
from hanboot.registry.fields import BadValue
from hanboot.registry.pathways.plan import LATEST


class PlanForm(forms.Form):
    model = forms.CharField(
        label="Model",
        max_length=20,
        widget=TextInput,
        help_text="Manufacturer code and device model: 4 and 8 hex digits.",
    )
    version = forms.CharField(label="Firmware version that runs", max_length=16, widget=TextInput)
    image_hash = forms.CharField(
        label="Its hash, if you know it",
        required=False,
        max_length=100,
        widget=TextInput,
        help_text="Needed where one version is listed with several hashes.",
    )
    to = forms.CharField(
        label="Target",
        required=False,
        max_length=64,
        widget=TextInput,
        help_text="A CPL Entry ID; empty: the newest.",
    )


@route("plan", Action.PLAN)
def plan(request: HttpRequest) -> HttpResponseBase:
    form = PlanForm(request.GET if "version" in request.GET else None)
    answer, status = None, 200
    if form.is_bound:
        status = 400
        if form.is_valid():
            values = form.cleaned_data
            try:
                answer = planning.what_next(
                    pages.library(),
                    pages.user_of(request),
                    model=model_of(values["model"].replace(" ", "")),
                    version=values["version"],
                    image_hash=values["image_hash"],
                    to=values["to"] or LATEST,
                )
                status = 200
            except BadValue as bad:
                form.add_error(None, str(bad))
            except HanbootError as error:
                form.add_error(None, ". ".join(error.lines))
    steps = _steps(request, answer.steps) if answer else []
    values = {"form": form, "answer": answer, "steps": steps, "back": request.get_full_path()}
    return pages.render(request, "plan.html", values, status)


def _steps(request: HttpRequest, found: Sequence[planning.InstallStep]) -> list[dict[str, object]]:
    """Steps with whether the image of each can be had, and was acknowledged."""
    user = pages.user_of(request)
    reading.record(pages.library(), user, [step.held for step in found if step.held is not None])
    shown: list[dict[str, object]] = []
    for step in found:
        shown.append({"entry": step.entry, "held": step.held})
        if step.held is not None:
            shown[-1] |= {
                "notes": pages.notes_of(step.held),
                "refusal": downloads.why_not(user, step.held),
                "acknowledged": step.acknowledged,
            }
    return shown


class HoldingsForm(forms.Form):
    vendor = forms.CharField(label="Chipset vendor", required=False, max_length=128)
    stack = forms.CharField(label="Stack version", required=False, max_length=128)


@route("zigbee", Action.QUERY_ZIGBEE)
def zigbee(request: HttpRequest) -> HttpResponseBase:
    form = HoldingsForm(request.GET or None)
    found = None
    if form.is_bound and form.is_valid():
        found = planning.holdings(pages.library(), pages.user_of(request), **form.cleaned_data)
    return pages.render(
        request,
        "zigbee.html",
        {"form": form, "found": found, "devices": sum(each.devices for each in found or ())},
    )
