"""A request, from its octets to its answer: authenticated, screened, written down, answered.

Everything that a request brings about is written in one transaction with its answer. So it has
happened wholly or not at all, and the same document sent again gets the same answer, and nothing
is done twice.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from hanboot.dcc import commands, journal, screening
from hanboot.dcc.keys import DspKeys
from hanboot.dcc.parties import ServiceParty, certificates_of, find_assignments, find_party
from hanboot.dcc.refusals import RequestRefused
from hanboot.duis import codes, parsing, precommand, responses, signature
from hanboot.duis.building import Part
from hanboot.duis.describe import (
    binary_of,
    body_of,
    child,
    command_of,
    describe,
    devices_of,
    hash_of,
)
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import PRE_COMMAND, SCHEMA_VERSION, SERVICES, SIGNED_PRE_COMMAND, sr
from hanboot.duis.parsing import Element, text_of
from hanboot.duis.schema import DuisSchema
from hanboot.errors import BadFile, CheckFailed
from hanboot.inventory.devices import DeviceRecord, find_devices, parse_device_id
from hanboot.inventory.gate import permit
from hanboot.inventory.listing import cpl_status
from hanboot.registry.storage.store import Registry
from hanboot.trust.smki.certificate import SUPPLIER, eui_text, parse_eui

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime.datetime]

PERMIT_VALID = datetime.timedelta(hours=24)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _check_version(root: Element) -> None:
    """Takes every minor version of the schema: users need not change theirs with the DCC's."""
    major, own = (root.get("schemaVersion") or "").partition(".")[0], SCHEMA_VERSION.split(".")[0]
    if major != own:
        raise BadFile(
            "the request is of another version of DUIS",
            f"its schemaVersion is {root.get('schemaVersion', 'missing')[:20]}, {own}.x is served",
            f"send it as {SCHEMA_VERSION}",
        )


@dataclass
class RequestOutcome:
    """What a request comes to, before it is written down.

    Attributes:
        code: response code.
        content: what the answer brings.
        from_device: whether a device's identifiers stand in the answer.
        command: the GBCS message that belongs to the request.
        tasks: what has to reach devices.
        image: (digest, octets) of a file that the tasks name.
        permit: what is answered in place of a response.
    """

    code: str = responses.SUCCESS
    content: Part | None = None
    from_device: bool = False
    command: bytes | None = None
    tasks: list[dict[str, Any]] = field(default_factory=list)
    image: tuple[bytes, bytes] | None = None
    permit: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """A request whose sender is known.

    Attributes:
        root: the document, its signature taken out.
        stated_hash: Manufacturer Image Hash that was submitted with it.
        for_permit: whether a permit is asked for, in place of a distribution.
    """

    root: Element
    request_id: RequestID
    reference: str
    variant: int
    party: ServiceParty
    stated_hash: bytes | None
    for_permit: bool = False

    @property
    def originator(self) -> str:
        return eui_text(self.request_id.originator)

    @property
    def target(self) -> str:
        return eui_text(self.request_id.target)


