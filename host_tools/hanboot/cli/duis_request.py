"""`hanboot duis request`: one command for each Service Request of the firmware services."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hanboot import files, terminal
from hanboot.cli.arguments import FilePath, layout_option, note_assumption
from hanboot.cli.certificates import date_argument
from hanboot.cli.settings import passphrase_asker, passphrase_option
from hanboot.errors import BadFile, WrongUsage
from hanboot.image import ota_file
from hanboot.image.ota_file import Layout
from hanboot.trust import keys
from hanboot.trust.smki.certificate import parse_eui

_Command = TypeVar("_Command", bound=Callable[..., Any])

_HASH_BYTES = 32


def needs_lxml(command: _Command) -> _Command:
    """For commands that import `hanboot.duis`."""

    @functools.wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        try:
            import lxml  # noqa: F401
        except ImportError:
            raise WrongUsage(
                "DUIS needs lxml",
                "hanboot was installed without it",
                "pip install 'hanboot[chain]'",
            ) from None
        return command(*arguments, **options)

    return checked  # type: ignore[return-value]


class _Eui(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "eui"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, bytes):
            return value
        try:
            return parse_eui(value)
        except ValueError:
            self.fail(f"{value!r} is no EUI-64 like 90-B3-D5-1F-30-01-00-00")


EUI = _Eui()


def write_document(root: Any, output: Path | None) -> None:
    """A document to a file, or to standard output."""
    from hanboot.duis import signature

    octets = signature.to_octets(root)
    if output:
        files.write(output, octets)
    else:
        terminal.echo(octets.decode())


def request_options(command: _Command) -> _Command:
    """Those of every request."""
    for option in (
        click.option(
            "-o", "--output", type=FilePath(), help="File to write; default: standard output."
        ),
        click.option(
            "--counter",
            type=click.IntRange(1, (1 << 64) - 1),
            help="Originator counter. Default: milliseconds since 1970.",
        ),
        click.option(
            "--originator", type=EUI, required=True, metavar="EUI", help="The user that asks."
        ),
    ):
        command = option(command)
    return command


broker_option = click.option(
    "--target",
    type=EUI,
    required=True,
    metavar="EUI",
    help="The Access Control Broker, to which requests to the DCC go.",
)
device_target_option = click.option(
    "--device", type=EUI, required=True, metavar="EUI", help="The device."
)
execution_option = click.option(
    "--execution-time", metavar="DATE", help="When, YYYY-MM-DDTHH:MM:SSZ. Default: at once."
)


def _request_id(originator: bytes, target: bytes, counter: int | None) -> Any:
    from hanboot.duis.identifiers import RequestID

    return RequestID(originator, target, counter or time.time_ns() // 1_000_000)


@click.group()
def request() -> None:
    """Build a Service Request; `hanboot duis sign` signs it."""


@request.command("8.2")
@request_options
@broker_option
@click.option("--device", type=EUI, metavar="EUI", help="Of this device's premises.")
@click.option("--mpxn", metavar="TEXT", help="Of this MPAN or MPRN.")
@click.option("--uprn", metavar="NUMBER", help="Of this property.")
@needs_lxml
def read_inventory(
    originator: bytes,
    target: bytes,
    counter: int | None,
    device: bytes | None,
    mpxn: str | None,
    uprn: str | None,
    output: Path | None,
) -> None:
    """Read Inventory: what is installed, and which version it runs."""
    from hanboot.duis import requests
    from hanboot.trust.smki.certificate import eui_text

    given = {
        "DeviceID": eui_text(device) if device else None,
        "MPxN": mpxn,
        "UPRN": uprn,
    }
    chosen = [(name, value) for name, value in given.items() if value]
    if len(chosen) != 1:
        raise click.UsageError("give --device, --mpxn or --uprn, one of them")
    request_id = _request_id(originator, target, counter)
    write_document(requests.read_inventory(request_id, *chosen[0]), output)


def _distribution(command: _Command) -> _Command:
    for option in (
        layout_option,
        click.option(
            "--devices",
            type=FilePath(),
            metavar="FILE",
            help="Devices, one EUI-64 on a line, or with commas between.",
        ),
        click.option(
            "--device",
            "named",
            type=EUI,
            multiple=True,
            metavar="EUI",
            help="A device. Repeatable.",
        ),
        click.option("--image", type=FilePath(), required=True, help="The OTA Upgrade Image."),
        broker_option,
    ):
        command = option(command)
    return command


@request.command("11.1")
@request_options
@_distribution
@needs_lxml
def update_firmware(
    originator: bytes,
    target: bytes,
    counter: int | None,
    image: Path,
    named: tuple[bytes, ...],
    devices: Path | None,
    layout: Layout | None,
    output: Path | None,
) -> None:
    """Update Firmware: distribute an image with a supplier's signature (meters, HCALCS)."""
    from hanboot.duis import requests

    loaded = ota_file.load(image, layout)
    note_assumption(loaded)
    root = requests.update_firmware(
        _request_id(originator, target, counter), loaded, _devices(named, devices)
    )
    write_document(root, output)


