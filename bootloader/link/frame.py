# SMP over console: messages as lines of text (Zephyr, 'SMP over console').
#
#   06 09 <base64> 0A   first line      04 14 <base64> 0A   each that follows
#
# The base64 of all lines decodes to `length (2) | message | CRC-16 (2)`, big-endian; the length
# counts message and CRC. Any other line is typed text. A damaged line costs its
# message and nothing else: the next first line begins afresh.

from binascii import a2b_base64, b2a_base64

from hanbootloader.compat import const

# fmt: off
BUF_BYTES    = const(1024)  # decoded: length, message and CRC; what parameters report
_LINE_BYTES  = const(512)   # longest line taken; some clients send lines of 500 bytes
CHUNK_BYTES  = const(93)    # decoded bytes of a line sent: 124 in base64, 127 as a line
_TEXT_BYTES  = const(80)    # longest typed line kept
# fmt: on

_FIRST = b"\x06\x09"
_NEXT = b"\x04\x14"

try:
    from binascii import crc_hqx
except ImportError:
    # CRC-16/XMODEM, a byte at a time: high byte and byte are x, reduced by
    # x^16 + x^12 + x^5 + 1
    def crc_hqx(data: "bytes | memoryview", crc: int) -> int:  # type: ignore[misc]
        for byte in data:
            x = crc >> 8 ^ byte
            x ^= x >> 4
            crc = (crc << 8 ^ x << 12 ^ x << 5 ^ x) & 0xFFFF
        return crc


# The lines that carry `message`, as one run of bytes to be written at once.
def encode(message: bytes) -> bytes:
    packet = (len(message) + 2).to_bytes(2, "big") + message
    packet += crc_hqx(message, 0).to_bytes(2, "big")
    lines = bytearray()
    for at in range(0, len(packet), CHUNK_BYTES):
        lines.extend(_NEXT if at else _FIRST)
        # b2a_base64 ends the line
        lines.extend(b2a_base64(packet[at : at + CHUNK_BYTES]))
    return bytes(lines)


# Decoded bytes of a frame that a sender may write at once: those of a buffer, or of the whole lines
# that fit a line which keeps line_bytes while nothing reads it; 0 where it holds the sender back.
def buffer_bytes(line_bytes: int) -> int:
    if not line_bytes:
        return BUF_BYTES
    lines = max(1, line_bytes // (3 + CHUNK_BYTES // 3 * 4))
    return min(BUF_BYTES, lines * CHUNK_BYTES)


# Where the last marker in `data` stands, -1 if there is none: no text and no base64 holds one.
def _marker_at(data: bytes) -> int:
    return max(data.rfind(_FIRST), data.rfind(_NEXT))


class FrameReader:
    # messages are at most buf_bytes - 4 bytes; a longer one is dropped
    def __init__(self, buf_bytes: int = BUF_BYTES) -> None:
        self._line = bytearray(_LINE_BYTES)
        self._line_bytes = 0
        self._overlong = False
        self._packet = bytearray(buf_bytes)
        self._packet_bytes = 0
        self._expected = 0  # bytes of the packet under way; 0 while there is none
        self.dropped = 0  # lines and messages that were damaged

    # Takes bytes from the line. Yields each complete message as a memoryview, good until the
    # next bytes are taken, and each typed line as a str.
    def feed(self, data: "bytes | memoryview"):  # type: ignore[no-untyped-def]
        data = bytes(data)
        at = 0
        while at < len(data):
            end = data.find(b"\n", at)
            self._gather(data[at:] if end < 0 else data[at:end])
            if end < 0:
                return
            at = end + 1
            line = bytes(self._line[: self._line_bytes])
            overlong = self._overlong
            self._line_bytes, self._overlong = 0, False
            found = self._take_line(line, overlong)
            if found is not None:
                yield found

    def _gather(self, piece: bytes) -> None:
        if self._line_bytes + len(piece) > _LINE_BYTES:
            # too long for a line, but one may begin in it; or with its last byte
            piece = bytes(self._line[: self._line_bytes]) + piece
            at = _marker_at(piece)
            piece = piece[at:] if 0 <= at >= len(piece) - _LINE_BYTES else piece[-1:]
            self._line_bytes, self._overlong = 0, True
        end = self._line_bytes + len(piece)
        self._line[self._line_bytes : end] = piece
        self._line_bytes = end

    def _drop(self) -> None:
        self._expected = 0
        self.dropped += 1

    def _take_line(self, line: bytes, overlong: bool) -> "memoryview | str | None":
        at = _marker_at(line)
        if at > 0:
            # noise, or half a line, without an end of its own: the message after it is whole
            self.dropped += 1
        if at < 0:
            if overlong:
                self._drop()
                return None
            return self._text(line[:_TEXT_BYTES])
        if line[at : at + 2] == _FIRST:
            if self._expected:
                self._drop()
            return self._take_piece(line[at + 2 :], True)
        return self._take_piece(line[at + 2 :], False) if self._expected else None

    def _take_piece(self, line: bytes, first: bool) -> "memoryview | None":
        try:
            piece = a2b_base64(line)
        except ValueError:
            self._drop()
            return None
        if first:
            self._packet_bytes = 0
            self._expected = 2 + (piece[0] << 8 | piece[1]) if len(piece) >= 2 else 0
            # a message is a header and a map at least, and fits the buffer
            if not 2 + 8 + 2 <= self._expected <= len(self._packet):
                self._drop()
                return None
        end = self._packet_bytes + len(piece)
        if end > self._expected:
            self._drop()
            return None
        self._packet[self._packet_bytes : end] = piece
        self._packet_bytes = end
        if end < self._expected:
            return None
        packet = memoryview(self._packet)[2:end]
        self._expected = 0
        # the CRC over message and CRC is zero
        if crc_hqx(packet, 0):
            self._drop()
            return None
        return packet[:-2]

    def _text(self, line: bytes) -> "str | None":
        # noise is no text
        for byte in line:
            if (byte < 0x20 and byte not in b"\t\r") or byte > 0x7E:
                self.dropped += 1
                return None
        text = line.decode().strip()
        return text or None
