# Reads an OTA Upgrade Image as it arrives, in pieces of any size, in constant memory.
#
#   OTA Header -> envelope -> padding -> payload -> nothing, or the trailer
#
# The reader knows the format and nothing else: it refuses what cannot be read, and hands what it
# has read to a sink, where the decision (policy.py) and the flash stand.

import hashlib

from hanbootloader.compat import const
from hanbootloader.image import cose, ota
from hanbootloader.image.manifest import padding_bytes, parse_manifest
from hanbootloader.reasons import FILE_IDENTIFIER, LAYOUT, SIZE_MISMATCH, Refused

if __debug__:  # in annotations alone
    from hanbootloader.image.manifest import Manifest

_HEADER = const(0)
_ENVELOPE_HEAD = const(1)
_ENVELOPE = const(2)
_MANIFEST = const(3)
_PADDING = const(4)
_PAYLOAD = const(5)
_TRAILER = const(6)
_END = const(7)


# What the reader calls. Each call may raise Refused, which ends the reading.
class Sink:
    def on_header(self, header: ota.Header) -> None:
        pass

    def on_manifest(self, envelope: cose.Envelope, manifest: "Manifest") -> None:
        pass

    # bytes of the Manufacturer Image, in order; a view that is good only during the call
    def on_image(self, data: memoryview) -> None:
        pass


class ImageReader:
    # total_bytes: the size of the whole file, as the sender announces it
    def __init__(self, total_bytes: int, sink: Sink) -> None:
        # shorter than a header: no byte would ever bring this to an end
        if total_bytes < ota.HEADER_BYTES:
            raise Refused(FILE_IDENTIFIER, total_bytes)
        self.total_bytes = total_bytes
        self.position = 0
        self.header: "ota.Header | None" = None
        self.envelope: "cose.Envelope | None" = None
        self.manifest: "Manifest | None" = None
        self.image_bytes = 0
        self.padding_is_zero = True
        self.trailer: "bytes | None" = None
        self._sink = sink
        self._image_sha = hashlib.sha256()
        self._payload_sha = hashlib.sha256()
        self._gathered = bytearray(ota.HEADER_BYTES)
        self._filled = 0  # bytes gathered
        self._state = _HEADER
        self._wanted = ota.HEADER_BYTES

    # Takes the next bytes of the file.
    def feed(self, data: "bytes | memoryview") -> None:
        data = memoryview(data)
        at = 0
        while at < len(data):
            at += self.read(data[at:])

    # The same, but stops once the manifest is read, before any of the Manufacturer Image is
    # passed on: what follows can wait until the manifest is checked. Returns the bytes taken.
    def read(self, data: memoryview) -> int:
        if self.position + len(data) > self.total_bytes:
            raise Refused(SIZE_MISMATCH, self.total_bytes)
        at = 0
        while at < len(data):
            piece = data[at : at + self._wanted]
            at += len(piece)
            self.position += len(piece)
            self._wanted -= len(piece)
            self._take(piece)
            # a step may want nothing more: what was read last time was the manifest, padding of no
            # bytes, no trailer
            while not self._wanted and self._state != _END:
                self._step()
                if self._state == _MANIFEST:
                    return at
        return at

    def _take(self, piece: memoryview) -> None:
        if self._state == _PADDING or self._state == _PAYLOAD:
            if self._state == _PAYLOAD:
                self._payload_sha.update(piece)
            elif any(piece):
                self.padding_is_zero = False
            self._pass_on(piece)
        else:
            end = self._filled + len(piece)
            self._gathered[self._filled : end] = piece
            self._filled = end

    def _pass_on(self, piece: memoryview) -> None:
        self._image_sha.update(piece)
        self._sink.on_image(piece)

    def _step(self) -> None:
        if self._state == _HEADER:
            self.header = ota.parse_header(self._gathered)
            self._sink.on_header(self.header)
            self._gather(_ENVELOPE_HEAD, cose.HEAD_BYTES)
        elif self._state == _ENVELOPE_HEAD:
            # once and for all: memory that grows leaves holes that nothing else fits
            head = self._gathered
            self._gather(_ENVELOPE, cose.envelope_bytes(head))
            self._take(memoryview(head))
            self._wanted -= len(head)
        elif self._state == _ENVELOPE:
            self._read_envelope()
        elif self._state == _MANIFEST:
            self._pass_on(memoryview(self._gathered))
            self._begin(_PADDING, padding_bytes(len(self._gathered)))
        elif self._state == _PADDING:
            assert self.manifest is not None
            self._begin(_PAYLOAD, self.manifest.payload_bytes)
        elif self._state == _PAYLOAD:
            trailer = self.total_bytes - ota.HEADER_BYTES - self.image_bytes
            self._gather(_TRAILER, trailer)
        else:
            if self._gathered:
                self.trailer = bytes(self._gathered)
            self._begin(_END, 0)

    def _begin(self, state: int, wanted: int) -> None:
        self._state = state
        self._wanted = wanted

    def _gather(self, state: int, wanted: int) -> None:
        self._gathered = bytearray(wanted)
        self._filled = 0
        self._begin(state, wanted)

    def _read_envelope(self) -> None:
        data = memoryview(self._gathered)
        self.envelope = cose.Envelope(data)
        self.manifest = parse_manifest(self.envelope.content)
        padding = padding_bytes(len(data))
        self.image_bytes = len(data) + padding + self.manifest.payload_bytes
        # exactly nothing or exactly a trailer may follow
        if self.total_bytes - ota.HEADER_BYTES - self.image_bytes not in (0, ota.TRAILER_BYTES):
            raise Refused(LAYOUT, ota.HEADER_BYTES + self.image_bytes)
        self._sink.on_manifest(self.envelope, self.manifest)
        self._begin(_MANIFEST, 0)

    # To be called when the sender has no more.
    def finish(self) -> None:
        if self._state != _END:
            raise Refused(SIZE_MISMATCH, self.position)

    # Manufacturer Image Hash (GBCS 11.2.4): SHA-256 of the Manufacturer Image. Once, at the end.
    def image_hash(self) -> bytes:
        return self._image_sha.digest()

    def payload_hash(self) -> bytes:
        return self._payload_sha.digest()
