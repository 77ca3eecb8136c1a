"""Who takes part: parties, their certificates, and whose each device is. Records, not free text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.engine import Connection

from hanboot.dcc.schema import ASSIGNMENT, CERTIFICATE, HUB, PARTY
from hanboot.errors import WrongUsage
from hanboot.inventory.devices import find_devices
from hanboot.registry.storage.database import Database
from hanboot.trust.smki.certificate import Certificate, describe, eui_text


@dataclass(frozen=True)
class ServiceParty:
    """A party. answers_url: where answers and alerts go, http or https."""

    eui: str
    name: str
    role: int
    answers_url: str | None = None


@dataclass(frozen=True)
class Assignment:
    """Whose a device is.

    Attributes:
        supplier: EUI-64 of the party.
        hub: path of the control socket of its Communications Hub.
        gbcs_version: of the device, where it is known.
    """

    device_id: str
    supplier: str
    hub: str
    gbcs_version: str | None = None


def check_url(url: str) -> None:
    """
    Raises:
        WrongUsage: no answers may go there.
    """
    try:
        parts = urlsplit(url)
        # a port that is none, and a name that no host can have
        is_one = parts.port != 0 and len((parts.hostname or "").encode("idna")) > 0
    except ValueError:
        is_one = False
    if (
        not is_one
        or parts.scheme not in ("http", "https")
        or parts.username is not None
        or not (url.isascii() and url.isprintable() and " " not in url)
    ):
        raise WrongUsage(
            f"{url} cannot take answers",
            "it is not http://HOST... or https://HOST..., in ASCII and without a user name",
            "give the address at which the party takes DUIS responses",
        )


def add_party(database: Database, party: ServiceParty, certificates: Sequence[Certificate]) -> None:
    """Adds a party, or changes it; its certificates are added to those that it has.

    Raises:
        WrongUsage: a certificate is another party's, or named as one is, or the address cannot be
            used.
    """
    if party.answers_url:
        check_url(party.answers_url)
    for certificate in certificates:
        if certificate.eui is None or eui_text(certificate.eui) != party.eui:
            raise WrongUsage(
                f"{certificate.name} is not of {party.eui}",
                f"its holder is {certificate.holder}",
                "give the party's own certificates",
            )
    with database.writing() as connection:
        if find_party(connection, party.eui):
            change = sa.update(PARTY).where(PARTY.c.eui == party.eui)
            connection.execute(change.values(vars(party)))
        else:
            connection.execute(sa.insert(PARTY).values(vars(party)))
        _add_certificates(connection, certificates)


def assign(
    database: Database,
    assignment: Assignment,
    certificates: Sequence[Certificate] = (),
    hub_eui: str | None = None,
) -> None:
    """Says whose a device is, and adds its certificates.

    Args:
        hub_eui: EUI-64 of its hub, where it is known before the hub is met.

    Raises:
        WrongUsage: device or party are not known, or a certificate is another device's, or named
            as one is.
    """
    with database.writing() as connection:
        if not find_devices(connection, [assignment.device_id]):
            raise WrongUsage(
                f"{assignment.device_id} is not in the inventory",
                "a device is entered there first",
                "hanboot inventory add enters it",
            )
        if find_party(connection, assignment.supplier) is None:
            raise WrongUsage(
                f"there is no party {assignment.supplier}",
                "a device is a party's",
                "hanboot dcc party adds one",
            )
        for certificate in certificates:
            if certificate.eui is None or eui_text(certificate.eui) != assignment.device_id:
                raise WrongUsage(
                    f"{certificate.name} is not of {assignment.device_id}",
                    f"its holder is {certificate.holder}",
                    "give the device's own certificates",
                )
        connection.execute(
            sa.delete(ASSIGNMENT).where(ASSIGNMENT.c.device_id == assignment.device_id)
        )
        connection.execute(sa.insert(ASSIGNMENT).values(vars(assignment)))
        if hub_eui:
            keep_hubs(connection, {assignment.hub: hub_eui})
        _add_certificates(connection, certificates)


def trust(database: Database, certificates: Sequence[Certificate]) -> None:
    """Adds certificates of parties, devices or hubs.

    Raises:
        WrongUsage: one is an authority's, which signs nothing here, or named as another's is.
    """
    for certificate in certificates:
        if certificate.eui is None:
            raise WrongUsage(
                f"{certificate.name} is an authority's",
                "messages and documents are signed by parties and devices",
                "give the certificates that it issued",
            )
    with database.writing() as connection:
        _add_certificates(connection, certificates)


def _add_certificates(connection: Connection, certificates: Sequence[Certificate]) -> None:
    for one in certificates:
        assert one.eui is not None
        key = {"issuer": one.issuer, "serial": str(one.serial)}
        same = [CERTIFICATE.c[name] == value for name, value in key.items()]
        holder = connection.execute(sa.select(CERTIFICATE.c.holder).where(*same)).scalar()
        if holder not in (None, eui_text(one.eui)):
            raise WrongUsage(
                f"{one.name} names itself as another certificate does",
                f"issuer {one.issuer} and serial number {one.serial} are {holder}'s",
                "have it issued with a number of its own",
            )
        connection.execute(sa.delete(CERTIFICATE).where(*same))
        pem = one.x509.public_bytes(Encoding.PEM).decode()
        connection.execute(sa.insert(CERTIFICATE).values(**key, holder=eui_text(one.eui), pem=pem))


def find_party(connection: Connection, eui: str) -> ServiceParty | None:
    row = connection.execute(sa.select(PARTY).where(PARTY.c.eui == eui)).one_or_none()
    return ServiceParty(**row._mapping) if row else None


def parties(database: Database) -> list[ServiceParty]:
    """All parties, by EUI-64."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(PARTY).order_by(PARTY.c.eui))
        return [ServiceParty(**row._mapping) for row in rows]


