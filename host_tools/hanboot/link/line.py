"""What a device's line takes, and how much of a request it is given at once.

A board with a UART keeps a few bytes in a ring while its program does something else, and drops
what comes then, without a sign. So it reports how many it keeps, and for how long it may not read;
requests are cut to what it reports, sent with pauses where they are longer, and made smaller still
where some are lost all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hanbootloader.link.frame import CHUNK_BYTES

#: Bytes of a full line: two of a marker, base64 of CHUNK_BYTES, and its end.
LINE_BYTES = 2 + CHUNK_BYTES // 3 * 4 + 1

#: Decoded bytes of a request's frame that are not its message: length and CRC.
FRAME_BYTES = 4

#: The longest message sent to a device that reports nothing: whole lines, in a buffer of 1024.
MESSAGE_BYTES = 1024 // CHUNK_BYTES * CHUNK_BYTES - FRAME_BYTES

#: After the first loss: the pause behind each line; it doubles with each that follows.
_LOSS_PAUSE_S = 0.04
_BITS_PER_BYTE = 10  # 8N1


@dataclass(frozen=True)
class Line:
    """What a device reports of its line.

    Attributes:
        keeps_bytes: while it does not read; 0 where the sender is held back.
        pause_s: for how long it may not read.
        baud: speed of the line.
    """

    keeps_bytes: int = 0
    pause_s: float = 0.0
    baud: int = 115200

    def bursts(self, octets: bytes, losses: int = 0) -> Iterator[tuple[bytes, float]]:
        """A framed request in pieces of whole lines, and the pause behind each but the last.

        Args:
            octets: lines, each with its end.
            losses: of this request so far; after the first it goes line by line.
        """
        most = LINE_BYTES if losses else self.keeps_bytes
        pause_s = max(self.pause_s, _LOSS_PAUSE_S * 2 ** (losses - 1) if losses else 0.0)
        pieces = list(_pieces(octets, most)) if most else [octets]
        for number, piece in enumerate(pieces, 1):
            # a write returns before its bytes are on the line
            took_s = len(piece) * _BITS_PER_BYTE / self.baud
            yield piece, took_s + pause_s if number < len(pieces) else 0.0


def _pieces(octets: bytes, most: int) -> Iterator[bytes]:
    """Whole lines, as many as fit into `most` bytes; one at least."""
    piece = b""
    for line in octets.splitlines(keepends=True):
        if piece and len(piece) + len(line) > most:
            yield piece
            piece = b""
        piece += line
    if piece:
        yield piece


def message_bytes(buf_bytes: int) -> int:
    """The longest message, in whole lines, for a device that reports a buffer of `buf_bytes`."""
    lines = buf_bytes // CHUNK_BYTES
    return (lines * CHUNK_BYTES if lines else buf_bytes) - FRAME_BYTES


class MessageSize:
    """How long the messages of a transfer are: half as long after a loss, and growing again.

    Args:
        most: bytes of the longest.
    """

    #: Two lines: the first request of an upload has some 60 bytes beside its data.
    LEAST = 2 * CHUNK_BYTES - FRAME_BYTES
    #: Answers in a row after which a line more is tried.
    _ANSWERS_TO_GROW = 8

    def __init__(self, most: int) -> None:
        self._most = max(most, self.LEAST)
        self._answers = 0
        #: Bytes of the next message.
        self.bytes = self._most

    def lost(self) -> None:
        """A message was not answered."""
        lines = (self.bytes + FRAME_BYTES) // CHUNK_BYTES // 2
        self.bytes = max(self.LEAST, lines * CHUNK_BYTES - FRAME_BYTES)
        self._answers = 0

    def answered(self) -> None:
        """A message was answered."""
        self._answers += 1
        if self._answers >= self._ANSWERS_TO_GROW:
            self.bytes = min(self._most, self.bytes + CHUNK_BYTES)
            self._answers = 0
