"""GBCS messages on their way to devices and from them.

How they travel on a Home Area Network is in no public source (docs: not established). The default
here is the Smart Energy Tunnelling cluster, 0x0704: each message whole in one Transfer Data, tunnel
0, without a request for a tunnel; its Default Response is the receipt. What a message says is not
the hub's business.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hanbootloader.han import zcl
from hanbootloader.han.tunneling import TO_CLIENT, encode_transfer, parse_transfer

_RESEND_S = 2.0
_RESEND_MOST_S = 120.0
#: Of one command; at the longest wait that is some four hours.
_RESENDS = 120


@dataclass
class Letter:
    """A message to a device. state: "waiting", "delivered", "refused" or "undeliverable"."""

    octets: bytes
    state: str = "waiting"
    sends: int = 0
    due: float = 0.0
    sequence: int = -1


@dataclass
class Mailbox:
    """Messages to and from one device; the first of `letters` is under way."""

    letters: deque[Letter] = field(default_factory=deque)
    settled: list[Letter] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    def add(self, octets: bytes) -> Letter:
        letter = Letter(octets)
        self.letters.append(letter)
        return letter

    def due(self, sequence: int, now: float) -> zcl.Frame | None:
        """The frame that is due: the first letter, once more if there is no receipt."""
        if not self.letters or now < self.letters[0].due:
            return None
        letter = self.letters[0]
        if letter.sends >= _RESENDS:
            self._settle("undeliverable")
            return None
        letter.due = now + min(_RESEND_S * 2**letter.sends, _RESEND_MOST_S)
        letter.sends += 1
        letter.sequence = sequence
        payload = encode_transfer(letter.octets)
        return zcl.Frame(False, True, sequence, TO_CLIENT, payload, no_default=False)

    def receipt(self, sequence: int, status: int) -> None:
        """The device's Default Response to a letter."""
        # not yet: a device that has just started does not know its hub before its first query
        if status == zcl.NOT_AUTHORIZED:
            return
        if self.letters and self.letters[0].sequence == sequence:
            self._settle("delivered" if status == zcl.SUCCESS else "refused")

    def take(self, payload: bytes | memoryview) -> bytes | None:
        """The message in a Transfer Data from the device; None if it came before."""
        octets = bytes(parse_transfer(payload))
        if octets in self.received:
            return None
        self.received.append(octets)
        return octets

    def _settle(self, state: str) -> None:
        letter = self.letters.popleft()
        letter.state = state
        self.settled.append(letter)
