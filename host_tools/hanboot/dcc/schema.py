"""The service's own tables, in the database of the registry. Times are UTC, ISO 8601.

migrations/ makes them; a test holds the two together.

What is to be done once is a row before it is done: a restart finds it, and what is done is marked.
"""

from __future__ import annotations

import sqlalchemy as sa

from hanboot.registry.storage.column_types import Hex, Octets
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.migration import TableSchema

#: Of the service's own tables, which are made and changed independently of the registry's.
SCHEMA = TableSchema(
    owner="the service",
    steps="hanboot.dcc:migrations",
    version_table="dcc_alembic_version",
    newest="0003",
    command="hanboot dcc migrate",
    first_table="dcc_meta",
    first_step="0001",
)

METADATA = sa.MetaData()

_EUI = sa.String(23)
_TIME = sa.String(32)
_NAME = sa.String(256)

#: Who takes part. answers_url: where answers go; None: the party sends no requests.
PARTY = sa.Table(
    "dcc_party",
    METADATA,
    sa.Column("eui", _EUI, primary_key=True),
    sa.Column("name", _NAME, nullable=False),
    sa.Column("role", sa.Integer, nullable=False),
    sa.Column("answers_url", sa.String(2048)),
)

#: Certificates of parties and devices, trusted as they were entered.
CERTIFICATE = sa.Table(
    "dcc_certificate",
    METADATA,
    sa.Column("issuer", _NAME, primary_key=True),
    sa.Column("serial", sa.String(64), primary_key=True),
    sa.Column("holder", _EUI, nullable=False, index=True),
    sa.Column("pem", sa.Text, nullable=False),
)

#: Whose a device is, and on which hub. hub: path of its control socket.
ASSIGNMENT = sa.Table(
    "dcc_assignment",
    METADATA,
    sa.Column("device_id", _EUI, primary_key=True),
    sa.Column("supplier", _EUI, sa.ForeignKey("dcc_party.eui"), nullable=False),
    sa.Column("hub", sa.String(1024), nullable=False, index=True),
    sa.Column("gbcs_version", sa.String(32)),
)

#: Who each hub is, as it says itself or as it was entered.
HUB = sa.Table(
    "dcc_hub",
    METADATA,
    sa.Column("path", sa.String(1024), primary_key=True),
    sa.Column("eui", _EUI, nullable=False),
)

#: Requests that were taken, and what was answered at once. digest: SHA-256 of the document, by
#: which a repetition is known. command: the GBCS message that belongs to it.
REQUEST = sa.Table(
    "dcc_request",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("request_id", sa.String(80), nullable=False, index=True),
    sa.Column("originator", _EUI, nullable=False),
    sa.Column("target", _EUI, nullable=False),
    sa.Column("counter", sa.String(20), nullable=False),
    sa.Column("reference", sa.String(8), nullable=False),
    sa.Column("variant", sa.Integer, nullable=False),
    sa.Column("digest", Octets(32), nullable=False, unique=True),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("command", sa.LargeBinary),
    sa.Column("answer", sa.LargeBinary, nullable=False),
)

#: The highest originator counter that was taken, 20 decimal digits so that texts sort as numbers.
COUNTER = sa.Table(
    "dcc_counter",
    METADATA,
    sa.Column("originator", _EUI, primary_key=True),
    sa.Column("counter", sa.String(20), nullable=False),
)

IMAGE = sa.Table(
    "dcc_image",
    METADATA,
    sa.Column("digest", Octets(32), primary_key=True),  # of the whole file
    sa.Column("octets", sa.LargeBinary, nullable=False),
)

#: What has to reach a device: an image, or a GBCS command. state: waiting, passed (the hub has
#: it), arrived (the device has it, and will say what came of it), silent (it did not), done,
#: failed. file_version: of images and activations, which devices answer.
TASK = sa.Table(
    "dcc_task",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("request", sa.Integer, sa.ForeignKey("dcc_request.number"), nullable=False),
    sa.Column("device_id", _EUI, nullable=False, index=True),
    sa.Column("image", Octets(32)),
    sa.Column("image_hash", Octets(32)),
    sa.Column("file_version", Hex(8)),
    sa.Column("cpl_entry_id", sa.String(64)),
    sa.Column("command", sa.LargeBinary),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", _TIME, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Index("ix_dcc_task_due", "state", "due"),
)

#: Documents for parties, in the order in which they go out. delivered_at: None while waiting.
OUTGOING = sa.Table(
    "dcc_outgoing",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("party", _EUI, nullable=False),
    sa.Column("octets", sa.LargeBinary, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", _TIME, nullable=False),
    sa.Column("delivered_at", _TIME),
    sa.Column("detail", sa.Text),
    sa.Index("ix_dcc_outgoing_waiting", "delivered_at", "party", "number"),
)

#: Messages of devices that were taken, so that none counts twice.
HEARD = sa.Table(
    "dcc_heard",
    METADATA,
    sa.Column("digest", Octets(32), primary_key=True),
    sa.Column("at", _TIME, nullable=False),
)


def prepare(database: Database) -> None:
    """Makes the tables where there are none; nothing is written from then on if they change.

    Raises:
        OtherSchema: they are at another version; nothing was made.
    """
    database.add_tables(SCHEMA)
