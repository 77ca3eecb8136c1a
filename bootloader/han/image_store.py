# The image store of a device (ota_store.py): the admission with its slot, and how far a transfer
# has come, kept in flash.
#
# Blocks cost minutes on this network, so a transfer goes on where it stopped, also over a restart.
# Kept are the OTA Header, which is in no slot, and how many whole sectors of the slot are written.
# After a restart both are fed to a new admission, as if they came over the air: everything is
# hashed and checked anew, nothing is trusted because it was checked once.

from hanbootloader import policy
from hanbootloader.compat import const
from hanbootloader.han import zcl
from hanbootloader.han.ota_store import ImageStore
from hanbootloader.image import ota
from hanbootloader.install import IDLE
from hanbootloader.reasons import FLASH_FAULT, TRIAL_RUNNING, VERIFIER_FAULT, Refused
from hanbootloader.store import ledger

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.install import Installer
    from hanbootloader.store.han_records import Transfer

_REPLAY_BYTES = const(256)  # fed at once
_PREFIX = b"HAN"  # of the names that the installer knows transfers by
# these say nothing of an image: the hub gets ABORT
_NOT_NOW = policy.TRANSIENT + (FLASH_FAULT, VERIFIER_FAULT)


class DeviceStore(ImageStore):
    # activate(image hash): what activates the image held (activation.py)
    def __init__(  # type: ignore[no-untyped-def]
        self, device: "Device", transfer: "Transfer", installer: "Installer", activate
    ) -> None:
        board = device.board
        self._device = device
        self._installer = installer
        self._activate = activate
        self._transfer = transfer
        self._name = b""  # of the transfer under way, as the installer knows it
        self._kept_bytes = 0  # of the slot, that the transfer's record speaks of
        self._cable = (-1, -1)  # an upload by cable that the network gave way to: bytes, in all
        self._header = bytearray()  # of the file under way, as far as it has come
        self._sector_bytes = device.slots[0].sector_bytes
        self.manufacturer_code = board.manufacturer_code
        self.image_type = board.image_type
        self.hardware_version = board.hardware_version
        self.largest_bytes = ota.HEADER_BYTES + device.slots[0].size + ota.TRAILER_BYTES

    def running_version(self) -> int:
        running = self._device.running()
        return running.file_version if running else 0

    def _held(self) -> "ledger.SlotRecord | None":
        index = self._device.ledger.held()
        return self._device.ledger.slots[index] if index >= 0 else None

    def held_version(self) -> "int | None":
        held = self._held()
        return held.file_version if held is not None else None

    def reverted_version(self) -> "int | None":
        index = self._device.ledger.find(ledger.REVERTED)
        return self._device.ledger.slots[index].file_version if index >= 0 else None

    # --- receiving

    def begin_steps(self, version: int, total_bytes: int):  # type: ignore[no-untyped-def]
        installer = self._installer
        name = _PREFIX + version.to_bytes(4, "big") + total_bytes.to_bytes(4, "big")
        self._give_way()
        self._name = name
        header = self._transfer.name()
        kept = 0
        if installer.name != name and _is_of(header, version, total_bytes):
            kept = self._resumable_bytes()
        position = installer.begin(total_bytes, name, kept, False)
        if position:
            return position
        self._header = bytearray(header if kept else b"")
        if not kept:
            self._transfer.begin(b"")
            self._kept_bytes = 0
            return 0
        try:
            yield from self._replay_steps(header, kept)
        except Refused:
            # what is in the slot is not what the record says, as where another image was written
            # over it: from the beginning, and this refusal was none of the hub's file
            self.discard()
            self._header = bytearray()
            return installer.begin(total_bytes, name, 0, False)
        self._kept_bytes = kept
        return ota.HEADER_BYTES + kept

    # An upload by cable goes first; one that has come no further since the last time is abandoned.
    def _give_way(self) -> None:
        installer = self._installer
        name = installer.name
        if installer.state == IDLE or (name is not None and name[:3] == _PREFIX):
            self._cable = (-1, -1)
            return
        progress = installer.progress()[1:]
        if installer.busy or progress != self._cable:
            self._cable = progress
            raise Refused(TRIAL_RUNNING)

    # What the slot holds of the transfer in the record. A slot with a state of its own has been
    # written by another since.
    def _resumable_bytes(self) -> int:
        store = self._device.ledger
        index = store.free_slot()
        if index < 0 or store.slots[index].state != ledger.EMPTY:
            return 0
        return self._transfer.offset()

    # Feeds what is kept to the admission.
    def _replay_steps(self, header: bytes, kept: int):  # type: ignore[no-untyped-def]
        installer = self._installer
        slot = self._device.slots[self._device.ledger.free_slot()].view
        yield from installer.write_steps(0, memoryview(header), False)
        for start in range(0, kept, _REPLAY_BYTES):
            piece = slot[start : start + _REPLAY_BYTES]
            yield from installer.write_steps(ota.HEADER_BYTES + start, piece, False)
            yield

    def write_steps(self, offset: int, octets: memoryview):  # type: ignore[no-untyped-def]
        installer = self._installer
        if installer.name != self._name:
            # an upload by cable has taken the slot
            raise Refused(TRIAL_RUNNING)
        missing = ota.HEADER_BYTES - len(self._header)
        if missing and offset == len(self._header):
            self._header.extend(octets[:missing])
        try:
            position = yield from installer.write_steps(offset, octets, False)
        except Refused:
            self._transfer.begin(b"")
            raise
        self._keep()
        return position

    # Keeps how many sectors of the slot are complete: a record a sector, some 200 to an erase.
    def _keep(self) -> None:
        installer = self._installer
        complete = installer.slot_bytes // self._sector_bytes * self._sector_bytes
        if complete <= self._kept_bytes:
            return
        if not self._kept_bytes:
            self._transfer.begin(bytes(self._header))
        self._transfer.advance(complete)
        self._kept_bytes = complete

    def outcome(self) -> "int | None":
        installer = self._installer
        if installer.busy:
            return None
        self._transfer.begin(b"")
        self._kept_bytes = 0
        if installer.is_staged(self._name):
            return 0
        verdict = self._device.ledger.verdict()
        # a verdict of none: an upload by cable has taken the slot in between
        return (verdict.reason if verdict else 0) or TRIAL_RUNNING

    def discard(self) -> None:
        if self._installer.name == self._name:
            self._installer.drop()
        self._transfer.begin(b"")
        self._kept_bytes = 0

    def activate(self) -> None:
        held = self._held()
        if held is not None:
            self._activate(held.image_hash)

    def status_of(self, reason: int) -> int:
        return zcl.ABORT if reason in _NOT_NOW else zcl.INVALID_IMAGE


# Whether `header`, as kept, begins a file of this version and size.
def _is_of(header: bytes, version: int, total_bytes: int) -> bool:
    if len(header) != ota.HEADER_BYTES:
        return False
    try:
        parsed = ota.parse_header(header)
    except Refused:
        return False
    return parsed.file_version == version and parsed.total_bytes == total_bytes
