# The device as the flows see it: what the board gives, with the stores opened on it.
#
# A board gives
#   region(name)        (block device, memoryview) of "slot0", "slot1", "journal", "anchors"
#   data                block device of the application's littlefs
#   console             readinto(buffer) -> octets read now, without waiting; write(octets)
#   reset(), watchdog() reset now; keep the watchdog from resetting
#   hung                whether the last reset was the watchdog's
#   name, serial        text for people; 8 octets (EUI-64)
#   manufacturer_code, image_type, hardware_version, device_type   what an image must fit
#   trial_ms            how long an application may take to confirm
#   display(lines)      show them, in whatever way the board can

from bootloader.admission import Recipient
from bootloader.policy import DeviceFacts, RunningFirmware
from bootloader.reasons import Refused
from bootloader.store import ledger
from bootloader.store.flash import Region
from bootloader.store.journal import Journal
from bootloader.trust.anchors import Anchors


class Device(Recipient):
    def __init__(self, board) -> None:  # type: ignore[no-untyped-def]
        self.board = board
        self.slots = [Region(*board.region("slot0")), Region(*board.region("slot1"))]
        self.anchors = Anchors(Region(*board.region("anchors")))
        self.ledger = ledger.Ledger(Journal(Region(*board.region("journal"))))
        # slot that was started; -1 in the bootloader
        self.started = -1
        # what was locked once stays locked, even if its cells cannot be read any more
        self.lock_anchors()

    # Remembers that this device was provisioned.
    def lock_anchors(self) -> None:
        if self.anchors.is_provisioned:
            try:
                self.ledger.lock()
            except Refused:
                pass  # a journal that takes nothing more is no reason not to start
        self.anchors.is_locked = self.ledger.is_locked

    def facts(self) -> DeviceFacts:
        board = self.board
        return DeviceFacts(
            board.manufacturer_code,
            board.image_type,
            board.hardware_version,
            board.device_type,
            self.slots[0].size,
            self.ledger.security_counter,
        )

    # The firmware that an offered image would follow: the confirmed one, also during a trial.
    def running(self) -> "RunningFirmware | None":
        index = self.ledger.confirmed()
        if index < 0:
            return None
        slot = self.ledger.slots[index]
        return RunningFirmware(slot.file_version, slot.image_hash, slot.state == ledger.DAMAGED)

    def running_image(self) -> "memoryview | None":
        index = self.ledger.confirmed()
        return None if index < 0 else self.image(index)

    # The Manufacturer Image in slot `index`, in place.
    def image(self, index: int) -> memoryview:
        return self.slots[index].view[: self.ledger.slots[index].image_bytes]
