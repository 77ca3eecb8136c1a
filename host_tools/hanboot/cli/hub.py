"""`hanboot hub`: a Communications Hub to test devices against."""

from __future__ import annotations

import base64
import contextlib
import random
import threading
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from hanboot import terminal
from hanboot.cli.arguments import EuiType, layout_option
from hanboot.cli.gating import Gate, gate_options
from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.settings import any_registry_option, passphrase_asker, passphrase_option
from hanboot.image.ota_file import Layout

if TYPE_CHECKING:
    from hanboot.device.client import Device
    from hanboot.device.records import Identity

_WATCH_S = 0.2
#: Of a device's identity: what a gate asks about.
_MODEL = ("manufacturer_code", "image_type", "hardware_version", "device_type")

_socket_option = click.option(
    "--socket",
    type=click.Path(path_type=Path),
    envvar="HANBOOT_HUB_SOCKET",
    metavar="PATH",
    help="Where the hub listens for these commands.",
)
_to_option = click.option(
    "--to",
    multiple=True,
    required=True,
    type=EuiType(),
    metavar="EUI",
    help="EUI-64 of a device. Repeatable.",
)


def _socket(path: Path | None) -> Path:
    from hanboot.hub.control import default_path

    return path or default_path()


def _texts(euis: Sequence[bytes]) -> list[str]:
    return [eui.hex("-").upper() for eui in euis]


