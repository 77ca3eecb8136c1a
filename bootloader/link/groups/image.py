# SMP group 1 (images), for unmodified SMP clients: state, upload, erase, slot information.
#
# Slot 0 is what runs, slot 1 the other. The precise reason of a refusal does not fit the codes of
# this group: it is mapped to the nearest here, and read in full from group 65.

import hashlib

from hanbootloader import reasons
from hanbootloader.compat import const
from hanbootloader.link.smp import CONFIRMATION_DENIED, EINVAL, IMAGE_GROUP, SmpError
from hanbootloader.store import ledger

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.install import Installer
    from hanbootloader.link.smp import Request

# fmt: off
_HASH_BYTES            = const(32)
# errors of group 1
_NO_IMAGE              = const(3)
_HASH_NOT_FOUND        = const(8)
_NO_FREE_SLOT          = const(9)
_FLASH_WRITE_FAILED    = const(12)
_INVALID_LENGTH        = const(21)
_INVALID_IMAGE_HEADER  = const(22)
_INVALID_HEADER_MAGIC  = const(23)
_INVALID_HASH          = const(24)
_VERSION_IS_NEWER      = const(27)
_TOO_LARGE             = const(30)
# fmt: on

_NEAREST = {
    reasons.FILE_IDENTIFIER: _INVALID_HEADER_MAGIC,
    reasons.SIZE_MISMATCH: _INVALID_LENGTH,
    reasons.LAYOUT: _INVALID_LENGTH,
    reasons.TOO_LARGE: _TOO_LARGE,
    reasons.PAYLOAD_HASH: _INVALID_HASH,
    reasons.SECURITY_COUNTER: _VERSION_IS_NEWER,
    reasons.NO_IMAGE_HELD: _NO_IMAGE,
    reasons.HASH_MISMATCH: _HASH_NOT_FOUND,
    reasons.TRIAL_RUNNING: _NO_FREE_SLOT,
    reasons.FLASH_FAULT: _FLASH_WRITE_FAILED,
}


# The SMP error that a client of group 1 sees for `refused`.
def to_error(refused: reasons.Refused) -> SmpError:
    return SmpError(_NEAREST.get(refused.reason, _INVALID_IMAGE_HEADER), IMAGE_GROUP)


# A file version as text: its bytes, and the last only where it says something.
def version_text(file_version: int) -> str:
    data = file_version.to_bytes(4, "big")
    text = ".".join([str(byte) for byte in data[:3]])
    return text + "." + str(data[3]) if data[3] else text


# Whether the file that arrived is the one whose SHA-256 the sender named. Nothing hangs on it: what
# an image is, its signature says.
class _Match:
    # sha: the sender's; None where it named none
    def __init__(self, sha: "bytes | None") -> None:
        self._wanted = sha
        self._sha = hashlib.sha256()
        self._position = 0

    # `data` at `offset` was offered, after which the next byte wanted is at `end`.
    def take(self, offset: int, data: memoryview, end: int) -> None:
        if offset <= self._position < end <= offset + len(data):
            self._sha.update(data[self._position - offset : end - offset])
            self._position = end

    def is_known(self, end: int) -> bool:
        return self._wanted is not None and self._position == end

    def holds(self) -> bool:
        return self._sha.digest() == self._wanted


class ImageGroup:
    # confirm: called when a client confirms the running image
    def __init__(self, device: "Device", installer: "Installer", confirm) -> None:  # type: ignore[no-untyped-def]
        self._device = device
        self._installer = installer
        self._confirm = confirm
        self._match = _Match(None)

    def commands(self) -> "dict[int, tuple[object, object]]":
        return {
            0: (self._state, self._set_state),
            1: (None, self._upload),
            5: (None, self._erase),
            6: (self._slot_info, None),
        }

    def _state(self, request: "Request | None") -> "dict[str, object]":
        device, images = self._device, []
        running = device.started if device.started >= 0 else device.ledger.confirmed()
        for slot, index in ((0, running), (1, 1 - running if running >= 0 else 0)):
            if index >= 0:
                entry = self._entry(slot, index)
                if entry is not None:
                    images.append(entry)
        return {"images": images}

    def _entry(self, slot: int, index: int) -> "dict[str, object] | None":
        record = self._device.ledger.slots[index]
        version, image_hash = record.file_version, record.image_hash
        if record.state == ledger.EMPTY:
            # clients ask at once after an upload: name the image that is still being verified
            arriving = self._installer.arriving()
            if slot == 0 or arriving is None:
                return None
            version, image_hash = arriving
        entry: "dict[str, object]" = {
            "slot": slot,
            "version": version_text(version),
            "hash": image_hash,
            "bootable": record.state not in (ledger.EMPTY, ledger.REVERTED, ledger.DAMAGED),
        }
        if index == self._device.started:
            entry["active"] = True
        if record.state == ledger.CONFIRMED:
            entry["confirmed"] = True
        if record.state == ledger.PENDING or (slot and self._installer.will_activate()):
            entry["pending"] = True
        return entry

    def _set_state(self, request: "Request") -> "dict[str, object]":
        wanted = request.byte_string("hash")
        # a verdict on it would name another
        if wanted is not None and len(wanted) != _HASH_BYTES:
            raise SmpError(EINVAL)
        try:
            if wanted is not None and not self._runs(wanted):
                # 'test' and 'confirm' are one here: an image is confirmed by its own self-test
                self._installer.activate(bytes(wanted))
            elif request.fields.get("confirm") is True:
                if not self._may_confirm() or not self._confirm():
                    raise SmpError(CONFIRMATION_DENIED, IMAGE_GROUP)
        except reasons.Refused as refused:
            raise to_error(refused)
        return self._state(None)

    # An image on trial is confirmed by its own self-test, unless the board lets a client do it.
    def _may_confirm(self) -> bool:
        device = self._device
        on_trial = device.ledger.find(ledger.TRIAL) >= 0
        return device.board.confirms_over_link or not on_trial

    def _runs(self, wanted: memoryview) -> bool:
        started = self._device.started
        return started >= 0 and self._device.ledger.slots[started].image_hash == wanted

    def _upload(self, request: "Request"):  # type: ignore[no-untyped-def]
        offset = request.uint("off")
        data = request.byte_string("data")
        if data is None:
            raise SmpError(EINVAL)
        try:
            if offset == 0:
                name = request.byte_string("sha")
                # a SHA-256, or less of it: it is kept until the next file
                if name is not None and len(name) > _HASH_BYTES:
                    raise SmpError(EINVAL)
                sha = bytes(name) if name else None
                start = self._installer.begin(request.uint("len"), sha)
                if start:
                    return {"off": start}
                self._match = _Match(sha)
            wanted = yield from self._installer.write_steps(offset, data)
        except reasons.Refused as refused:
            raise to_error(refused)
        reply: "dict[str, object]" = {"off": wanted}
        self._match.take(offset, data, wanted)
        # only with the last: some clients take no other field
        if self._installer.busy and self._match.is_known(wanted):
            reply["match"] = self._match.holds()
        return reply

    def _erase(self, request: "Request") -> "dict[str, object]":
        self._installer.erase()
        return {}

    def _slot_info(self, request: "Request") -> "dict[str, object]":
        slots = [{"slot": index, "size": self._device.slots[index].size} for index in (0, 1)]
        return {"images": [{"image": 0, "slots": slots}]}
