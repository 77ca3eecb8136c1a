# The device as the flows see it: a board (board.py), with the stores opened on it.

from hanbootloader import verify
from hanbootloader.admission import Recipient
from hanbootloader.policy import DeviceFacts, RunningFirmware
from hanbootloader.reasons import TRIAL_RUNNING, Refused
from hanbootloader.store import ledger
from hanbootloader.store.backup import Backup
from hanbootloader.store.doubts import JOURNAL, PLACE
from hanbootloader.store.flash import Region
from hanbootloader.store.journal import Journal
from hanbootloader.trust.anchors import Anchors, Memory

if __debug__:  # in annotations alone
    from hanbootloader.board import Board


class AnchorMemory(Memory):
    def __init__(self, book: ledger.Ledger, backup: Backup) -> None:
        self._ledger = book
        self._backup = backup

    def sequences(self) -> "dict[int, int]":
        return self._ledger.sequences

    def worn(self) -> "list[int]":
        return self._backup.worn

    def note_worn(self, place: int) -> None:
        self._backup.note_worn(place)

    def weigh(self, sector: int, is_failed: bool) -> None:
        self._backup.doubts.weigh(PLACE + sector, is_failed)

    def is_in_doubt(self) -> bool:
        return self._backup.doubts.needs_restart


# What a device has besides where it takes part in a Home Area Network: network.py.
class Network:
    if __debug__:  # an interface
        # Its node there, which serves the link, too, by the commands that it adds to `groups`.
        def join(self, installer, groups):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        # r || s over `digest` by the device's own key; None where it has none. Generator.
        def sign_steps(self, digest: bytes):  # type: ignore[no-untyped-def]
            raise NotImplementedError


class Device(Recipient):
    def __init__(self, board: "Board") -> None:
        self.board = board
        self.slots = [self.region("slot0"), self.region("slot1")]
        backup = Backup(self.region("backup"))
        # something does not check that did before: nothing is written, and the device is to restart
        self.doubts = backup.doubts
        journal = Journal(
            self.region("journal"), lambda is_failed: self.doubts.weigh(JOURNAL, is_failed)
        )
        self.ledger = ledger.Ledger(journal, backup)
        self.anchors = Anchors(self.region("anchors"), AnchorMemory(self.ledger, backup))
        # boot.py attaches it; None where the board has none
        self.network: "Network | None" = None
        # slot that was started; -1 in the bootloader
        self.started = -1
        # what was locked once stays locked, even if its cells cannot be read any more
        if not self.doubts.needs_restart:
            self.lock_anchors()

    def region(self, name: str) -> Region:
        return Region(*self.board.region(name))

    # Remembers that this device was provisioned, and with what.
    def lock_anchors(self) -> None:
        try:
            if self.anchors.is_provisioned:
                self.ledger.keep_anchors(
                    {cell.identity: cell.sequence for cell in self.anchors.cells()}
                )
        except Refused:
            pass  # a journal that takes nothing more is no reason not to start
        self.anchors.is_locked = self.ledger.is_locked

    # Key identifiers of the envelopes in slots that an older key vouches for; None where one of
    # them cannot be read.
    def _vouched_kids(self) -> "list[bytes] | None":
        kids = []
        for index in (0, 1):
            if self.ledger.vouched_hash(index) is not None:
                try:
                    kids.append(verify.read_front(self.image(index))[0].kid)
                except Refused:
                    return None
        return kids

    # Takes a trust anchor cell. Generator; returns whether it was written: one that is held already
    # is not.
    def put_anchor_steps(self, head: bytes, signature: "bytes | None"):  # type: ignore[no-untyped-def]
        # the image on trial would be confirmed under a key that vouches for nothing new
        if self.ledger.find(ledger.TRIAL) >= 0:
            raise Refused(TRIAL_RUNNING)
        scope = (self.board.manufacturer_code, self.board.image_type)
        is_new = yield from self.anchors.put_steps(head, signature, scope, self._vouched_kids())
        self.lock_anchors()
        return is_new

    # Cells of the format before become cells of this one; once, at the first start.
    def migrate(self) -> None:
        for _ in self.anchors.migrate_steps():  # type: ignore[no-untyped-call]
            self.board.watchdog()

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
