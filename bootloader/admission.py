# The admission of one image: its way from the first byte to the decision.
#
#   header -> manifest -> signature -> the target opens -> bytes -> verification -> decision
#
# This is the one place that knows the order. A device gives it a slot to write and its trust
# anchors (install.py), by whichever way the image comes; host tools give it the whole file, keys of
# their own library and no target. So they cannot disagree: each question is asked at the step
# where a device can first answer it, with what a device knows at that step. What a device learns
# only from the last byte, as the Manufacturer Image Hash, counts on a host from there on, too.
#
# Bytes come in pieces of any size, in order. What arrived before a reset is fed again from where it
# was kept, with a target that passes over what it holds: hashes begin anew, and nothing is taken
# for checked because it was checked once.

from hanbootloader import policy
from hanbootloader.image import ota
from hanbootloader.image.reader import ImageReader, Sink
from hanbootloader.policy import VerificationResult
from hanbootloader.reasons import SIZE_MISMATCH, Refused

if __debug__:  # in annotations alone
    from hanbootloader.image import cose
    from hanbootloader.image.manifest import Manifest
    from hanbootloader.policy import DeviceFacts, RunningFirmware


# What an admission asks of the device, at each step anew: it may have changed since.
class Recipient:
    if __debug__:  # an interface
        # what an image must fit
        def facts(self) -> "DeviceFacts":
            raise NotImplementedError

        # what the image would follow; None where nothing is confirmed
        def running(self) -> "RunningFirmware | None":
            raise NotImplementedError

        # The Manufacturer Image of what runs, or its first ENVELOPE_MAX_BYTES at least; None where
        # it is not at hand, so that the running image is known by its hash alone.
        def running_image(self) -> "memoryview | None":
            raise NotImplementedError


# The keys that signatures are checked with. Both are generators, which yield between short steps
# and write what they find into `result`.
class Keys:
    if __debug__:  # an interface
        # the manufacturer's signature on the envelope
        def manufacturer_steps(self, envelope: "cose.Envelope", result: VerificationResult):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        # The Authorising Remote Party Signature (r || s) over the Manufacturer Image with this
        # hash; None where the image carries none.
        def supplier_steps(  # type: ignore[no-untyped-def]
            self,
            image_hash: bytes,
            signature: "bytes | memoryview | None",
            result: VerificationResult,
        ):
            raise NotImplementedError


# Where the Manufacturer Image goes. This one keeps nothing, as for a host that only asks.
class Target:
    # once, when the manifest is allowed and signed: only now may anything be erased
    def open(self) -> None:
        pass

    # the next bytes of the Manufacturer Image; a view that is good only during the call
    def write(self, piece: memoryview) -> None:
        pass

    # all of the Manufacturer Image is written
    def close(self) -> None:
        pass


class Admission(Sink):
    # file_bytes: the size that the sender announces
    def __init__(self, file_bytes: int, recipient: Recipient, keys: Keys, target: Target) -> None:
        self._recipient = recipient
        self._keys = keys
        self._target = target
        self._reader = ImageReader(file_bytes, self)
        self._result = VerificationResult()
        self._is_open = False
        # Manufacturer Image Hash (GBCS 11.2.4); None before the last byte
        self.image_hash: "bytes | None" = None

    # --- what is known so far

    @property
    def file_bytes(self) -> int:
        return self._reader.total_bytes

    # bytes taken: the offset of the next one wanted
    @property
    def position(self) -> int:
        return self._reader.position

    @property
    def is_complete(self) -> bool:
        return self.image_hash is not None

    # bytes of the Manufacturer Image; 0 before the manifest
    @property
    def image_bytes(self) -> int:
        return self._reader.image_bytes

    @property
    def header(self) -> "ota.Header | None":
        return self._reader.header

    @property
    def manifest(self) -> "Manifest | None":
        return self._reader.manifest

    # --- receiving

    # Takes the next bytes of the file. Generator; Refused as soon as there is a reason.
    def feed_steps(self, piece: memoryview):  # type: ignore[no-untyped-def]
        reader = self._reader
        taken = 0
        while taken < len(piece):
            # stops once the manifest is read, before any of the Manufacturer Image is passed on
            taken += reader.read(piece[taken:])
            if reader.manifest is not None and not self._is_open:
                yield from self._open_steps()  # type: ignore[no-untyped-call]
        if reader.position == reader.total_bytes:
            self._complete()

    # ImageReader calls this with the first 60 bytes.
    def on_header(self, header: ota.Header) -> None:
        reason = policy.check_header(header, self.file_bytes, self._recipient.facts())
        if reason:
            raise Refused(reason, policy.FIELD_OFFSETS.get(reason, -1))

    # ImageReader calls this when the envelope is there.
    def on_manifest(self, envelope: "cose.Envelope", manifest: "Manifest") -> None:
        recipient = self._recipient
        assert self.header is not None
        reason = policy.check_manifest(
            self.header,
            manifest,
            self.image_bytes,
            self._hash_by_envelope(envelope),
            recipient.running(),
            recipient.facts(),
        )
        if reason:
            raise Refused(reason)

    # ImageReader calls this with the Manufacturer Image.
    def on_image(self, piece: memoryview) -> None:
        self._target.write(piece)

    # Nothing is lost to a manifest that is not signed.
    def _open_steps(self):  # type: ignore[no-untyped-def]
        assert self._reader.envelope is not None
        yield from self._keys.manufacturer_steps(self._reader.envelope, self._result)
        reason = policy.check_signature(self._result)
        if reason:
            raise Refused(reason)
        self._target.open()
        self._is_open = True

    # The running image's hash if this is its envelope: what it signs is then the same image.
    def _hash_by_envelope(self, envelope: "cose.Envelope") -> "bytes | None":
        running, image = self._recipient.running(), self._recipient.running_image()
        if running is None or image is None or not envelope.is_prefix_of(image):
            return None
        return running.image_hash

    def _complete(self) -> None:
        self._reader.finish()
        self._target.close()
        self.image_hash = self._reader.image_hash()

    # --- deciding

    # The decision on the whole file, once it is complete. Generator; Refused with the reason.
    def decide_steps(self):  # type: ignore[no-untyped-def]
        reader, result, recipient = self._reader, self._result, self._recipient
        header, manifest, image_hash = reader.header, reader.manifest, self.image_hash
        # nothing is accepted before the last byte
        if image_hash is None:
            raise Refused(SIZE_MISMATCH, self.position)
        assert header is not None and manifest is not None
        result.padding_is_zero = reader.padding_is_zero
        result.payload_hash_matches = reader.payload_hash() == manifest.payload_hash
        # no need to check who sent bytes that are not the signed ones
        if result.payload_hash_matches:
            signature = None
            if reader.trailer is not None:
                signature = ota.parse_trailer(reader.trailer).signature
            yield from self._keys.supplier_steps(image_hash, signature, result)
        reason = policy.decide(
            header,
            manifest,
            self.file_bytes,
            self.image_bytes,
            image_hash,
            result,
            recipient.running(),
            recipient.facts(),
        )
        if reason:
            raise Refused(reason)
