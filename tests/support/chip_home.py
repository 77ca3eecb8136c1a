"""A hub and a PPMID on an emulated RP2040, both by the chip's clock: frames go through the tunnel
of SMP group 66, over the console of a `ChipBoard`.

What the device holds when it starts (its keys, its anchors, its first application) was put there by
the same code on this machine: on the emulator that takes minutes, and an emulated chip's random
numbers repeat, so it would refuse to make keys.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import ramboard
from chip_board import ChipBoard, ChipDevice
from home import Household, People

from hanboot.gbcs import codec
from hanboot.gbcs.codec import Decoded
from hanboot.hub.air import Weather
from hanboot.hub.attachment import Attachment
from hanboot.hub.hub import Hub, Settings
from hanboot.hub.ota import DeviceProgress, Offer, Pacing
from hanboot.image.ota_file import Image
from hanbootloader.link.groups import tunnel
from hanbootloader.store import flash_map

#: boards/rp2040_han/board.py, in sectors of all of the flash.
_MAP = flash_map.place(store=128, more=112, end=512)
#: Of `ChipBoard`.
_SERIAL = bytes(range(8))
#: What the hub's clock shows when the chip gets its supply: 2027-01-01 12:00 UTC.
_BEGAN_UNIX_S = 1_798_804_800
#: Octets of a block: what a frame of this network carries in one piece.
BLOCK_BYTES = 50


def held(people: People, image: Image) -> dict[int, bytes]:
    """Flash of a PPMID with keys of its own that runs `image`, by offset."""
    household = Household(people, _SERIAL)
    household.install(image)
    cells = household.board.flash.cells
    found = {}
    for name, (first, count) in ramboard.MAP.items():
        start = first * flash_map.SECTOR_BYTES
        octets = bytes(cells[start : start + count * flash_map.SECTOR_BYTES])
        found[_MAP[name][0] * flash_map.SECTOR_BYTES] = octets
    return found


class ChipHome:
    """A PPMID on a hub.

    Args:
        board: with a tunnel, on flash that `held` made.
    """

    def __init__(self, board: ChipBoard) -> None:
        self.board = board
        self.device = ChipDevice(board)
        #: Messages of the device.
        self.messages: list[Decoded] = []
        self.hub = Hub(
            Settings(pacing=Pacing(BLOCK_BYTES)),
            clock=lambda: board.seconds,
            unix=lambda: _BEGAN_UNIX_S + board.seconds,
            on_message=self._on_message,
        )
        #: Frames that went through the tunnel, both ways.
        self.frames = 0
        self._attachment = Attachment(
            self.hub, threading.RLock(), _SERIAL, self._exchange, Weather(), seed=1
        )

    def _on_message(self, sender: bytes, octets: bytes) -> None:
        # the hub's own alerts come here, too
        if sender == _SERIAL:
            self.messages.append(codec.decode(octets))

    def _exchange(self, frames: list[bytes]) -> list[bytes]:
        reply = self.device.smp.write(tunnel.GROUP, 0, {"frames": frames})
        answers = [bytes(frame) for frame in reply["frames"]]
        self.frames += len(frames) + len(answers)
        return answers

    @property
    def state(self) -> DeviceProgress:
        """What the hub knows of the device."""
        return self.hub.device(_SERIAL)

    def offer(self, image: Image) -> None:
        """Has the hub hold `image`, to be activated once it is there."""
        self.hub.offer(_SERIAL, Offer(image, 0))

    def run(self, until: Callable[[], object], within_s: float) -> bool:
        """Lets both work until `until` holds, for so long by the chip's clock."""
        end_s = self.board.seconds + within_s
        while not until():
            if self.board.seconds > end_s:
                return False
            self.board.run_for(1000 * self._attachment.step(self.board.seconds))
        return True
