"""The switches of a registry's owner."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.registry.storage.schema import SETTING

#: Names and values, the first being the default.
#: local_updates: SECMP0007 bans them.
#: ssc_data: whether what is for the SSC lies in the registry's database or in one of its own.
SETTINGS = {"local_updates": ("banned", "allowed"), "ssc_data": ("here", "apart")}
#: Not a switch: whose permits lift the ban for what they name, as x || y in hexadecimal, or NO_KEY.
PERMITS_FROM = "permits_from"
NO_KEY = "none"


def read_setting(connection: Connection, name: str) -> str:
    value = connection.execute(sa.select(SETTING.c.value).where(SETTING.c.name == name)).scalar()
    if value is not None:
        return str(value)
    return NO_KEY if name == PERMITS_FROM else SETTINGS[name][0]


def write_setting(connection: Connection, name: str, value: str) -> None:
    connection.execute(sa.delete(SETTING).where(SETTING.c.name == name))
    connection.execute(sa.insert(SETTING).values(name=name, value=value))
