"""`hanboot dcc`: the data service provider as an HTTP service, and its client."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot import files, terminal
from hanboot.cli.arguments import FilePath, file_argument
from hanboot.cli.duis_request import EUI, needs_lxml
from hanboot.cli.migration import migrate_tables
from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.settings import registry_option
from hanboot.errors import BadFile, CheckFailed, LinkError
from hanboot.trust.signed_cbor import is_signed_cbor
from hanboot.trust.smki import certificate
from hanboot.trust.smki.certificate import SUPPLIER, eui_text

if TYPE_CHECKING:
    from hanboot.inventory.gate import Permit

_OBSTACLES_SHOWN = 10


@click.group()
def dcc() -> None:
    """Play the DCC's data service provider: screen, distribute, forward, answer.

    It works on the registry's database: CPL and inventory are there, and what is to be done.
    """


@dcc.command()
@registry_option
@click.option(
    "--listen", "address", default="127.0.0.1:8079", show_default=True, metavar="HOST:PORT"
)
@click.option(
    "--keys",
    "keys_folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder with dsp-xml and broker-ka, certificates and keys: hanboot smki new-test-pki.",
)
@click.option(
    "--schema",
    "schema_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with DUIS*.xsd: requests must be valid, too.",
)
@click.option("--tls-certificate", type=FilePath(), help="PEM; needed beyond this machine ...")
@click.option("--tls-key", type=FilePath(), help="... with its private key.")
@click.option("--behind-proxy", is_flag=True, help="A proxy before it has TLS.")
@click.option(
    "--spread",
    type=click.FloatRange(0, 30 * 86400),
    default=0,
    metavar="SECONDS",
    help="Window over which the images of one distribution go to the hubs. Default: at once.",
)
@click.option(
    "--silent-after",
    type=click.FloatRange(0, 365 * 24, min_open=True),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="When an image or an activation that nothing answers is recorded as unanswered.",
)
@click.option(
    "--give-up-after",
    type=click.FloatRange(0, 365 * 24, min_open=True),
    default=48.0,
    show_default=True,
    metavar="HOURS",
    help="How long a hub is tried, before the supplier gets a report of the failure.",
)
@click.option(
    "--permit-hours",
    type=click.FloatRange(0, 30 * 24, min_open=True),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="How long a permit for local updates is good for.",
)
@needs_lxml
def serve(
    url: str,
    address: str,
    keys_folder: Path,
    schema_folder: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    behind_proxy: bool,
    spread: float,
    silent_after: float,
    give_up_after: float,
    permit_hours: float,
) -> None:
    """Answer requests until stopped, and do what they ask for.

    Prints the address it listens at, then one line for each thing that happens.
    """
    from hanboot.dcc import http_server, keys, schema
    from hanboot.dcc.devices import Devices
    from hanboot.dcc.dispatch import TaskDispatcher
    from hanboot.dcc.hub_link import SocketHub
    from hanboot.dcc.service import Service
    from hanboot.duis.names import DOCUMENT_MAX_BYTES
    from hanboot.duis.schema import DuisSchema
    from hanboot.http import listen as http
    from hanboot.registry.storage.database import Database
    from hanboot.registry.storage.store import Registry

    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key go together")
    host, port = http.parse_listen(address)
    listen = http.Listen(host, port, tls_certificate, tls_key, behind_proxy)
    listen.check()
    held = keys.load(keys_folder)
    documents = DuisSchema(schema_folder) if schema_folder else None
    with Registry(Database(url)) as registry:
        schema.prepare(registry.database)
        window = datetime.timedelta(seconds=spread)
        valid = datetime.timedelta(hours=permit_hours)
        service = Service(registry, held, documents, spread=window, permit_valid=valid)
        patience = datetime.timedelta(hours=silent_after)
        devices = Devices(registry.database, service, held, answer_after=patience)
        trying = datetime.timedelta(hours=give_up_after)
        dispatcher = TaskDispatcher(registry.database, devices, SocketHub, give_up_after=trying)
        server = http.open_server(listen, http_server.Application(service), DOCUMENT_MAX_BYTES)
        scheme = "https" if tls_certificate else "http"
        terminal.echo(f"{scheme}://{host}:{server.bind_addr[1]}")
        _run(server, dispatcher.run)


def _run(server: Any, work: Callable[[threading.Event], None]) -> None:
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(stop,), daemon=True)
    worker.start()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.serve()
    finally:
        stop.set()
        server.stop()
        worker.join(timeout=30)


@dcc.command()
@file_argument
@click.option("--to", required=True, metavar="URL", help="Address of the service, without a path.")
@click.option(
    "--certificate",
    "certificates",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Certificate of the DSP: the answer must carry its signature.",
)
@click.option("--hash", "image_hash", metavar="HEX", help="Manufacturer Image Hash, sent with it.")
@click.option("-o", "--output", type=FilePath(), help="File for the answer.")
@click.option(
    "--permit",
    "permit_file",
    type=FilePath(),
    metavar="PERMIT",
    help="Have nothing distributed: ask for a permit to update these devices locally.",
)
@json_option
@needs_lxml
def submit(
    file: Path,
    to: str,
    certificates: tuple[Path, ...],
    image_hash: str | None,
    output: Path | None,
    permit_file: Path | None,
    as_json: bool,
) -> None:
    """Send the signed request in FILE, and check what is answered.

    The command variant decides to which of the service's paths it goes. With --permit the request
    is screened like any other, and what comes back goes with `hanboot upgrade --permit`.
    """
    from hanboot.dcc import answers, http_client, http_server
    from hanboot.duis import describe, names, parsing, signature

    out = Out(as_json)
    if not certificates:
        raise click.MissingParameter(param_hint="'--certificate'", param_type="option")
    octets = files.read(file, names.DOCUMENT_MAX_BYTES)
    asked = describe.describe(parsing.parse(octets, file.name))
    variant = asked.get("command_variant")
    path = next((path for path, taken in http_server.PATHS.items() if variant in taken), None)
    if path is None:
        raise click.UsageError(f"{file} is no request that the service takes")
    if permit_file:
        path = http_server.PERMIT_PATH
    headers = {http_server.HASH_HEADER: image_hash} if image_hash else {}
    try:
        answer = http_client.post(to.rstrip("/") + path, octets, headers)
    except http_client.Undelivered as error:
        raise LinkError(
            "the request was not answered", str(error), "check the address, then send it again"
        ) from None
    if permit_file and is_signed_cbor(answer):
        _take_permit(out, permit_file, answer, certificates, asked)
        return
    try:
        root = parsing.parse(answer, "the answer")
        described = describe.describe(root)
    except BadFile as bad:
        raise LinkError(
            "what answered is not the service", bad.why, "check the address, then send it again"
        ) from None
    signature.verify(root, [certificate.load(path) for path in certificates], None)
    answers.check_response(described, asked, for_permit=permit_file is not None)
    if output:
        files.write(output, answer)
    code = described["response_code"]
    out.document(described)
    out.pairs([("answer", f"{code}: {described['response']}"), *_list_pairs(described)])
    if answers.is_refusal(described):
        raise CheckFailed(
            f"the request was refused: {code}",
            described["response"],
            "correct it, and send it with a new counter",
        )


def _take_permit(
    out: Out, file: Path, octets: bytes, certificates: tuple[Path, ...], asked: dict[str, Any]
) -> None:
    from hanboot.dcc import answers
    from hanboot.inventory.gate import permit

    got = permit.decode(octets, "the permit")
    permit.check_signer(got, [certificate.load(path).key for path in certificates])
    answers.check_permit(got, asked)
    files.write(file, octets)
    out.document(got.as_json())
    out.pairs(_permit_pairs(got))
    permitted = set(got.devices)
    left = [one for one in asked["body"]["device_id_list"] if one.upper() not in permitted]
    if left:
        out.note(f"it leaves out {counted(len(left), 'device')}: {', '.join(left[:5])}")


def _permit_pairs(got: Permit) -> list[tuple[str, str]]:
    shown = got.as_json()
    return [
        ("party", got.party),
        ("devices", f"{len(got.devices)}: {', '.join(got.devices[:3])}"),
        ("image", f"{shown['file_version']}, hash {shown['hash']}"),
        ("good until", shown["valid_until"]),
    ]


@dcc.command()
@click.argument("file", metavar="PERMIT", type=FilePath())
@click.option(
    "--certificate",
    "certificates",
    type=FilePath(),
    multiple=True,
    required=True,
    metavar="CERT",
    help="Certificate of the DSP: the permit must carry its signature.",
)
@json_option
@needs_lxml
def permit(file: Path, certificates: tuple[Path, ...], as_json: bool) -> None:
    """Show a permit for local updates: who may update which devices, with what, until when."""
    from hanboot.inventory.gate import permit as permits

    got = permits.load(file)
    permits.check_signer(got, [certificate.load(path).key for path in certificates])
    out = Out(as_json)
    out.document(got.as_json())
    out.pairs(_permit_pairs(got))


def _list_pairs(described: dict[str, Any]) -> list[tuple[str, str]]:
    body = described["body"]
    for name in ("dsp_update_firmware_warning", "dsp_update_ppmid_firmware_warning"):
        if isinstance(body.get(name), dict):
            return [
                (key.replace("_", " "), f"{len(value)}: {', '.join(value[:5])}")
                for key, value in body[name].items()
            ]
    return []


@dcc.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--listen",
    "address",
    default="127.0.0.1:0",
    metavar="HOST:PORT",
    help="Default: this machine, a free port.",
)
@click.option(
    "--certificate",
    "certificates",
    type=FilePath(),
    multiple=True,
    required=True,
    metavar="CERT",
    help="Certificate of the DSP: documents must carry its signature. Repeatable.",
)
@click.option(
    "--schema",
    "schema_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with DUIS*.xsd: documents must be valid, too.",
)
@needs_lxml
def inbox(
    folder: Path, address: str, certificates: tuple[Path, ...], schema_folder: Path | None
) -> None:
    """Take what the DSP sends later, as a supplier does, into the folder DIR.

    Prints the address to enter with `hanboot dcc party --answers`, then a line for each document.
    """
    from hanboot.dcc.inbox import Inbox
    from hanboot.duis.names import DOCUMENT_MAX_BYTES
    from hanboot.duis.schema import DuisSchema
    from hanboot.http import listen as http

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BadFile(
            f"cannot make {folder}", (error.strerror or str(error)).lower(), "check the name"
        ) from None
    host, port = http.parse_listen(address)
    documents = DuisSchema(schema_folder) if schema_folder else None
    held = [certificate.load(path) for path in certificates]
    application = Inbox(folder, held, documents, terminal.echo)
    server = http.open_server(http.Listen(host, port), application, DOCUMENT_MAX_BYTES)
    terminal.echo(f"http://{host}:{server.bind_addr[1]}/")
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
    server.stop()


@dcc.command()
@registry_option
@click.option(
    "--silent-after",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="When a device that was sent an image, and that nothing was heard of, is listed.",
)
@json_option
@needs_lxml
def status(url: str, silent_after: float, as_json: bool) -> None:
    """Show what is under way, what waits for parties and why, and which devices are silent.

    A silent device's hub has its image, and neither of them has said anything since: Service
    Request 11.2 asks the device what it runs.
    """
    from hanboot.dcc import journal, schema
    from hanboot.dcc.service import now
    from hanboot.registry.storage.database import Database

    out = Out(as_json)
    database = Database(url)
    try:
        schema.prepare(database)
        with database.reading() as connection:
            found = journal.counts(connection)
            obstacles = journal.obstacles(connection, _OBSTACLES_SHOWN)
            before = now() - datetime.timedelta(hours=silent_after)
            silent = journal.silent(connection, before)
    finally:
        database.close()
    out.document(
        {
            **found,
            "obstacles": [{"why": why, "count": count} for why, count in obstacles],
            "silent": [{"device": device, "since": since} for device, since in silent],
        }
    )
    tasks = ", ".join(f"{count} {state}" for state, count in sorted(found["tasks"].items()))
    documents = [
        (f"for {party}", f"{count} waiting") for party, count in sorted(found["documents"].items())
    ]
    silent_pairs = [(device, f"silent since {since[:19]}Z") for device, since in silent]
    obstacle_pairs = [(f"{count} tried in vain", why) for why, count in obstacles]
    out.pairs([("tasks", tasks or "none"), *documents, *obstacle_pairs, *silent_pairs])


@dcc.command()
@registry_option
@json_option
@needs_lxml
def migrate(url: str, as_json: bool) -> None:
    """Bring older tables of the service to this version's schema, the registry's included.

    The tables of each take all missing steps or none. Stop the service and keep a copy first.
    """
    from hanboot.dcc.schema import SCHEMA

    migrate_tables(Out(as_json), url, "service", SCHEMA)


# --- records


@dcc.command()
@registry_option
@click.option("--eui", type=EUI, metavar="EUI", help="Of the party. Without it: list all.")
@click.option("--name", help="What it is called.")
@click.option(
    "--certificate",
    "certificates",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Its certificates: for XML, for signatures, for key agreement. Repeatable.",
)
@click.option("--answers", metavar="URL", help="Where answers and alerts go.")
@json_option
@needs_lxml
def party(
    url: str,
    eui: bytes | None,
    name: str | None,
    certificates: tuple[Path, ...],
    answers: str | None,
    as_json: bool,
) -> None:
    """Enter a supplier or change what is known of it; without --eui list the parties."""
    from hanboot.dcc import parties, schema
    from hanboot.registry.storage.database import Database

    out = Out(as_json)
    database = Database(url)
    try:
        schema.prepare(database)
        if eui:
            before = {one.eui: one for one in parties.parties(database)}.get(eui_text(eui))
            entered = parties.ServiceParty(
                eui_text(eui),
                name or (before.name if before else eui_text(eui)),
                SUPPLIER,
                answers or (before.answers_url if before else None),
            )
            held = [certificate.load(path) for path in certificates]
            parties.add_party(database, entered, held)
        found = parties.parties(database)
    finally:
        database.close()
    out.document([vars(one) for one in found])
    out.pairs(
        [(one.eui, f"{one.name}, answers to {one.answers_url or 'nowhere'}") for one in found]
    )


@dcc.command()
@click.argument("device", type=EUI)
@registry_option
@click.option("--supplier", type=EUI, required=True, metavar="EUI", help="Whose it is.")
@click.option("--hub", required=True, metavar="PATH", help="Control socket of its hub.")
@click.option(
    "--hub-eui", type=EUI, metavar="EUI", help="Of the hub. It says so itself once it is met."
)
@click.option("--gbcs-version", help="Of the device, where it is known.")
@click.option(
    "--certificate",
    "certificates",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Its certificates, for signatures and for key agreement. Repeatable.",
)
@needs_lxml
def assign(
    device: bytes,
    url: str,
    supplier: bytes,
    hub: str,
    hub_eui: bytes | None,
    gbcs_version: str | None,
    certificates: tuple[Path, ...],
) -> None:
    """Say whose DEVICE of the inventory is, and on which hub it is."""
    from hanboot.dcc import parties, schema
    from hanboot.registry.storage.database import Database

    database = Database(url)
    try:
        schema.prepare(database)
        # the service may run in another folder
        hub = str(Path(hub).absolute())
        assignment = parties.Assignment(eui_text(device), eui_text(supplier), hub, gbcs_version)
        held = [certificate.load(path) for path in certificates]
        known = eui_text(hub_eui) if hub_eui else None
        parties.assign(database, assignment, held, known)
    finally:
        database.close()
    terminal.echo(f"{eui_text(device)}: {eui_text(supplier)}, hub {hub}")


@dcc.command()
@registry_option
@click.argument("files_", metavar="CERT...", type=FilePath(), nargs=-1, required=True)
@needs_lxml
def trust(url: str, files_: tuple[Path, ...]) -> None:
    """Trust certificates as they are: of hubs, or more of a party or a device."""
    from hanboot.dcc import parties, schema
    from hanboot.registry.storage.database import Database

    held = [certificate.load(path) for path in files_]
    database = Database(url)
    try:
        schema.prepare(database)
        parties.trust(database, held)
    finally:
        database.close()
    for one in held:
        terminal.echo(f"{one.name}: {one.holder}")
