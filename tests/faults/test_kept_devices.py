"""What the campaign takes for a device of the state before is what one left in its flash."""

from __future__ import annotations

import cells
import kept_devices
import pytest
import scenarios
import state_before
from faultboard import MAPS, FaultBoard

from hanbootloader.store import ledger
from hanbootloader.store.flash import Region
from hanbootloader.store.journal import HISTORY, Journal
from nor import SECTOR_BYTES

_HEAD_BYTES = 176
_SEAL_AT = 255


def _of_the_campaign() -> dict[str, bytes]:
    board = FaultBoard(MAPS["small-"], scenarios.beginning("migrate", "small-"))
    return {name: board.octets(name) for name in ("anchors", "journal")}


def _cells(anchors: bytes) -> dict[int, bytes]:
    """Sector -> head; of what is no table."""
    starts = range(0, len(anchors), SECTOR_BYTES)
    return {
        at // SECTOR_BYTES: anchors[at : at + _HEAD_BYTES]
        for at in starts
        if anchors[at : at + 4] == b"HBAC"
    }


def _values(journal: bytes) -> dict[int, bytes]:
    """Journal key -> value; the newest of the history under HISTORY."""
    board = FaultBoard(MAPS["kept-"])
    first, _ = board.map["journal"]
    board.flash.cells[first * SECTOR_BYTES : first * SECTOR_BYTES + len(journal)] = journal
    opened = Journal(Region(*board.region("journal")))
    found = dict(opened._latest)
    for key, value in opened.history():
        found[HISTORY] = value
        assert key == HISTORY
    return {key: bytes(value) for key, value in found.items()}


def test_there_are_kept_devices() -> None:
    assert kept_devices.names() == [
        "pending",
        "refused",
        "reverted",
        "rp2040",
        "staged",
        "upgraded",
    ]


@pytest.mark.parametrize("name", kept_devices.names())
def test_cells_of_the_state_before(name: str) -> None:
    kept = kept_devices.kept_regions(name)["anchors"]
    ours = _of_the_campaign()["anchors"]
    assert (
        sorted(_cells(kept)) == sorted(_cells(ours)) == sorted(at for _, at in state_before.PLACES)
    )
    for sector, head in _cells(kept).items():
        role = next(role for role, at in state_before.PLACES if at == sector)
        # the same layout, byte for byte, around another key
        assert head[:6] == cells.old_head(role)[:6]
        table_bytes = int.from_bytes(head[84:88], "little")
        start = sector * SECTOR_BYTES
        table = kept[start + 256 : start + 256 + table_bytes]
        made = cells.old_head(role, kid=head[8:16], table=table, label=head[120:144], flags=head[6])
        made = made[:16] + head[16:80] + made[80:144]
        assert head == made + cells.images.sha256(made)
        for region in (kept, ours):
            assert region[start + _SEAL_AT] == 0


@pytest.mark.parametrize("name", kept_devices.names())
def test_journal_of_the_state_before(name: str) -> None:
    kept = _values(kept_devices.kept_regions(name)["journal"])
    ours = _values(_of_the_campaign()["journal"])
    assert kept.keys() == ours.keys() == {*state_before.JOURNALS["feaa8b5"], HISTORY}
    for key in (state_before.STATE, HISTORY):
        assert len(kept[key]) == len(ours[key])
    # without a predecessor that it names
    empty = ledger.VerdictRecord(0, -1, 0, None, 0, None)
    assert (len(kept[state_before.VERDICT]) - len(state_before.pack_verdict(empty))) % 37 == 0
