"""The history replayed against the entries: what was changed past it is found."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from registries import WHY, entry, fill, same_but

from hanboot.errors import CheckFailed
from hanboot.registry.storage import audit, never_in_field
from hanboot.registry.storage.store import Registry


@pytest.fixture
def registry(registry: Registry) -> Registry:
    fill(registry, [entry(1, zigbee_vendor="Radios"), entry(2, [1]), entry(3, [2])])
    with registry.changing(WHY) as writer:
        before = registry.entry("E-3")
        writer.correct(before, same_but(before, status="Withdrawn", contact="x"))
        writer.set("local_updates", "allowed")
        never_in_field.record(writer, "E-3", WHY)
    return registry


def verify(registry: Registry) -> int:
    with registry.database.reading() as connection:
        return audit.verify(connection)


def test_what_went_through_the_history_is_in_order(registry: Registry) -> None:
    assert verify(registry) == 2


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE entry SET status = 'Active' WHERE cpl_entry_id = 'E-3'",
            "E-3: status is 'Active'",
        ),
        ("UPDATE entry SET predecessors_stated = 0", "predecessors is ''"),
        ("UPDATE predecessor SET predecessor_id = 'E-9'", "E-2: predecessors is 'E-9'"),
        ("DELETE FROM predecessor WHERE cpl_entry_id = 'E-2'", "E-2: predecessors is 'N/A'"),
        ("DELETE FROM entry WHERE cpl_entry_id = 'E-2'", "E-2: it is not there"),
        (
            "INSERT INTO entry SELECT * FROM (SELECT 'E-7', device_type, manufacturer_code, "
            "manufacturer_code_text, device_model, device_model_text, firmware_version, "
            "firmware_version_text, common_name, image_hash, status, manufacturer, model_name, "
            "smets_version, gbcs_version, listed_on, status_since, certificate, expires_on, "
            "renewal_on, join_option, predecessors_stated, contact, release_notes, release_kind, "
            "minimum_base_version, security_counter, point_of_no_return, free_text, "
            "other_fields FROM entry WHERE cpl_entry_id = 'E-1')",
            "E-7: it is in the table entry, not in the history",
        ),
        ("UPDATE ssc SET zigbee_vendor = 'Others'", "E-1: zigbee_vendor is 'Others'"),
        ("INSERT INTO ssc (cpl_entry_id) VALUES ('E-8')", "E-8: it is in the table ssc"),
        ("UPDATE setting SET value = 'banned'", "setting local_updates: it is banned"),
        (
            "INSERT INTO never_in_field VALUES ('E-1', 'now', 'a', 'b', NULL, NULL)",
            "never-in-field E-1: it is in the table never_in_field",
        ),
    ],
)
def test_direct_edits_and_orphans(registry: Registry, statement: str, found: str) -> None:
    with registry.database.writing() as connection:
        connection.execute(sa.text(statement))
    with pytest.raises(CheckFailed) as caught:
        verify(registry)
    assert "past its history" in caught.value.what
    assert found in caught.value.why


def test_a_statement_that_was_removed(registry: Registry) -> None:
    with registry.database.writing() as connection:
        connection.execute(sa.text("DELETE FROM never_in_field"))
    with pytest.raises(CheckFailed, match="never-in-field E-3"):
        verify(registry)
