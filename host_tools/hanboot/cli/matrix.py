"""`hanboot matrix`: every release offered to a device that runs every other."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hanboot import files, terminal
from hanboot.boards import local, virtual
from hanboot.boards.flashing import describe
from hanboot.cli.arguments import FilePath, interpreter_option
from hanboot.cli.connection import connect, line_options
from hanboot.cli.gating import Gate, gate_options
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import any_registry_option, option
from hanboot.device.client import Device
from hanboot.device.provisioning import anchor_key
from hanboot.errors import CheckFailed, WrongUsage
from hanboot.image import ota_file
from hanboot.matrix import oracle, report
from hanboot.matrix.cells import Evidence, Matrix, MatrixCell, NamedImage, name_releases
from hanboot.matrix.reading import Trust
from hanboot.matrix.virtual import VirtualMatrix
from hanboot.matrix.walk import DeviceWalk
from hanboot.trust import keys
from hanbootloader import VERSION
from hanbootloader.policy import DEVICE_TYPES
from hanbootloader.trust import cell

if TYPE_CHECKING:
    from hanboot.inventory.gate import Sending


@click.command()
@click.argument("files_given", metavar="IMAGES...", type=FilePath(), nargs=-1, required=True)
@line_options
@option(
    "manufacturer_public_key",
    required=True,
    type=FilePath(),
    help="Public key (PEM) or certificate that signs envelopes.",
)
@option(
    "supplier_public_key",
    type=FilePath(),
    help="Public key (PEM) or certificate of the Authorising Remote Party.",
)
# never from the environment or hanboot.toml: the device is upgraded
@click.option(
    "-p", "--port", metavar="PORT", help="Play on this device. Default: on virtual boards."
)
@click.option("--role", type=click.Choice(virtual.ROLES), help="What a virtual board plays.")
@click.option(
    "--board",
    type=click.Choice(list(local.BOARDS)),
    default="virtual",
    show_default=True,
    help="What to play on without --port.",
)
@click.option(
    "--allow-unreached",
    "allowed",
    metavar="NAME",
    multiple=True,
    help="An image that need not run, by its name in the matrix. Repeatable.",
)
@interpreter_option
@click.option("--html", "html_file", type=FilePath(), help="Write an HTML page.")
@click.option("--junit", "junit_file", type=FilePath(), help="Write JUnit XML.")
@any_registry_option
@gate_options
@json_option
def matrix(
    files_given: tuple[Path, ...],
    manufacturer_public_key: Path,
    supplier_public_key: Path | None,
    port: str | None,
    role: str | None,
    board: str,
    allowed: tuple[str, ...],
    html_file: Path | None,
    junit_file: Path | None,
    registry: str | None,
    gate: Gate,
    as_json: bool,
) -> None:
    """Offer each of IMAGES to a device that runs each of them, and start what it accepts.

    Every answer is compared with the decision function's and with an independent oracle's; also
    after a failed trial and after a revert. Exit code 1 if any differ, and if an image never ran
    that --allow-unreached does not name.

    With --port a real device is upgraded, as far as it allows; there is no way back. A registry
    that --registry or HANBOOT_REGISTRY names binds then, as with hanboot upgrade.
    """
    out = Out(as_json)

    def tell(row: str) -> None:
        out.note(f"running {row} ...")

    _check_outputs([file for file in (html_file, junit_file) if file], files_given)
    releases = name_releases([ota_file.load(file) for file in files_given])
    _check_allowed(allowed, [release.name for release in releases])
    if supplier_public_key is None and any(release.image.trailer for release in releases):
        raise WrongUsage(
            "some image carries a supplier's signature",
            "it is unknown whether a device would trust it",
            "give the supplier's public key: --supplier-public-key",
        )
    trust = Trust(
        keys.load_public(manufacturer_public_key),
        keys.load_public(supplier_public_key) if supplier_public_key else None,
    )
    if port:
        with connect(port) as device:
            identity = device.identity()
            played = _walk(device, gate, DeviceWalk(device, releases, trust, tell), releases)
            played.evidence = _evidence(f"{describe(identity)}, {identity.tier}", trust)
    else:
        cells = [anchor_key(cell.MANUFACTURER, manufacturer_public_key)]
        if supplier_public_key:
            cells.append(anchor_key(cell.SUPPLIER, supplier_public_key))
        with tempfile.TemporaryDirectory(prefix="hanboot-matrix-") as folder:
            playing = VirtualMatrix(
                Path(folder),
                role or _role(releases),
                releases,
                cells,
                trust,
                tell,
                local.BOARDS[board],
            )
            played = playing.play()
            name = f"{board} boards on this machine, tier {playing.tier}"
            played.evidence = _evidence(name, trust)
    _show(out, played)
    if html_file:
        files.write(html_file, report.html(played).encode())
    if junit_file:
        files.write(junit_file, report.junit(played))
    if played.faulty:
        raise CheckFailed(
            report.summary(played),
            report.fault_lines(played)[0],
            "one of the three is wrong: read docs/reference/decisions.md, then fix it",
        )
    if missing := [r.name for r in played.unreached if r.name not in allowed]:
        raise CheckFailed(
            f"nothing is shown of {', '.join(missing)}: never started",
            "every answer agrees, but no device allowed a step to it from what it ran",
            "give the images that lead there and the key that signed them, or name it with "
            "--allow-unreached",
        )


def _check_outputs(outputs: list[Path], inputs: tuple[Path, ...]) -> None:
    """Before anything is played: reports can be written, and over nothing that was given."""
    taken = {file.resolve() for file in inputs}
    for file in outputs:
        files.check_writable(file)
        if file.resolve() in taken:
            raise WrongUsage(
                f"a report cannot be written to {file}",
                "it is an image or the other report",
                "give each file a name of its own",
            )
        taken.add(file.resolve())


def _check_allowed(allowed: tuple[str, ...], names: list[str]) -> None:
    for name in allowed:
        if name not in names:
            raise WrongUsage(
                f"--allow-unreached {name} names no image",
                f"the matrix calls them {', '.join(names)}",
                "give one of these names",
            )


def _evidence(board: str, trust: Trust) -> Evidence:
    given = {"manufacturer": trust.manufacturer, "supplier": trust.supplier}
    return Evidence(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        version=VERSION,
        command=shlex.join(sys.argv),
        board=board,
        keys={role: hashlib.sha256(key.point).hexdigest() for role, key in given.items() if key},
    )


def _walk(device: Device, gate: Gate, walk: DeviceWalk, releases: list[NamedImage]) -> Matrix:
    """Plays on a real device, if every image may be sent to it; what came of each is recorded."""
    with contextlib.ExitStack() as stack:
        # the last to be entered is recorded first; a device goes up
        downwards = sorted(releases, key=lambda r: r.image.header.file_version, reverse=True)
        sent = [(r, stack.enter_context(gate.sending(device, r.image))) for r in downwards]
        played = walk.play()
        for release, sending in sent:
            if sending:
                _record(sending, [cell for cell in played.cells if cell.offered == release])
    return played


def _record(sending: Sending, cells: list[MatrixCell]) -> None:
    """The furthest that an image came, of all the times that it was offered."""
    outcomes = {cell.outcome for cell in cells}
    if "confirmed" in outcomes:
        return
    if outcomes & {"reverted", "not activated"}:
        sending.failed()
    elif any(cell.device == oracle.ACCEPTED for cell in cells):
        sending.staged()
    else:
        sending.refused(cells[0].device if cells else "never offered")


def _role(releases: list[NamedImage]) -> str:
    # the examples' image types are their device types
    image_type = releases[0].image.header.image_type
    return next((role for role in virtual.ROLES if DEVICE_TYPES[role] == image_type), "ppmid")


def _show(out: Out, played: Matrix) -> None:
    out.document(played.as_json())
    if sys.stdout.isatty() and not out.as_json:
        _show_table(played)
    else:
        for line in report.text_lines(played):
            out.line(line)
    for line in (*report.fault_lines(played), *played.remarks, report.summary(played)):
        out.line(line)


def _show_table(played: Matrix) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def shown(cell: MatrixCell | None) -> Text:
        if cell is None:
            return Text("-")
        style = "bold red" if cell.faults else "green" if cell.outcome else ""
        return Text(terminal.clean(cell.text), style)

    lines = box.HEAVY_HEAD if terminal.is_unicode() else box.ASCII
    table = Table("running", show_lines=True, box=lines)
    for release in played.releases:
        # labels come from images
        table.add_column(Text(terminal.clean(release.name)))
    for situation, row in played.rows.items():
        cells = (shown(row.get(release)) for release in played.releases)
        table.add_row(Text(terminal.clean(situation.name)), *cells)
    # written as all else is, whatever the terminal's encoding takes
    console = Console()
    with console.capture() as captured:
        console.print(table)
    terminal.write(captured.get(), end=False)