class Share(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A share of frames: 0.05 or 5%."""

    name = "share"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        text = str(value)
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            self.fail(f"{value!r} must be a share such as 5% or 0.05, below 1", param, ctx)
        return share


@click.group()
def hub() -> None:
    """Play a Communications Hub: OTA server, time and post for devices at ports."""


@hub.command()
@click.option(
    "-p", "--port", "ports", multiple=True, required=True, metavar="PORT", help="Repeatable."
)
@_socket_option
@click.option("--eui", type=EuiType(), metavar="EUI", help="EUI-64 of the hub.")
@click.option("--broker", type=EuiType(), metavar="EUI", help="Who gets the hub's alerts.")
@click.option(
    "--signing-key", type=click.Path(path_type=Path), help="Signs the hub's alerts (CCS08)."
)
@passphrase_option
@click.option("--seed", type=int, help="Of losses and delays. Default: drawn, and printed.")
@click.option("--loss", type=Share(), default=0.0, help="Share of frames that get lost.")
@click.option("--duplicates", type=Share(), default=0.0, help="Share that arrives twice.")
@click.option("--reorder", type=Share(), default=0.0, help="Share that the next overtakes.")
@click.option("--delay", type=click.FloatRange(0), default=0.0, help="Seconds on the way at most.")
@click.option(
    "--sleepy",
    multiple=True,
    metavar="EUI=SECONDS",
    help="A device that asks for frames only so often. Repeatable.",
)
@click.option("--block-bytes", type=click.IntRange(1, 255), default=64, show_default=True)
@click.option("--block-period", type=click.IntRange(0, 65535), default=0, help="Milliseconds.")
@click.option("--hold", type=click.IntRange(0), default=0, help="Seconds before a transfer begins.")
@click.option("--no-versions", is_flag=True, help="Forward devices' versions, and keep none.")
@click.option("--time-offset", type=int, default=0, help="Seconds that its clock is wrong by.")
@click.option("--no-time", is_flag=True, help="It does not know the time.")
@click.option(
    "--messages",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the GBCS messages of devices, a file each.",
)
def run(ports: tuple[str, ...], socket: Path | None, **options: Any) -> None:
    """Serve the devices at these ports until Ctrl-C."""
    from hanboot.hub.attachment import PortExchange
    from hanboot.hub.control import ControlServer
    from hanboot.hub.service import HubService

    seed = options["seed"] if options["seed"] is not None else random.randrange(1 << 31)
    sleepy = _sleepy(options["sleepy"])
    if options["messages"] is not None:
        options["messages"].mkdir(mode=0o700, parents=True, exist_ok=True)
    service = HubService(_settings(options), _weather(options), seed, _tell, options["messages"])
    found = [(port, _identity_of(port)) for port in ports]
    server = ControlServer(_socket(socket), service.handle)
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    _tell(f"seed {seed}")
    try:
        for port, identity in found:
            eui = identity.serial
            model = {name: getattr(identity, name) for name in _MODEL}
            service.attach(eui, PortExchange(port, eui), sleepy.pop(eui, 0.0), model)
            _tell(f"{eui.hex('-').upper()} at {port}")
        while True:
            time.sleep(_WATCH_S)
            service.watch()
    except KeyboardInterrupt:
        _tell("stopped")
    finally:
        stop.set()
        service.close()
        server.close()


def _tell(line: str) -> None:
    terminal.echo(line)


def _settings(options: dict[str, Any]) -> Any:
    from hanboot.hub.hub import Settings
    from hanboot.hub.ota import Pacing
    from hanboot.trust import keys

    settings = Settings(
        pacing=Pacing(options["block_bytes"], options["block_period"], options["hold"]),
        keeps_versions=not options["no_versions"],
        time_offset_s=options["time_offset"],
        has_time=not options["no_time"],
    )
    settings.eui = options["eui"] or settings.eui
    settings.broker = options["broker"] or settings.broker
    if options["signing_key"]:
        ask = passphrase_asker(options["passphrase_file"])
        settings.key = keys.load_private(options["signing_key"], ask)
    return settings


def _weather(options: dict[str, Any]) -> Any:
    from hanboot.hub.air import Weather

    return Weather(options["loss"], options["duplicates"], options["reorder"], options["delay"])


def _sleepy(texts: Sequence[str]) -> dict[bytes, float]:
    from hanboot.trust.smki.certificate import parse_eui

    found = {}
    for text in texts:
        eui, _, seconds = text.partition("=")
        try:
            found[parse_eui(eui)] = float(seconds)
        except ValueError:
            raise click.BadParameter(
                f"{text!r} is not EUI=SECONDS", param_hint="'--sleepy'"
            ) from None
    return found


def _identity_of(port: str) -> Identity:
    from hanboot.device.client import Device

    with Device(port) as device:
        return device.identity()


@hub.command()
@click.argument("image_file", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option(
    "--to", multiple=True, type=EuiType(), metavar="EUI", help="EUI-64 of a device. Repeatable."
)
@click.option("--broadcast", is_flag=True, help="To all devices of the hub, by one notification.")
@click.option(
    "--jitter",
    type=click.IntRange(1, 100),
    default=100,
    help="Of a broadcast: how many in a hundred devices ask at once.",
)
@click.option(
    "--activate-in",
    type=click.IntRange(0, 0xFFFFFFFE),
    metavar="SECONDS",
    help="After Upgrade End. Default: at once; a supplier-signed image waits for CS06.",
)
@click.option("--wait", is_flag=True, help="Leave the activation to a message.")
@layout_option
@any_registry_option
@gate_options
@_socket_option
@json_option
def offer(
    image_file: Path,
    to: tuple[bytes, ...],
    broadcast: bool,
    jitter: int,
    activate_in: int | None,
    wait: bool,
    layout: Layout | None,
    registry: str | None,
    gate: Gate,
    socket: Path | None,
    as_json: bool,
) -> None:
    """Have the hub hold IMAGE for devices, and notify them.

    Where a registry binds, its ban and its CPL do, for each device.
    """
    from hanboot.hub.control import call
    from hanboot.image import ota_file

    if bool(to) == broadcast:
        raise click.UsageError("name devices with --to, or all of them with --broadcast")
    if wait and activate_in is not None:
        raise click.UsageError("--wait and --activate-in exclude each other")
    image = ota_file.load(image_file, layout)
    if activate_in is None and not wait and image.trailer is None:
        activate_in = 0
    request = {
        "command": "offer",
        "octets": base64.b64encode(image.octets).decode(),
        "layout": layout,
        "to": _texts(to),
        "jitter": jitter if broadcast else None,
        "activate_in_s": activate_in,
    }
    out, path = Out(as_json), _socket(socket)
    with contextlib.ExitStack() as stack:
        models = call(path, {"command": "models"})
        for text in models if broadcast else _texts(to):
            known = cast("Device", _Known(text, models.get(text, {})))
            sending = stack.enter_context(gate.sending(known, image, image_file.name))
            if sending is not None:
                sending.staged()
        offered = call(path, request)["offered_to"]
    out.document({"offered_to": offered})
    for eui in offered:
        out.line(f"{image.name} is held for {eui}")


class _Known:
    """A device of the hub, as far as a gate asks about it."""

    def __init__(self, eui: str, model: dict[str, int]) -> None:
        serial = bytes.fromhex(eui.replace("-", ""))
        fields = dict.fromkeys(_MODEL, 0) | model
        self._identity = types.SimpleNamespace(serial=serial, **fields)

    def identity(self) -> Any:
        return self._identity


@hub.command()
@_to_option
@_socket_option
def discard(to: tuple[bytes, ...], socket: Path | None) -> None:
    """Have the hub drop the image that it holds for devices."""
    from hanboot.hub.control import call

    call(_socket(socket), {"command": "discard", "to": _texts(to)})


@hub.command()
@click.argument("file", type=click.Path(path_type=Path))
@_to_option
@_socket_option
def send(file: Path, to: tuple[bytes, ...], socket: Path | None) -> None:
    """Send the GBCS message in FILE (octets, or hexadecimal text) to a device."""
    from hanboot.gbcs import codec
    from hanboot.hub.control import call

    octets = codec.read(file)
    call(_socket(socket), {"command": "send", "to": _texts(to), "message": octets.hex()})


@hub.command()
@_socket_option
@json_option
def messages(socket: Path | None, as_json: bool) -> None:
    """The GBCS messages that devices have sent."""
    from hanboot.hub.control import call
    from hanboot.hub.service import message_text

    found = call(_socket(socket), {"command": "messages"})
    out = Out(as_json)
    out.document(found)
    for one in found:
        out.line(f"{one['device']}  {message_text(bytes.fromhex(one['message']))}")


@hub.command()
@_socket_option
@json_option
def status(socket: Path | None, as_json: bool) -> None:
    """What the hub knows of its devices, and how far each is."""
    from hanboot.explain.versions import version_text
    from hanboot.hub.control import call

    found = call(_socket(socket), {"command": "status"})
    out = Out(as_json)
    out.document(found)
    for device in found["devices"]:
        version = device["file_version"]
        line = f"{device['device']}  {version_text(version) if version else '?'}"
        line += f"  {device['phase']}"
        if device["offered_version"] is not None:
            line += f" {version_text(device['offered_version'])}"
        if device["phase"] == "downloading" and device["total"]:
            line += f"  {100 * device['position'] // device['total']} %"
        if device["aborts"]:
            line += f"  given up by the device, {counted(device['aborts'], 'time')}"
        if device["reason"]:
            line += f"  {device['reason']['name']}"
        if device["accepts_version"] is not None:
            line += f", it would accept {version_text(device['accepts_version'])}"
        post = device["messages"]
        if post["waiting"]:
            line += f"  {counted(post['waiting'], 'message')} on the way"
        if post["settled"]:
            line += f"  last message {post['settled'][-1]}"
        if device["away"]:
            line += f"  away: {device['away']}"
        out.line(line)
