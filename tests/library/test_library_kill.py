"""A server that is killed at any moment: what it acknowledged is there, and all of it."""

from __future__ import annotations

import http.client
import json
import threading
from urllib.parse import urlsplit

from rig import wait_for
from served_library import ServedLibrary

from hanboot.cli.library_operation import open_library
from hanboot.library import audit, integrity
from hanboot.library.accounts import users

WRITERS = 4
ACKNOWLEDGED = 40


def test_a_killed_server_loses_nothing_acknowledged() -> None:
    served = ServedLibrary()
    try:
        acknowledged: list[str] = []
        threads = [
            threading.Thread(target=add_parties, args=(served, number, acknowledged))
            for number in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(acknowledged) >= ACKNOWLEDGED, "acknowledged changes", 60.0)
        served.kill()
        for thread in threads:
            thread.join()
        opened = open_library(str(served.folder / "registry.db"), None, None)
        with opened.registry.database.reading() as connection:
            there = {party.name for party in users.parties(connection)}
            logged = [r.subject for r in audit.records(connection) if r.action == "add party"]
        assert set(acknowledged) <= there
        # a party and its row of the log came together, or not at all
        assert sorted(there) == sorted(logged)
        assert integrity.check(opened).faults == ()
        opened.registry.database.close()
    finally:
        served.close()


def add_parties(served: ServedLibrary, writer: int, acknowledged: list[str]) -> None:
    """Adds parties one after another, until the server is gone."""
    where = urlsplit(served.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    headers = {
        "Authorization": f"Bearer {served.accounts['secas'].token}",
        "Content-Type": "application/json",
    }
    number = 0
    try:
        while True:
            name = f"Supplier {writer}-{number}"
            body = json.dumps({"name": name, "kind": "supplier"})
            connection.request("POST", "/api/v1/parties", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 201:
                acknowledged.append(name)
            # a writer that waited in vain for the others asks again
            assert answer.status in (201, 503), answer.status
            number += 1
    except (OSError, http.client.HTTPException):
        connection.close()