class Service:
    """Answers requests.

    Args:
        registry: CPL, inventory and the service's own tables.
        keys: the service's.
        documents: schema that requests must be valid by; None leaves that out.
        clock: the time, UTC.
        spread: over which a distribution's images go to the hubs, evenly.
        permit_valid: how long a permit for local updates is good for.
    """

    def __init__(
        self,
        registry: Registry,
        keys: DspKeys,
        documents: DuisSchema | None = None,
        clock: Clock = now,
        spread: datetime.timedelta = datetime.timedelta(),
        permit_valid: datetime.timedelta = PERMIT_VALID,
    ) -> None:
        self._permit_valid = permit_valid
        self._spread = spread
        self._registry = registry
        self._keys = keys
        self._schema = documents
        self._clock = clock

    def answer(
        self,
        octets: bytes,
        stated_hash: bytes | None = None,
        variants: Collection[int] = range(1, 9),
        for_permit: bool = False,
    ) -> bytes:
        """The signed response to a request, or the permit that it asks for.

        Args:
            octets: the request.
            stated_hash: Manufacturer Image Hash that was submitted with it.
            variants: command variants that are taken where it was sent to.
            for_permit: 11.1 or 11.4, sent for a permit to update these devices locally: screened
                like a distribution, and nothing goes to a hub.

        Raises:
            BadFile: it is no DUIS request, so that there is no party to answer.
        """
        purpose = b"permit" if for_permit else b""
        digest = hashlib.sha256(octets + (stated_hash or b"") + purpose).digest()
        root = parsing.parse(octets, "the request")
        _check_version(root)
        if self._schema:
            self._schema.check(root, "the request")
        described = describe(root)
        if described["document"] != "request":
            raise BadFile("the document is no request", "it is a response", "send a request")
        request_id, reference = RequestID.of(root), described["service_reference"]
        with self._registry.database.writing() as connection:
            before = journal.find_repetition(connection, digest)
            if before:
                return before.answer
            try:
                asked = self._authenticate(connection, root, described, stated_hash, for_permit)
                if asked.variant not in variants:
                    raise RequestRefused(
                        codes.WRONG_VARIANT,
                        "the request was sent to another service than its variant's",
                        f"its command variant is {asked.variant}",
                    )
                outcome = self._serve(connection, asked)
                answer = self._keep(connection, asked, digest, outcome)
                what = "a permit" if outcome.permit else outcome.code
            except RequestRefused as refused:
                answer = self._signed(request_id, reference, RequestOutcome(refused.code))
                what = f"{refused.code}: {refused}"
        # no longer in the transaction: a log that is not read must not hold the lock
        _log.info("%s: %s, answered with %s", request_id, reference, what)
        return answer

    def _signed(self, request_id: RequestID, reference: str, outcome: RequestOutcome) -> bytes:
        root = responses.response(
            request_id,
            reference,
            outcome.code,
            self._clock(),
            outcome.content,
            from_device=outcome.from_device,
        )
        return self.sign(root)

    def sign(self, root: Element) -> bytes:
        """A response as it goes out."""
        signature.sign(root, self._keys.xml_key, self._keys.xml_certificate)
        return signature.to_octets(root)

    # --- who asks

    def _authenticate(
        self,
        connection: Connection,
        root: Element,
        described: dict[str, Any],
        stated_hash: bytes | None,
        for_permit: bool,
    ) -> Asked:
        request_id = RequestID.of(root)
        party = find_party(connection, eui_text(request_id.originator))
        if party is None:
            raise RequestRefused(
                codes.NO_SUCH_PARTY, "the originator is not known", "there is no such party"
            )
        held = certificates_of(connection, party.eui)
        try:
            signature.verify(root, held, self._clock())
        except signature.NotValidThen as expired:
            raise RequestRefused(codes.EXPIRED, expired.what, expired.why) from None
        except CheckFailed as refused:
            raise RequestRefused(codes.NOT_AUTHENTICATED, refused.what, refused.why) from None
        reference, variant = described["service_reference"], described["command_variant"]
        asked = Asked(root, request_id, reference, variant, party, stated_hash, for_permit)
        self._check_service(asked)
        self._check_counter(connection, asked)
        return asked

    def _check_service(self, asked: Asked) -> None:
        service = SERVICES.get(asked.reference)
        if service is None:
            raise RequestRefused(
                codes.NOT_SERVED, "the service is not served here", asked.reference
            )
        element = body_of(asked.root).tag
        is_second = asked.reference == "11.3" and asked.variant in SIGNED_PRE_COMMAND
        wanted = sr("SignedPreCommand") if is_second else sr(service.element)
        if (asked.variant not in service.variants and not is_second) or element != wanted:
            raise RequestRefused(
                codes.WRONG_VARIANT,
                "service, command variant and body do not go together",
                f"{asked.reference} with variant {asked.variant}",
            )
        if asked.for_permit and asked.reference not in screening.TYPES:
            raise RequestRefused(
                codes.NOT_SERVED, "a permit is for an image", f"{asked.reference} brings none"
            )
        if asked.party.role != SUPPLIER:
            raise RequestRefused(
                codes.WRONG_ROLE, "the party may not send this", "it is no supplier"
            )
        is_to_dcc = asked.reference in ("8.2", "11.1", "11.4")
        if is_to_dcc and asked.request_id.target != self._keys.broker:
            raise RequestRefused(
                codes.WRONG_TARGET,
                "the request is not to the Access Control Broker",
                f"its target is {asked.target}",
            )

    def _check_counter(self, connection: Connection, asked: Asked) -> None:
        # the second step of an activation has the counter of the first
        if asked.variant in SIGNED_PRE_COMMAND:
            return
        last = journal.last_counter(connection, asked.originator)
        if asked.request_id.counter <= last:
            raise RequestRefused(
                codes.COUNTER_USED,
                "the originator counter was used before",
                f"it is {asked.request_id.counter}, and the last was {last}",
            )

    def _keep(
        self, connection: Connection, asked: Asked, digest: bytes, outcome: RequestOutcome
    ) -> bytes:
        answer = outcome.permit or self._signed(asked.request_id, asked.reference, outcome)
        at = self._clock()
        number = journal.keep_request(
            connection,
            asked.request_id,
            asked.reference,
            asked.variant,
            digest,
            at,
            answer,
            outcome.command,
        )
        if asked.variant not in SIGNED_PRE_COMMAND:
            journal.raise_counter(connection, asked.originator, asked.request_id.counter)
        if outcome.image:
            journal.keep_image(connection, *outcome.image)
        spread = self._spread if outcome.image else datetime.timedelta()
        journal.add_tasks(connection, number, at, outcome.tasks, spread)
        return answer

    # --- what is asked

    def _serve(self, connection: Connection, asked: Asked) -> RequestOutcome:
        if asked.variant in SIGNED_PRE_COMMAND:
            return self._send_signed(connection, asked)
        if asked.variant == PRE_COMMAND:
            return self._give_pre_command(connection, asked)
        if asked.reference == "8.2":
            return self._read_inventory(connection, asked)
        if asked.reference == "11.2":
            return self._read_version(connection, asked)
        return self._distribute(connection, asked)

    def _own_device(self, connection: Connection, asked: Asked, device_id: str) -> DeviceRecord:
        """A device of the originator's."""
        device = find_devices(connection, [device_id]).get(device_id)
        assignment = find_assignments(connection, [device_id]).get(device_id)
        if device is None or assignment is None or assignment.supplier != asked.originator:
            raise RequestRefused(
                codes.NOT_ITS_DEVICE, "the device is not the originator's", device_id
            )
        return device

    def _commissioned(self, connection: Connection, asked: Asked) -> DeviceRecord:
        device = self._own_device(connection, asked, asked.target)
        if device.state not in screening.TAKES_FIRMWARE:
            raise RequestRefused(
                codes.NOT_COMMISSIONED, "the device is not commissioned", device.state
            )
        return device

    def _read_inventory(self, connection: Connection, asked: Asked) -> RequestOutcome:
        found = body_of(asked.root).find(sr("DeviceID"))
        if found is None:
            raise RequestRefused(
                codes.NOT_FOUND, "nothing is known of it", "the inventory knows devices alone"
            )
        device = self._own_device(connection, asked, parse_device_id(text_of(found)))
        listing = cpl_status(connection, device)
        assignment = find_assignments(connection, [device.device_id])[device.device_id]
        parts: list[Part] = [
            ("DeviceID", device.device_id),
            ("DeviceType", device.device_type),
            ("DeviceStatus", device.state),
            ("DeviceManufacturer", f"{device.manufacturer_code:04X}"),
            ("DeviceModel", f"{device.device_model:08X}"),
            ("DeviceFirmwareVersion", f"{device.firmware_version:08X}"),
        ]
        if listing in ("Active", "Cancelled", "Expired", "Withdrawn"):
            parts.append(("DeviceFirmwareVersionStatus", listing))
        if assignment.gbcs_version:
            parts.append(("DeviceGBCSVersion", assignment.gbcs_version))
        return RequestOutcome(content=responses.inventory([parts]))

    def _distribute(self, connection: Connection, asked: Asked) -> RequestOutcome:
        body, reference = body_of(asked.root), asked.reference
        octets = binary_of(child(body, "FirmwareImage"))
        devices = [
            parse_device_id(text) for text in devices_of(text_of(child(body, "DeviceIDList")))
        ]
        image = screening.read_image(octets, reference)
        screened = screening.screen(
            self._registry,
            connection,
            reference,
            image,
            asked.originator,
            list(dict.fromkeys(devices)),
            asked.stated_hash,
        )
        outcome = RequestOutcome()
        if screened.left_out:
            lists = {
                name: [parse_eui(device) for device in left]
                for name, left in screened.left_out.items()
            }
            outcome.content = responses.warning(reference, lists)
            table = codes.SOME_DEVICES if screened.accepted else codes.NO_DEVICE
            outcome.code = table[reference]
        if asked.for_permit:
            outcome.permit = self._permit(asked, screened) if screened.accepted else None
            return outcome
        digest = hashlib.sha256(octets).digest()
        outcome.image = (digest, octets) if screened.accepted else None
        outcome.tasks = [
            {
                "device_id": device_id,
                "image": digest,
                "image_hash": image.image_hash,
                "file_version": image.header.file_version,
                "cpl_entry_id": entry.cpl_entry_id,
            }
            for device_id, entry in screened.accepted.items()
        ]
        return outcome

    def _permit(self, asked: Asked, screened: screening.Screened) -> bytes:
        """That the originator may update the accepted devices itself, for some time from now."""
        key = self._keys.xml_key
        return permit.make(
            asked.originator,
            list(screened.accepted),
            screened.image.image_hash,
            screened.image.header.file_version,
            int(self._clock().timestamp()),
            int(self._permit_valid.total_seconds()),
            key.public.kid,
            key.sign,
        )

    def _read_version(self, connection: Connection, asked: Asked) -> RequestOutcome:
        device = self._commissioned(connection, asked)
        broker = eui_text(self._keys.broker)
        counter = journal.next_counter(connection, broker, self._clock())
        command = commands.read_version(
            asked.request_id, device.device_type, self._keys.broker, counter
        )
        octets = self._protected(connection, command, asked.target)
        journal.raise_counter(connection, broker, counter)
        return self._on_its_way(asked, octets)

    def _give_pre_command(self, connection: Connection, asked: Asked) -> RequestOutcome:
        self._commissioned(connection, asked)
        body = body_of(asked.root)
        image_hash = hash_of(child(body, "FirmwareHash"))
        execution = precommand.execution_of(body)
        time = commands.execution_time(
            None if execution == "cancelled" else execution, execution == "cancelled"
        )
        octets = commands.activate(asked.request_id, image_hash, time).encode()
        return RequestOutcome(
            content=responses.pre_command(commands.GBCS_VERSION, octets),
            from_device=True,
            command=octets,
        )

    def _send_signed(self, connection: Connection, asked: Asked) -> RequestOutcome:
        self._commissioned(connection, asked)
        for variant in SIGNED_PRE_COMMAND:
            if journal.find_request(connection, asked.request_id, variant):
                raise RequestRefused(
                    codes.COUNTER_USED,
                    "this activation was sent before",
                    f"RequestID {asked.request_id}",
                )
        first = journal.find_request(connection, asked.request_id, PRE_COMMAND)
        if first is None or first.command is None:
            raise RequestRefused(
                codes.NO_PRE_COMMAND,
                "no pre-command was given out for it",
                f"RequestID {asked.request_id}",
            )
        try:
            command = command_of(asked.root)
        except BadFile as bad:
            raise RequestRefused(codes.OTHER_COMMAND, bad.what, bad.why) from None
        if command is None or command.has_mac:
            raise RequestRefused(
                codes.OTHER_COMMAND, "the request holds no signed pre-command", "see 11.3"
            )
        signers = screening.signers_of(connection, asked.originator)
        commands.check_signed(command, first.command, signers, self._clock())
        octets = self._protected(connection, command.message, asked.target)
        outcome = self._on_its_way(asked, octets)
        for task in outcome.tasks:
            task |= self._activated(command.values["image_hash"])
        return outcome

    def _activated(self, image_hash: bytes) -> dict[str, Any]:
        """Of an activation: what is activated, as far as the CPL says it."""
        listed = self._registry.by_hash(image_hash)
        if not listed:
            return {}
        return {
            "image_hash": image_hash,
            "file_version": listed[0].firmware_version,
            "cpl_entry_id": listed[0].cpl_entry_id,
        }

    def _protected(self, connection: Connection, command: Any, device_id: str) -> bytes:
        held = certificates_of(connection, device_id)
        agreement = next((one for one in held if "agreement" in one.usages), None)
        return commands.protect(command, self._keys.broker_key, agreement)

    def _on_its_way(self, asked: Asked, octets: bytes) -> RequestOutcome:
        """A command to send, to hand to the user, or both, by the command variant."""
        is_local = asked.variant in (2, 6)
        outcome = RequestOutcome(command=octets)
        if not is_local:
            outcome.tasks = [{"device_id": asked.target, "command": octets}]
            outcome.code = responses.ACKNOWLEDGED
        if is_local or asked.variant in (3, 7):
            outcome.code = responses.SUCCESS
            outcome.content = responses.local_command(octets)
            outcome.from_device = True
        return outcome