def certificates_of(connection: Connection, holder: str) -> list[Certificate]:
    """Those of a party or a device."""
    query = sa.select(CERTIFICATE.c.pem).where(CERTIFICATE.c.holder == holder)
    return [
        describe(x509.load_pem_x509_certificate(pem.encode()), holder)
        for pem in connection.execute(query).scalars()
    ]


def find_assignments(connection: Connection, devices: Sequence[str]) -> dict[str, Assignment]:
    """Assignments of those devices that have one."""
    found = {}
    at_once = 500
    for start in range(0, len(devices), at_once):
        piece = devices[start : start + at_once]
        query = sa.select(ASSIGNMENT).where(ASSIGNMENT.c.device_id.in_(piece))
        for row in connection.execute(query):
            found[row.device_id] = Assignment(**row._mapping)
    return found


def hubs(connection: Connection, after: str, most: int) -> list[str]:
    """Control sockets of hubs that have devices, in order: the next `most` after one."""
    query = (
        sa.select(ASSIGNMENT.c.hub)
        .distinct()
        .where(ASSIGNMENT.c.hub > after)
        .order_by(ASSIGNMENT.c.hub)
        .limit(most)
    )
    return list(connection.execute(query).scalars())


def find_hubs(connection: Connection, paths: Sequence[str]) -> dict[str, str]:
    """EUI-64s of those hubs of a few that are known, by the paths of their control sockets."""
    query = sa.select(HUB.c.path, HUB.c.eui).where(HUB.c.path.in_(paths))
    return {path: eui for path, eui in connection.execute(query)}


def keep_hubs(connection: Connection, euis: Mapping[str, str]) -> None:
    """Writes down who a few hubs are, by the paths of their control sockets."""
    known = find_hubs(connection, list(euis))
    news = {path: eui for path, eui in euis.items() if known.get(path) != eui}
    if news:
        connection.execute(sa.delete(HUB).where(HUB.c.path.in_(news)))
        rows = [{"path": path, "eui": eui} for path, eui in news.items()]
        connection.execute(sa.insert(HUB), rows)
