# An image's way onto the device: an admission (admission.py) with a slot to write to, in steps, so
# that link and application go on meanwhile.
#
#   receive -> verify -> staged -> (activate) -> pending
#
# Nothing is decided here. Every refusal leaves a verdict with the remedy.

from hanbootloader import policy, verify
from hanbootloader.admission import Admission, Target
from hanbootloader.compat import const
from hanbootloader.reasons import (
    ACCEPTED,
    CPL_ENTRY_MISSING,
    NOT_PROVISIONED,
    TRIAL_RUNNING,
    VERIFIER_FAULT,
    Refused,
)
from hanbootloader.store import ledger
from hanbootloader.store.slots import SlotWriter
from hanbootloader.verdict import make_verdict

if __debug__:  # in annotations alone
    from hanbootloader.device import Device

# fmt: off
IDLE      = const(0)
RECEIVING = const(1)
VERIFYING = const(2)
# fmt: on


# The slot that the next image is written to. It loses what it held when the admission opens it.
class _FreeSlot(Target):
    # held_bytes: whole sectors at its front that an interrupted transfer has written already
    def __init__(self, device: "Device", index: int, held_bytes: int) -> None:
        self._device = device
        self._held_bytes = held_bytes
        self.index = index
        self.image_bytes = 0  # taken so far
        self._writer: "SlotWriter | None" = None

    def open(self) -> None:
        self._device.ledger.empty(self.index)
        # what was noted of an image goes with it: the next one is given up for its own reasons
        self._device.doubts.settle_image(self.index)
        self._writer = SlotWriter(self._device.slots[self.index], self._held_bytes)

    def write(self, piece: memoryview) -> None:
        assert self._writer is not None
        start = self.image_bytes
        self.image_bytes = start + len(piece)
        # what is held is fed again, and is there
        if start < self._held_bytes:
            piece = piece[min(len(piece), self._held_bytes - start) :]
        self._writer.write(piece)

    def close(self) -> None:
        assert self._writer is not None
        self._writer.finish()


