# The flow of an image onto the device:
#
#   receive -> decide on the header -> decide on the manifest -> verify its signature
#           -> erase and write -> verify -> decide on the whole -> staged -> (activate) -> pending
#
# Nothing is erased before the manifest is allowed and signed, and every refusal leaves a verdict
# with the remedy. Long work is done in steps, so that link and application go on beside it.

from bootloader import policy, verify
from bootloader.compat import const
from bootloader.device import Device
from bootloader.image import cose, manifest, ota
from bootloader.image.reader import ImageReader, Sink
from bootloader.reasons import (
    ACCEPTED,
    BELOW_MINIMUM_BASE,
    HARDWARE_VERSION,
    IMAGE_TYPE,
    MANUFACTURER_CODE,
    NO_LONGER_ALLOWED,
    NOT_A_PREDECESSOR,
    NOT_PROVISIONED,
    SIZE_MISMATCH,
    TRIAL_RUNNING,
    VERIFIER_FAULT,
    Refused,
)
from bootloader.store import ledger
from bootloader.store.slots import SlotWriter

# fmt: off
IDLE      = const(0)
RECEIVING = const(1)
VERIFYING = const(2)
# fmt: on

# where in the OTA Header a refusal points to
_FIELD_OFFSETS = {
    MANUFACTURER_CODE: 10,
    IMAGE_TYPE: 12,
    SIZE_MISMATCH: 52,
    HARDWARE_VERSION: 56,
}

# the remedy of these is another predecessor
_PATHWAY = (BELOW_MINIMUM_BASE, NOT_A_PREDECESSOR, NO_LONGER_ALLOWED)

# these say nothing of an image, and must not cost the verdict on one
_PASSING = (NOT_PROVISIONED, TRIAL_RUNNING)


# The verdict on an offered image, with what would be accepted in place of what runs.
def make_verdict(
    reason: int,
    offset: int,
    version: int,
    image_hash: "bytes | None",
    running: "policy.Firmware | None",
    content: "manifest.Manifest | None",
) -> ledger.Verdict:
    accepts: "list[tuple[int, bytes | None]]" = []
    minimum = 0
    if content is not None and reason in _PATHWAY:
        minimum = content.minimum_base_version
        # entries below the minimum base version would be refused all the same
        accepts = [(v, digest) for v, digest, _ in content.predecessors if v >= minimum]
    return ledger.Verdict(
        reason,
        offset,
        version,
        image_hash,
        running.file_version if running else 0,
        running.image_hash if running else None,
        minimum,
        tuple(accepts[: ledger.ACCEPTS_KEPT]),
        len(accepts),
    )


