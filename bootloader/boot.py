# The flow of every start: choose a slot, verify it, start its application under watch, and
# confirm or revert.
#
#   image on trial, three starts used    -> revert
#   image pending, or on trial           -> verify, decide again, count the start, start it
#   confirmed image                      -> verify, start it
#   confirmed image damaged              -> the one before it, if no point of no return was passed
#   nothing                              -> stay here and serve the link

from hanbootloader import policy, verify
from hanbootloader.board import has_network
from hanbootloader.compat import const
from hanbootloader.device import Device
from hanbootloader.reasons import (
    FLASH_FAULT,
    SLOT_DAMAGED,
    TRIAL_HUNG,
    TRIAL_NOT_STARTED,
    VERIFIER_FAULT,
    Refused,
)
from hanbootloader.store import ledger
from hanbootloader.verdict import make_verdict

_TRIAL_STARTS = const(3)


# The manifest of slot `index` if its image verifies; Refused if not. What fails is verified again,
# and once more at the next start, before that is the image's fault: till then device.doubts asks
# for a restart.
def _verified(device: Device, index: int):  # type: ignore[no-untyped-def]
    try:
        manifest = _verified_once(device, index)
    except Refused as refused:
        # nothing is wrong with an image because the verifier is
        if refused.reason == VERIFIER_FAULT:
            raise
        try:
            manifest = _verified_once(device, index)
        except Refused as again:
            # a damaged one is known as such
            if device.ledger.slots[index].state != ledger.DAMAGED:
                device.doubts.weigh_image(index, again.reason)
            raise
    device.doubts.settle_image(index)
    return manifest


def _verified_once(device: Device, index: int):  # type: ignore[no-untyped-def]
    result = policy.VerificationResult()
    image = device.image(index)
    confirmed_hash = device.ledger.vouched_hash(index)
    steps = verify.image_steps(image, device.anchors, result, confirmed_hash)
    manifest = None
    while manifest is None:
        device.board.watchdog()
        try:
            next(steps)
        except StopIteration as end:
            manifest = end.value
    reason = policy.check_verification(result, device.facts())
    if reason:
        raise Refused(reason)
    return manifest


# Writes to the journal; False where it takes nothing more, which must not keep the device from
# starting what it has.
def _kept(transition, *arguments) -> bool:  # type: ignore[no-untyped-def]
    try:
        transition(*arguments)
        return True
    except Refused:
        return False


def _revert(device: Device, index: int, reason: int) -> None:
    slot = device.ledger.slots[index]
    verdict = make_verdict(reason, -1, slot.file_version, slot.image_hash, device.running(), None)
    _kept(device.ledger.revert, index, verdict)
    device.doubts.settle_image(index)


# The pending image, or the one on trial, if it may start (once more): (index, manifest).
def _choose_new(device: Device):  # type: ignore[no-untyped-def]
    store = device.ledger
    index = store.find(ledger.TRIAL)
    if index >= 0:
        if device.board.hung:
            _kept(store.note_trial, TRIAL_HUNG)
        if store.attempts >= _TRIAL_STARTS:
            _revert(device, index, store.trial_reason or TRIAL_NOT_STARTED)
            return None
    else:
        index = store.find(ledger.PENDING)
    if index < 0:
        return None
    try:
        manifest = _verified(device, index)
        reason = policy.check_pathway(
            manifest,
            store.slots[index].image_hash,
            device.running(),
            store.security_counter,
        )
        if reason:
            raise Refused(reason)
    except Refused as refused:
        if refused.reason != VERIFIER_FAULT and not device.doubts.needs_restart:
            _revert(device, index, refused.reason)
        return None
    # a start that cannot be counted might be repeated for ever
    if not _kept(store.count_attempt, index):
        slot = store.slots[index]
        verdict = make_verdict(
            FLASH_FAULT, -1, slot.file_version, slot.image_hash, device.running(), None
        )
        store.report_event(ledger.EVENT_NOT_STARTED, verdict)
        return None
    return index, manifest


def _choose_confirmed(device: Device):  # type: ignore[no-untyped-def]
    store = device.ledger
    index = store.confirmed()
    if index < 0:
        return None
    try:
        manifest = _verified(device, index)
        _kept(store.repair, index)
        return index, manifest
    except Refused as refused:
        # an image is not damaged because the verifier is
        if refused.reason == VERIFIER_FAULT or device.doubts.needs_restart:
            return None
    # revert is not an install: the pathway does not apply, point of no return and counter do
    other = 1 - index
    older, damaged = store.slots[other], store.slots[index]
    verdict = make_verdict(
        SLOT_DAMAGED, -1, damaged.file_version, damaged.image_hash, device.running(), None
    )
    if older.state == ledger.PREVIOUS and older.security_counter >= store.security_counter:
        try:
            manifest = _verified(device, other)
            _kept(store.fall_back, other, verdict)
            device.doubts.settle_image(index)
            return other, manifest
        except Refused:
            if device.doubts.needs_restart:
                return None
    _kept(store.damage, index, verdict)
    device.doubts.settle_image(index)
    return None


# The slot to start and its manifest; None where there is nothing that may start, or where what was
# read is in doubt and the device is to restart first (device.doubts.needs_restart).
def choose(device: Device):  # type: ignore[no-untyped-def]
    if device.doubts.needs_restart:
        return None
    device.migrate()
    if not device.anchors.is_provisioned:
        return None
    chosen = _choose_new(device)
    if chosen is None and not device.doubts.needs_restart:
        chosen = _choose_confirmed(device)
    return chosen


# The device of a board, with its side of the network where the board has one.
def open_device(board) -> Device:  # type: ignore[no-untyped-def]
    device = Device(board)
    if has_network(board):
        # only here: a board without one has none of these modules
        from hanbootloader.network import HomeNetwork

        device.network = HomeNetwork(device)
    return device


# Never returns: ends in a reset of the board.
def run(board) -> None:  # type: ignore[no-untyped-def]
    # only here: what it needs of MicroPython is not there where the flow above is tested
    from hanbootloader import start

    device = open_device(board)
    # a confirmed application that hangs must leave a way in for its successor; one that hung on
    # trial is dealt with
    needs_grace = board.hung and device.ledger.find(ledger.TRIAL) < 0
    chosen = choose(device)
    if device.doubts.needs_restart:
        board.reset()
        return
    if chosen is None:
        start.stay(device)
    else:
        start.start(device, chosen[0], chosen[1], needs_grace)
    board.reset()
