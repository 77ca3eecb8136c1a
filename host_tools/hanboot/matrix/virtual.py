"""Plays the matrix on virtual boards: every cell begins with a copy of a prepared flash.

What a cell leaves is kept where another row begins with it: a confirmed release is the clean
start of its own row, a reverted one the start of a row after a failed trial.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hanboot.boards.esp32.model import Esp32Board
from hanboot.boards.local import LocalBoard
from hanboot.boards.virtual import VirtualBoard
from hanboot.device.client import Device
from hanboot.device.provisioning import AnchorKey, provision
from hanboot.device.upgrade import UpgradeOutcome
from hanboot.link import virtual
from hanboot.link.deadline import Deadline
from hanboot.matrix import oracle
from hanboot.matrix.cells import Matrix, MatrixCell, NamedImage, Situation
from hanboot.matrix.compare import Place, offer, play, state_of
from hanboot.matrix.reading import Trust
from hanbootloader import reasons

_TRIAL_MS = 10_000
_TRIAL_STARTS = 3  # docs/reference/decisions.md, Trial
_STARTS_S = 20.0  # for all of them
_LOOK_S = 0.01


@dataclass(frozen=True)
class _Row:
    place: Place
    flash: Path


class VirtualMatrix:
    """The matrix of `releases` on virtual boards in `folder`.

    Args:
        folder: for the boards' states; grows by 2 MiB for each row.
        role: one of ROLES.
        keys: trust anchors to give each board.
        trust: the same, for the comparison.
        on_row: called with what is played next.
        board: class of the boards.
    """

    def __init__(
        self,
        folder: Path,
        role: str,
        releases: Sequence[NamedImage],
        keys: list[AnchorKey],
        trust: Trust,
        on_row: Callable[[str], None] = lambda name: None,
        board: LocalBoard = VirtualBoard,
    ) -> None:
        self._board = board
        self._folder = folder
        self._role = role
        self._keys = keys
        self._trust = trust
        self._on_row = on_row
        self._copies = 0
        self._rows: deque[_Row] = deque()
        self._reached: set[bytes] = set()
        self.matrix = Matrix(releases)
        #: Of the boards, once one has answered.
        self.tier: str = "unknown"

    def play(self) -> Matrix:
        """All rows that can be reached from a device without an application."""
        self._rows.append(self._blank())
        while self._rows:
            row = self._rows.popleft()
            self._on_row(row.place.situation.name)
            for release in self.matrix.releases:
                self._play_cell(row, release)
        self._remark_unreached()
        return self.matrix

    def _blank(self) -> _Row:
        state = self._folder / "blank"
        if self._board is VirtualBoard:
            # the first image says whose code is to be played; what it leaves has the identity
            with VirtualBoard(state, self._role, _TRIAL_MS, like=self.matrix.releases[0].image):
                pass
        with _started(self._board, state, self._role) as (_, device):
            provision(device, self._keys)
            identity = device.identity()
            self.tier = identity.tier
            facts = state_of(identity)
        return _Row(Place(Situation(None), facts), state)

    def _copy(self, flash: Path) -> Path:
        self._copies += 1
        return shutil.copytree(flash, self._folder / f"row-{self._copies}")

    def _play_cell(self, row: _Row, release: NamedImage) -> None:
        state = self._copy(row.flash)
        with _started(self._board, state) as (_, device):
            cell = play(device, row.place, release, self._trust, activate=True)
        self.matrix.cells.append(cell)
        if not (self._is_kept(row, cell, state) or cell.faults):
            shutil.rmtree(state)
        if not row.place.situation.after and cell.outcome in (
            UpgradeOutcome.CONFIRMED,
            UpgradeOutcome.REVERTED,
        ):
            self._add_reverted(row, release)

    def _is_kept(self, row: _Row, cell: MatrixCell, state: Path) -> bool:
        """Whether another row begins where the cell ended."""
        release, before = cell.offered, row.place
        if before.situation.after:
            return False
        if cell.outcome == UpgradeOutcome.REVERTED:
            situation = Situation(before.situation.running, "failed trial", release)
            self._rows.append(_Row(Place(situation, before.state), state))
            return True
        if (
            cell.outcome == UpgradeOutcome.CONFIRMED
            and release.image.image_hash not in self._reached
        ):
            self._reached.add(release.image.image_hash)
            after = oracle.confirm(before.state, self._trust.offer(release.image))
            self._rows.append(_Row(Place(Situation(release), after), state))
            return True
        return False

    def _add_reverted(self, row: _Row, release: NamedImage) -> None:
        """A row after a trial that found no end, because power was cut in each of its starts."""
        situation = Situation(row.place.situation.running, "revert", release)
        state = self._copy(row.flash)
        if _cut_short(self._board, state, release):
            self._rows.append(_Row(Place(situation, row.place.state), state))
            return
        shutil.rmtree(state)
        self.matrix.remarks.append(
            f"{situation.name}: not played, cutting its power did not revert it"
        )

    def _remark_unreached(self) -> None:
        cells = self.matrix.cells
        for release in self.matrix.releases:
            if release.image.image_hash in self._reached:
                continue
            tried = [c.trial_reason for c in cells if c.offered == release and c.outcome]
            why = (
                f"wherever it was accepted it was reverted ({', '.join(sorted(set(tried)))})"
                if tried
                else "no path of the given images leads there from a device without an application"
            )
            self.matrix.remarks.append(f"{release.name} never runs: {why}")


@contextlib.contextmanager
def _started(
    kind: LocalBoard, state: Path, role: str | None = None
) -> Iterator[tuple[VirtualBoard | Esp32Board, Device]]:
    # by its folder: what that port leads to is waited for by its process's time
    port = f"{virtual.PREFIX}{state}"
    with kind(state, role, _TRIAL_MS) as board, Device(port) as device:
        yield board, device


def _cut_short(kind: LocalBoard, state: Path, release: NamedImage) -> bool:
    """Cuts power in every start of a trial; whether the device reverted it for that."""
    with _started(kind, state) as (board, device):
        if offer(device, release) != oracle.ACCEPTED:
            return False
        device.activate(release.image.image_hash)
        board.is_cut = True
        device.reset()
        deadline = Deadline(_STARTS_S, virtual.clock(state))
        while board.resets.count("power") < _TRIAL_STARTS:
            if deadline.passed:
                return False
            time.sleep(_LOOK_S)
        board.is_cut = False
        # of whatever start has it still
        board.power_cycle()
        identity = device.identity()
        verdict = device.event()
    return bool(
        identity.slot("reverted") and verdict and verdict.reason == reasons.TRIAL_NOT_STARTED
    )
