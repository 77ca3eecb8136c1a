"""What carries octets to a device and back, whatever it is made of."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from hanboot.errors import LinkError
from hanboot.link.deadline import Clock

if TYPE_CHECKING:
    from typing import Self


class Lost(LinkError):
    """The transport went away while it was open: unplugged, or its device was reset."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"lost {name}",
            why,
            "plug it in again and repeat the command: an upload goes on where it stopped",
        )


class Transport(ABC):
    """A line of octets to one device.

    A transport is made closed. It can be opened again after `close` and after `Lost`, and leads
    to whatever has its name then: who must not talk to another device asks it who it is.

    Attributes:
        name: what a person calls it, e.g. the value of `--port`.
        patience: factor on every wait; 1 for real hardware, more for an emulated chip.
        clock: what waits are counted by: of a board that runs here, the time that it gets.
    """

    name: str
    patience: float = 1.0
    clock: Clock = time.monotonic

    @abstractmethod
    def open(self) -> None:
        """Takes the line for this process alone.

        Raises:
            NoDevice: it is missing, in use, or not to be opened.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives the line back; nothing if it is closed."""

    @abstractmethod
    def read(self) -> bytes:
        """What has arrived; waits some 20 ms for it, and is empty if nothing came.

        Raises:
            Lost: the line is gone.
        """

    @abstractmethod
    def write(self, octets: bytes) -> None:
        """Sends all of `octets`.

        Raises:
            Lost: the line is gone.
            LinkError: the other end takes nothing.
        """

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
