# SMP over console: messages as lines of text (Zephyr, 'SMP over console').
#
#   06 09 <base64> 0A   first line      04 14 <base64> 0A   each that follows
#
# The base64 of all lines decodes to `length (2) | message | CRC-16 (2)`, big-endian; the length
# counts message and CRC. Any other line is text that somebody typed. A damaged line costs its
# message and nothing else: the next first line begins afresh.

from binascii import a2b_base64, b2a_base64

from bootloader.compat import const

# fmt: off
BUF_BYTES    = const(1024)  # decoded: length, message and CRC; what parameters report
_LINE_BYTES  = const(512)   # longest line taken; some clients send lines of 500 octets
_CHUNK_BYTES = const(93)    # decoded octets of a line sent: 124 in base64, 127 as a line
_TEXT_BYTES  = const(80)    # longest typed line kept
_NEWLINE     = const(0x0A)
# fmt: on

_FIRST = b"\x06\x09"
_NEXT = b"\x04\x14"

try:
    from binascii import crc_hqx
except ImportError:
    # CRC-16/XMODEM by half octets: a small table, and no need for a C module
    _CRC = (
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
        0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
    )  # fmt: skip

    def crc_hqx(octets: "bytes | memoryview", crc: int) -> int:  # type: ignore[misc]
        table = _CRC
        for octet in octets:
            crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ octet >> 4]
            crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ octet & 15]
        return crc


# The lines that carry `message`, as one run of octets to be written at once.
def encode(message: bytes) -> bytes:
    packet = (len(message) + 2).to_bytes(2, "big") + message
    packet += crc_hqx(message, 0).to_bytes(2, "big")
    lines = bytearray()
    for at in range(0, len(packet), _CHUNK_BYTES):
        lines.extend(_NEXT if at else _FIRST)
        # b2a_base64 ends the line
        lines.extend(b2a_base64(packet[at : at + _CHUNK_BYTES]))
    return bytes(lines)


class FrameReader:
    # messages are at most buf_bytes - 4 octets; a longer one is dropped
    def __init__(self, buf_bytes: int = BUF_BYTES) -> None:
        self._line = bytearray(_LINE_BYTES)
        self._line_bytes = 0
        self._overlong = False
        self._packet = bytearray(buf_bytes)
        self._packet_bytes = 0
        self._expected = 0  # octets of the packet under way; 0 while there is none
        self.dropped = 0  # lines and messages that were damaged

    # Takes octets from the line. Yields each complete message as a memoryview, good until the
    # next octets are taken, and each typed line as a str.
    def feed(self, octets: "bytes | memoryview"):  # type: ignore[no-untyped-def]
        for octet in octets:
            if octet != _NEWLINE:
                if self._line_bytes < _LINE_BYTES:
                    self._line[self._line_bytes] = octet
                    self._line_bytes += 1
                else:
                    self._overlong = True
                continue
            line = memoryview(self._line)[: self._line_bytes]
            overlong = self._overlong
            self._line_bytes, self._overlong = 0, False
            if overlong:
                self._drop()
                continue
            found = self._take_line(line)
            if found is not None:
                yield found

    def _drop(self) -> None:
        self._expected = 0
        self.dropped += 1

    def _take_line(self, line: memoryview) -> "memoryview | str | None":
        marker = bytes(line[:2])
        if marker == _FIRST:
            if self._expected:
                self._drop()
            return self._take_piece(line[2:], True)
        if marker == _NEXT:
            return self._take_piece(line[2:], False) if self._expected else None
        return self._text(bytes(line[:_TEXT_BYTES]))

    def _take_piece(self, line: memoryview, first: bool) -> "memoryview | None":
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
        for octet in line:
            if (octet < 0x20 and octet not in b"\t\r") or octet > 0x7E:
                self.dropped += 1
                return None
        text = line.decode().strip()
        return text or None
