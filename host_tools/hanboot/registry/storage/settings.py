"""The switches of a registry's owner."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.registry.storage.schema import SETTING

#: Names and values, the first being the default.
#: local_updates: SECMP0007 bans them.
#: ssc_data: whether what is for the SSC lies in the registry's database or in one of its own.
SETTINGS = {"local_updates": ("banned", "allowed"), "ssc_data": ("here", "apart")}


def read_setting(connection: Connection, name: str) -> str:
    value = connection.execute(sa.select(SETTING.c.value).where(SETTING.c.name == name)).scalar()
    return str(value) if value is not None else SETTINGS[name][0]


def write_setting(connection: Connection, name: str, value: str) -> None:
    connection.execute(sa.delete(SETTING).where(SETTING.c.name == name))
    connection.execute(sa.insert(SETTING).values(name=name, value=value))