class Installer:
    def __init__(self, device: "Device") -> None:
        self._device = device
        self._keys = verify.AnchorKeys(device.anchors)
        self._staged_sha: "bytes | None" = None  # the file that the staged image came in
        self._staged_bytes = 0
        # the image that the CPL's last word is on, until a restart: file version, hash
        self._entry: "tuple[int, bytes] | None" = None
        self._reset()

    def _reset(self) -> None:
        self.state = IDLE
        self._admission: "Admission | None" = None
        self._slot: "_FreeSlot | None" = None
        self._sha: "bytes | None" = None  # the sender's name for the file
        # whether any of it came by cable
        self._is_by_cable = True
        self._activate_hash: "bytes | None" = None
        self._job = None  # generator that verifies

    # --- receiving

    # A sender announces a file of `length` bytes; `sha` is its name for it. Returns the offset
    # of the first byte wanted: not 0 where the same file was begun before. held_bytes: of the
    # Manufacturer Image that the free slot holds since before a restart; the caller feeds them
    # again, after the OTA Header. by_cable: anything but the Home Area Network.
    def begin(
        self, length: int, sha: "bytes | None", held_bytes: int = 0, by_cable: bool = True
    ) -> int:
        # a name is anyone's: what comes by cable does not go on with the network's file
        if sha and sha == self._sha and by_cable == self._is_by_cable:
            assert self._admission is not None
            if self._admission.file_bytes == length:
                return self._admission.position
        if sha and sha == self._staged_sha and length == self._staged_bytes:
            return length
        device = self._device
        self._reset()
        self._staged_sha = None
        self._is_by_cable = by_cable
        if not device.anchors.is_provisioned:
            self._refuse(Refused(NOT_PROVISIONED))
        # spares the transfer; which image the entry is for shows at its end
        if self._needs_entry() and self._entry is None:
            self._refuse(Refused(CPL_ENTRY_MISSING))
        index = device.ledger.free_slot()
        # the slot that runs is not written, even if the journal did not take that it was started
        if index < 0 or index == device.started:
            self._refuse(Refused(TRIAL_RUNNING))
        slot = _FreeSlot(device, index, held_bytes)
        try:
            self._admission = Admission(length, device, self._keys, slot)
        except Refused as refused:
            self._refuse(refused)
        self._slot = slot
        self._sha = sha
        self.state = RECEIVING
        return 0

    # The next bytes of the file, at `offset`. Generator; returns the offset of the next byte
    # wanted: bytes that came before are passed over, bytes that come too early are not taken.
    def write_steps(self, offset: int, piece: memoryview, by_cable: bool = True):  # type: ignore[no-untyped-def]
        admission = self._admission
        if admission is None:
            # its last bytes once more, because the answer to them was lost
            return self._staged_bytes if self._staged_sha else 0
        fresh = admission.position - offset
        if self.state != RECEIVING or fresh < 0:
            return admission.position
        # one byte by cable is enough: the rest may be the network's
        self._is_by_cable = self._is_by_cable or by_cable
        try:
            yield from admission.feed_steps(piece[fresh:])
            if admission.is_complete:
                self.state = VERIFYING
                self._job = self._verify_steps(admission)
            return admission.position
        except Refused as refused:
            self._refuse(refused)
        except MemoryError:
            # a manifest may be read and not checked: nothing can go on from here
            admission = None
            self._refuse(Refused(VERIFIER_FAULT))

    # --- the file under way

    # the sender's name for it; None where there is none
    @property
    def name(self) -> "bytes | None":
        return self._sha

    # bytes of the Manufacturer Image that the slot has taken
    @property
    def slot_bytes(self) -> int:
        return self._slot.image_bytes if self._slot else 0

    # Whether the image that is staged came in the file with this name.
    def is_staged(self, sha: bytes) -> bool:
        return self._staged_sha == sha

    # Forgets it; what is held stays.
    def drop(self) -> None:
        self._reset()

    # --- verifying

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
                pass  # the verdict is kept; no client waits for this answer
        return True

    def _verify_steps(self, admission: Admission):  # type: ignore[no-untyped-def]
        yield from admission.decide_steps()  # type: ignore[no-untyped-call]
        self._check_entry(admission)
        self._stage(admission)

    # --- the CPL, where the board demands it of what comes by cable

    # Takes an entry (cpl_entry.py) for an image that is to come. Generator; returns whether the
    # board asks for one. One that is refused leaves the one before.
    def put_entry_steps(self, token: bytes):  # type: ignore[no-untyped-def]
        board = self._device.board
        if board.cpl_key is None:
            return False
        # only here: most boards do not ask
        from hanbootloader import cpl_entry

        model = (board.manufacturer_code, board.image_type, board.hardware_version)
        entry = yield from cpl_entry.check_steps(token, board.cpl_key, model)
        self._entry = (entry.file_version, entry.image_hash)
        return True

    def _needs_entry(self) -> bool:
        return self._is_by_cable and self._device.board.cpl_key is not None

    # Before the image is held: what is held may be activated by any way.
    def _check_entry(self, admission: Admission) -> None:
        if not self._needs_entry():
            return
        header, image_hash = admission.header, admission.image_hash
        assert header is not None and image_hash is not None
        if self._entry != (header.file_version, image_hash):
            raise Refused(CPL_ENTRY_MISSING)

    def _stage(self, admission: Admission) -> None:
        manifest, image_hash = admission.manifest, admission.image_hash
        assert self._slot is not None and manifest is not None and image_hash is not None
        slot = ledger.SlotRecord(
            ledger.STAGED,
            manifest.point_of_no_return,
            manifest.file_version,
            admission.image_bytes,
            manifest.security_counter,
            image_hash,
        )
        verdict = make_verdict(
            ACCEPTED,
            -1,
            manifest.file_version,
            image_hash,
            self._device.running(),
            manifest,
            admission.header,
        )
        self._device.ledger.stage(self._slot.index, slot, verdict)
        wanted = self._activate_hash
        self._staged_sha, self._staged_bytes = self._sha, admission.file_bytes
        self._reset()
        if wanted is not None:
            self.activate(wanted)

    # --- activation

    # (file version, Manufacturer Image Hash) of the image that is being verified; None if none is.
    def arriving(self) -> "tuple[int, bytes] | None":
        admission = self._admission
        if admission is None or admission.image_hash is None:
            return None
        assert admission.header is not None
        return admission.header.file_version, admission.image_hash

    # Whether the image that is being verified is to be activated if it is accepted.
    def will_activate(self) -> bool:
        return self._activate_hash is not None

    # Activates the image held with `wanted`, its Manufacturer Image Hash. While it is still being
    # verified the request is kept, and granted if the image is accepted.
    def activate(self, wanted: bytes) -> None:
        if self._admission is not None and wanted == self._admission.image_hash:
            self._activate_hash = wanted
            return
        device = self._device
        index = device.ledger.held()
        manifest = None
        slot = ledger.SlotRecord()
        try:
            if index >= 0:
                slot = device.ledger.slots[index]
                manifest = verify.read_front(device.image(index))[1]
            staged = slot.image_hash if index >= 0 else None
            running = device.running()
            reason = policy.check_activation(wanted, staged, manifest, running, device.facts())
            if reason:
                raise Refused(reason)
        except Refused as refused:
            verdict = make_verdict(
                refused.reason,
                refused.offset,
                slot.file_version,
                wanted,
                device.running(),
                manifest,
            )
            device.ledger.report_event(ledger.EVENT_NOT_ACTIVATED, verdict)
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

    # (state, bytes received, bytes in all), for progress
    def progress(self) -> "tuple[int, int, int]":
        if self._admission is None:
            return self.state, 0, 0
        return self.state, self._admission.position, self._admission.file_bytes

    # Keeps the verdict, forgets the image, and raises the refusal again for the link to report.
    def _refuse(self, refused: Refused) -> None:
        version, image_hash, manifest, header = 0, None, None, None
        admission = self._admission
        if admission is not None:
            header = admission.header
            version = header.file_version if header else 0
            image_hash, manifest = admission.image_hash, admission.manifest
        # first of all: whatever happens to the verdict, nothing goes on
        admission = None
        self._reset()
        verdict = make_verdict(
            refused.reason,
            refused.offset,
            version,
            image_hash,
            self._device.running(),
            manifest,
            header,
        )
        if refused.reason in policy.TRANSIENT:
            self._device.ledger.report(verdict)
        else:
            self._device.ledger.record(verdict)
        raise refused
