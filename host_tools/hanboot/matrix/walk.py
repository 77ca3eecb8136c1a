"""Plays what can be reached of the matrix on one real device, by steps that it allows.

There is no way back to an older release, so a row is played when the device comes past it: first
everything is offered and nothing started, then one accepted release is started. If it fails, its
row after a failed trial is played, and another one is started.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from hanboot.device.client import Device
from hanboot.device.upgrade import UpgradeOutcome
from hanboot.errors import CheckFailed
from hanboot.matrix import oracle
from hanboot.matrix.cells import Matrix, MatrixCell, NamedImage, Situation
from hanboot.matrix.compare import Place, play, state_of
from hanboot.matrix.reading import Trust


class DeviceWalk:
    """The matrix of `releases` on `device`, as far as it can be reached.

    Args:
        device: provisioned; what it runs is the first row.
        trust: the trust anchors that it should hold.
        on_row: called with what is played next.
    """

    def __init__(
        self,
        device: Device,
        releases: Sequence[NamedImage],
        trust: Trust,
        on_row: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._device = device
        self._trust = trust
        self._on_row = on_row
        self.matrix = Matrix(releases)

    def play(self) -> Matrix:
        """Rows from what runs now to where no accepted release is left to start."""
        place: Place | None = self._here()
        while place:
            place = self._play_row(place)
        played = {cell.situation.running for cell in self.matrix.cells}
        for release in self.matrix.releases:
            if release not in played:
                self.matrix.remarks.append(
                    f"{release.name} never ran: no step that the device allowed led there"
                )
        self.matrix.remarks.append(
            "on a real device only what allowed steps lead past is played, and no row after a "
            "revert, for which power must be cut"
        )
        return self.matrix

    def _here(self) -> Place:
        identity = self._device.identity()
        confirmed, state = identity.confirmed, state_of(identity)
        running = None
        if confirmed and confirmed.image_hash:
            running = next(
                (r for r in self.matrix.releases if r.image.image_hash == confirmed.image_hash),
                None,
            )
            if running is None:
                raise CheckFailed(
                    "the device runs an image that is not among these",
                    f"its Manufacturer Image Hash is {confirmed.image_hash.hex()}",
                    "give the image that runs, too",
                )
            state = oracle.confirm(state, self._trust.offer(running.image))
        # what ran before this walk may have raised it: there is only the device's word for that
        counter = max(state.security_counter, identity.security_counter)
        return Place(Situation(running), dataclasses.replace(state, security_counter=counter))

    def _play_row(self, place: Place) -> Place | None:
        """The place to go on from; None at the end."""
        accepted = self._offer_all(place)
        while accepted:
            cell = self._start(place, accepted.pop(0))
            if cell is None:
                return None
            if cell.outcome == UpgradeOutcome.CONFIRMED:
                offer = self._trust.offer(cell.offered.image)
                return Place(Situation(cell.offered), oracle.confirm(place.state, offer))
            if cell.outcome == UpgradeOutcome.REVERTED:
                running = place.situation.running
                failed = Situation(running, "failed trial", cell.offered)
                self._offer_all(Place(failed, place.state))
        return None

    def _offer_all(self, place: Place) -> list[NamedImage]:
        """Those that were accepted, the lowest version first."""
        self._on_row(place.situation.name)
        accepted = []
        for release in self.matrix.releases:
            cell = play(self._device, place, release, self._trust, activate=False)
            self.matrix.cells.append(cell)
            if cell.device == oracle.ACCEPTED:
                accepted.append(release)
        return sorted(accepted, key=lambda release: release.image.header.file_version)

    def _start(self, place: Place, release: NamedImage) -> MatrixCell | None:
        """Starts `release`; its cell takes the place of the one that was only offered.

        None if the device is not where it must be.
        """
        cell = play(self._device, place, release, self._trust, activate=True)
        cells = self.matrix.cells
        index = next(
            i
            for i, c in enumerate(cells)
            if c.situation == place.situation and c.offered == release
        )
        cells[index] = cell
        return None if cell.faults else cell