class Installer(Sink):
    def __init__(self, device: Device) -> None:
        self._device = device
        self.state = IDLE
        self._reader: "ImageReader | None" = None
        self._sha: "bytes | None" = None
        self._header: "ota.Header | None" = None
        self._index = -1
        self._writer: "SlotWriter | None" = None
        self._proofs = policy.Proofs()
        self._image_hash: "bytes | None" = None
        self._activate_hash: "bytes | None" = None
        self._job = None  # generator that verifies
        self._staged_sha: "bytes | None" = None  # the file that the staged image came in
        self._staged_bytes = 0

    # --- receiving

    # A sender announces a file of `length` octets; `sha` is its name for it. Returns the offset
    # of the first octet wanted: not 0 where the same file was begun before.
    def begin(self, length: int, sha: "bytes | None") -> int:
        if sha and sha == self._sha:
            assert self._reader is not None
            if self._reader.total_bytes == length:
                return self._reader.position
        if sha and sha == self._staged_sha and length == self._staged_bytes:
            return length
        self._reset()
        self._staged_sha = None
        if not self._device.anchors.is_provisioned:
            self._refuse(Refused(NOT_PROVISIONED))
        self._index = self._device.ledger.free_slot()
        # the slot that runs is not written, even if the journal did not take that it was started
        if self._index < 0 or self._index == self._device.started:
            self._refuse(Refused(TRIAL_RUNNING))
        # shorter than a header: no octet would ever bring this to an end
        if length < ota.HEADER_BYTES:
            self._refuse(Refused(SIZE_MISMATCH, length))
        self._reader = ImageReader(length, self)
        self._sha = sha
        self.state = RECEIVING
        return 0

    # The next octets of the file, at `offset`. Generator; returns the offset of the next octet
    # wanted: octets that came before are passed over, octets that come too early are not taken.
    def write_steps(self, offset: int, octets: memoryview):  # type: ignore[no-untyped-def]
        reader = self._reader
        if reader is None:
            # its last octets once more, because the answer to them was lost
            return self._staged_bytes if self._staged_sha else 0
        fresh = reader.position - offset
        if self.state != RECEIVING or fresh < 0:
            return reader.position
        try:
            while fresh < len(octets):
                fresh += reader.read(octets[fresh:])
                if reader.manifest is not None and self._writer is None:
                    yield from self._believe_steps(reader)
            if reader.position == reader.total_bytes:
                self._received(reader)
        except Refused as refused:
            self._refuse(refused)
        except MemoryError:
            # a manifest may be read and not believed: nothing can go on from here
            self._reset()
            raise
        return reader.position

    def on_header(self, header: ota.Header) -> None:
        assert self._reader is not None
        self._header = header
        reason = policy.judge_header(header, self._reader.total_bytes, self._device.facts())
        if reason:
            raise Refused(reason, _FIELD_OFFSETS.get(reason, -1))

    def on_manifest(self, envelope: cose.Envelope, content: manifest.Manifest) -> None:
        device = self._device
        assert self._reader is not None and self._header is not None
        reason = policy.judge_manifest(
            self._header,
            content,
            self._reader.image_bytes,
            self._hash_if_running(envelope),
            device.running(),
            device.facts(),
        )
        if reason:
            raise Refused(reason)

    # The manifest may be followed if it is signed: only then does the slot lose what it held.
    def _believe_steps(self, reader: ImageReader):  # type: ignore[no-untyped-def]
        device = self._device
        assert reader.envelope is not None
        yield from verify.signature_steps(reader.envelope, device.anchors, self._proofs)
        reason = policy.judge_signature(self._proofs)
        if reason:
            raise Refused(reason)
        device.ledger.empty(self._index)
        self._writer = SlotWriter(device.slots[self._index])

    def on_image(self, octets: memoryview) -> None:
        assert self._writer is not None
        self._writer.write(octets)

    # The running image's hash if `envelope` is its envelope: what it signs is then the same image.
    def _hash_if_running(self, envelope: cose.Envelope) -> "bytes | None":
        index = self._device.ledger.confirmed()
        running = self._device.running()
        if running is None or not envelope.stands_in(self._device.image(index)):
            return None
        return running.image_hash

    # --- verifying

    def _received(self, reader: ImageReader) -> None:
        reader.finish()
        assert self._writer is not None
        self._writer.finish()
        self._image_hash = reader.image_hash()
        self.state = VERIFYING
        self._job = self._verify_steps(reader)

    @property
    def busy(self) -> bool:
        return self.state == VERIFYING

    # Does a little of the work that waits. True if there was any.
    def step(self) -> bool:
        if self._job is None:
            return False
        try:
            next(self._job)
        except StopIteration:
            self._job = None
        except (Refused, MemoryError) as error:
            try:
                self._refuse(error if isinstance(error, Refused) else Refused(VERIFIER_FAULT))
            except Refused:
                pass  # the verdict is kept; nobody waits for this answer
        return True

    def _verify_steps(self, reader: ImageReader):  # type: ignore[no-untyped-def]
        device = self._device
        assert reader.manifest is not None and reader.envelope is not None
        content, image_hash = reader.manifest, self._image_hash
        assert self._header is not None and image_hash is not None
        proofs = self._proofs
        proofs.padding_is_zero = reader.padding_is_zero
        proofs.payload_hash_matches = reader.payload_hash() == content.payload_hash
        # no need to check who sent octets that are not the signed ones
        if proofs.payload_hash_matches:
            signature = None
            if reader.trailer is not None:
                signature = ota.parse_trailer(reader.trailer).signature
            yield from verify.supplier_steps(image_hash, signature, device.anchors, proofs)
        reason = policy.decide(
            self._header,
            content,
            reader.total_bytes,
            reader.image_bytes,
            image_hash,
            proofs,
            device.running(),
            device.facts(),
        )
        if reason:
            raise Refused(reason)
        self._stage(content, image_hash, reader.image_bytes)

    def _stage(self, content: manifest.Manifest, image_hash: bytes, image_bytes: int) -> None:
        slot = ledger.Slot(
            ledger.STAGED,
            content.point_of_no_return,
            content.file_version,
            image_bytes,
            content.security_counter,
            image_hash,
        )
        verdict = make_verdict(
            ACCEPTED, -1, content.file_version, image_hash, self._device.running(), content
        )
        self._device.ledger.stage(self._index, slot, verdict)
        wanted = self._activate_hash
        assert self._reader is not None
        self._staged_sha, self._staged_bytes = self._sha, self._reader.total_bytes
        self._reset()
        if wanted is not None:
            self.activate(wanted)

    # --- activation

    # (file version, Manufacturer Image Hash) of the image that is being verified; None if none is.
    def arriving(self) -> "tuple[int, bytes] | None":
        if self._image_hash is None:
            return None
        assert self._header is not None
        return self._header.file_version, self._image_hash

    # Whether the image that is being verified is to be activated if it is accepted.
    def will_activate(self) -> bool:
        return self._activate_hash is not None

    # Activates the image held with `wanted`, its Manufacturer Image Hash. While it is still being
    # verified the wish is kept, and comes true if the image is accepted.
    def activate(self, wanted: bytes) -> None:
        device = self._device
        if wanted == self._image_hash:
            self._activate_hash = wanted
            return
        index = device.ledger.held()
        content = None
        slot = ledger.Slot()
        try:
            if index >= 0:
                slot = device.ledger.slots[index]
                content = verify.read_front(device.image(index))[1]
            staged = slot.image_hash if index >= 0 else None
            running = device.running()
            reason = policy.judge_activation(wanted, staged, content, running, device.facts())
            if reason:
                raise Refused(reason)
        except Refused as refused:
            verdict = make_verdict(
                refused.reason,
                refused.offset,
                slot.file_version,
                wanted,
                device.running(),
                content,
            )
            device.ledger.record(verdict)
            raise
        if slot.state == ledger.STAGED:
            device.ledger.activate(index)

    # Drops what is being received and what is held; what runs is not touched.
    def erase(self) -> None:
        self._reset()
        self._staged_sha = None
        index = self._device.ledger.held()
        if index >= 0:
            self._device.ledger.empty(index)

    # --- ends

    # (state, octets received, octets in all), for progress
    def progress(self) -> "tuple[int, int, int]":
        if self._reader is None:
            return self.state, 0, 0
        return self.state, self._reader.position, self._reader.total_bytes

    def _reset(self) -> None:
        self.state = IDLE
        self._reader = None
        self._sha = None
        self._header = None
        self._proofs = policy.Proofs()
        self._writer = None
        self._image_hash = None
        self._activate_hash = None
        self._job = None

    # Keeps the verdict, forgets the image, and raises the refusal again for the link to report.
    def _refuse(self, refused: Refused) -> None:
        header, image_hash, reader = self._header, self._image_hash, self._reader
        content = reader.manifest if reader else None
        # first of all: whatever happens to the verdict, nothing goes on
        reader = None
        self._reset()
        verdict = make_verdict(
            refused.reason,
            refused.offset,
            header.file_version if header else 0,
            image_hash,
            self._device.running(),
            content,
        )
        if refused.reason in _PASSING:
            self._device.ledger.passing = verdict
        else:
            self._device.ledger.record(verdict)
        raise refused