@request.command("11.4")
@request_options
@_distribution
@needs_lxml
def update_ppmid_firmware(
    originator: bytes,
    target: bytes,
    counter: int | None,
    image: Path,
    named: tuple[bytes, ...],
    devices: Path | None,
    layout: Layout | None,
    output: Path | None,
) -> None:
    """Update PPMID Firmware: distribute an image to PPMIDs and have it activated."""
    from hanboot.duis import requests

    loaded = ota_file.load(image, layout)
    note_assumption(loaded)
    root = requests.update_ppmid_firmware(
        _request_id(originator, target, counter), loaded, _devices(named, devices)
    )
    write_document(root, output)


def _devices(named: tuple[bytes, ...], file: Path | None) -> list[bytes]:
    devices = list(named)
    if file:
        # 50,000 identifiers and their separators
        text = files.read(file, 2_000_000).decode("ascii", "replace")
        for at, word in enumerate(text.replace(",", " ").split(), 1):
            try:
                devices.append(parse_eui(word))
            except ValueError:
                raise BadFile(
                    f"{file} is no list of devices",
                    f"entry {at} is {word[:40]!r}, and no EUI-64",
                    "write one EUI-64 on a line, like 00-DB-12-34-56-78-90-A0",
                ) from None
    if not devices:
        raise click.UsageError("give --device or --devices")
    return devices


@request.command("11.2")
@request_options
@device_target_option
@click.option(
    "--command-variant",
    type=click.Choice(["1", "2", "3"]),
    default="1",
    show_default=True,
    help="1: send it; 2: for local delivery; 3: both.",
)
@execution_option
@needs_lxml
def read_firmware_version(
    originator: bytes,
    device: bytes,
    counter: int | None,
    command_variant: str,
    execution_time: str | None,
    output: Path | None,
) -> None:
    """Read Firmware Version: ask a device for the version that it runs."""
    from hanboot.duis import requests

    root = requests.read_firmware_version(
        _request_id(originator, device, counter),
        int(command_variant),
        date_argument(execution_time),
    )
    write_document(root, output)


@request.command("11.3")
@click.option("--originator", type=EUI, metavar="EUI", help="The user that asks.")
@click.option("--device", type=EUI, metavar="EUI", help="The device.")
@click.option(
    "--counter",
    type=click.IntRange(1, (1 << 63) - 1),
    help="Originator counter. Default: milliseconds since 1970.",
)
@click.option("--hash", "image_hash", metavar="HEX", help="Manufacturer Image Hash to activate.")
@click.option("--image", type=FilePath(), help="In place of --hash: the image.")
@execution_option
@click.option("--cancel", is_flag=True, help="Call off the activation of this hash.")
@click.option(
    "--request",
    "request_file",
    type=FilePath(),
    metavar="REQUEST",
    help="Second step: the request as it was sent ...",
)
@click.option(
    "--answer",
    "answer_file",
    type=FilePath(),
    metavar="RESPONSE",
    help="... and the DSP's response with the pre-command, already verified.",
)
@click.option("--signing-key", type=FilePath(), metavar="KEY", help="Private key that signs it.")
@click.option(
    "--command-variant",
    type=click.Choice(["5", "6", "7"]),
    default="5",
    show_default=True,
    help="Second step. 5: send it; 6: for local delivery; 7: both.",
)
@layout_option
@click.option("-o", "--output", type=FilePath(), help="File to write; default: standard output.")
@passphrase_option
@needs_lxml
def activate_firmware(
    originator: bytes | None,
    device: bytes | None,
    counter: int | None,
    image_hash: str | None,
    image: Path | None,
    execution_time: str | None,
    cancel: bool,
    request_file: Path | None,
    answer_file: Path | None,
    signing_key: Path | None,
    command_variant: str,
    layout: Layout | None,
    output: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Activate Firmware, in two steps.

    First the request, which the DSP answers with a pre-command. Then, with --request, --answer and
    --signing-key: the pre-command is compared with the request, signed, and put into a second
    request. Both are signed by `hanboot duis sign`.
    """
    from hanboot.duis import parsing, precommand, requests

    if request_file or answer_file:
        if not (request_file and answer_file and signing_key):
            raise click.UsageError("--request, --answer and --signing-key go together")
        asked = parsing.load(request_file)
        command = precommand.compare(asked, parsing.load(answer_file))
        key = keys.load_private(signing_key, passphrase_asker(passphrase_file))
        write_document(precommand.sign(asked, command, int(command_variant), key), output)
        return
    if originator is None or device is None:
        raise click.UsageError("give --originator and --device, or --request and --answer")
    if cancel and execution_time:
        raise click.UsageError("give --cancel or --execution-time, one of them")
    root = requests.activate_firmware(
        _request_id(originator, device, counter),
        _hash(image_hash, image, layout),
        date_argument(execution_time),
        cancel,
    )
    write_document(root, output)


def _hash(text: str | None, image: Path | None, layout: Layout | None) -> bytes:
    if (text is None) == (image is None):
        raise click.UsageError("give --hash or --image, one of them")
    if image:
        loaded = ota_file.load(image, layout)
        note_assumption(loaded)
        return loaded.image_hash
    try:
        octets = bytes.fromhex(text or "")
    except ValueError:
        octets = b""
    if len(octets) != _HASH_BYTES:
        raise click.BadParameter("give 64 hexadecimal digits", param_hint="'--hash'")
    return octets
