# The device as the flows see it: a board (board.py), with the stores opened on it.

from bootloader.admission import Recipient
from bootloader.board import Board
from bootloader.policy import DeviceFacts, RunningFirmware
from bootloader.reasons import Refused
from bootloader.store import ledger
from bootloader.store.flash import Region
from bootloader.store.journal import Journal
from bootloader.trust.anchors import Anchors


class Device(Recipient):
    def __init__(self, board: Board) -> None:
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
