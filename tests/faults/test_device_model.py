"""A whole device against device_model.py: any order of uploads whole, in part, resumed and in the
wrong order, power cuts, activations, resets, confirmations, crashes, hangs, erases, noise on the
line, wrong images and trust anchors. After each step both must say the same.

All goes over the console, as frames. HYPOTHESIS_PROFILE=explore plays many more.
"""

from __future__ import annotations

import os

import cells
import flows
import images
import ramboard
from device_model import FOLLOWS, SPOILT, Model, Slot
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from hanbootloader.application import Services
from hanbootloader.image import cbor, cose
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer
from hanbootloader.reasons import TRIAL_CRASHED
from hanbootloader.store import ledger
from nor import SECTOR_BYTES

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "explore"

NAMES = st.sampled_from(sorted(FOLLOWS))
#: Ways that lead somewhere: drawn as often as all the others.
LIKELY = st.sampled_from(["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0"])
SPOILS = st.none() | st.sampled_from(sorted(SPOILT))
PIECES = st.sampled_from([61, 200, 512, 700])

STATES = ("empty", "staged", "pending", "trial", "confirmed", "previous", "reverted", "damaged")


def file_of(name: str, spoilt: str | None) -> bytes:
    octets = bytearray(images.ota_image(name))
    if spoilt == "manufacturer code":
        octets[10] ^= 1
    elif spoilt == "file version":
        octets[14] ^= 1
    elif spoilt == "payload":
        octets[-1] ^= 1
    return bytes(octets)


def front_bytes(octets: bytes) -> int:
    """Octets after which a device knows whether it wants the rest."""
    return 60 + cose.envelope_bytes(octets[60:])


class DeviceMachine(RuleBasedStateMachine):
    @initialize(way=st.sampled_from([None, (), ("1.0.0",), ("1.0.0", "1.1.0")]))
    def begin(self, way: tuple[str, ...] | None) -> None:
        self.board = ramboard.Board()
        self.model = Model()
        self.number = 0
        if way is not None:
            cells.provision(self.board.device())
            self.model.is_provisioned, self.model.supplier = True, 1
        self._start(hung=False)
        for name in way or ():
            self.upload(name, None, 700)
            self.activate(name)
            self.reset()
            self.confirm()

    # --- the device

    def _start(self, hung: bool) -> None:
        self.board.hung = hung
        self.board.console = ramboard.Console()
        self.device, chosen = flows.start(self.board)
        self.model.restart(hung)
        # (release, what is wrong with it, octets taken) of an upload that goes on; of one that is
        # staged and known by its name
        self.arriving: tuple[str, str | None, int] | None = None
        self.complete: tuple[str, str | None] | None = None
        self.installer = Installer(self.device)
        confirm = lambda: False  # noqa: E731
        if chosen is not None:
            confirm = Services(self.device, self.installer, None, "/data").confirm
        self.console = ConsoleServer(self.device, self.installer, confirm)

    def _ask(self, operation: int, group: int, command: int, **fields: object) -> dict:
        """The fields of the reply, once all work that waits is done."""
        self.number = (self.number + 1) & 0xFF
        self._send(frame.encode(smp.encode(1, operation, group, self.number, command, fields)))
        replies = list(map(bytes, frame.FrameReader().feed(self.board.console.outgoing)))
        assert len(replies) == 1, replies
        header = smp.parse_header(replies[0])
        assert (header.sequence, header.group, header.command) == (self.number, group, command)
        return cbor.decode(replies[0][smp.HEADER_BYTES :], False)

    def _send(self, octets: bytes) -> None:
        self.board.console.incoming, self.board.console.outgoing = octets, b""
        while self.console.poll() or self.board.console.incoming:
            pass

    def _write(self, octets: bytes, at: int, end: int, sha: bytes) -> dict:
        more = {"len": len(octets), "sha": sha} if at == 0 else {}
        return self._ask(smp.WRITE, 1, 1, off=at, data=octets[at:end], **more)

    # --- uploads

    @rule(name=NAMES | LIKELY, spoilt=SPOILS, piece=PIECES)
    def upload(self, name: str, spoilt: str | None, piece: int) -> None:
        octets = file_of(name, spoilt)
        self._upload(name, spoilt, 0, len(octets), piece)

    @rule(name=LIKELY, spoilt=SPOILS, piece=PIECES, share=st.floats(0, 0.99))
    def upload_part(self, name: str, spoilt: str | None, piece: int, share: float) -> None:
        octets = file_of(name, spoilt)
        self._upload(name, spoilt, 0, max(1, int(len(octets) * share)), piece)

    @precondition(lambda self: self.arriving is not None)
    @rule(piece=PIECES)
    def resume(self, piece: int) -> None:
        name, spoilt, at = self.arriving
        octets = file_of(name, spoilt)
        # the first piece once more, and the device says how far it is
        assert self._write(octets, 0, 60, images.sha256(octets)) == {"off": at}
        self._upload(name, spoilt, at, len(octets), piece)

    @precondition(lambda self: self.arriving is not None)
    @rule(beyond=st.integers(1, 5000), octets=st.binary(min_size=1, max_size=40))
    def octets_that_come_too_early(self, beyond: int, octets: bytes) -> None:
        at = self.arriving[2]
        assert self._ask(smp.WRITE, 1, 1, off=at + beyond, data=octets) == {"off": at}

    def _upload(self, name: str, spoilt: str | None, at: int, end: int, piece: int) -> None:
        model = self.model
        octets = file_of(name, spoilt)
        sha = images.sha256(octets)
        if not at and self.complete == (name, spoilt):
            # it is there already
            assert self._write(octets, 0, 60, sha) == {"off": len(octets)}
            return
        if not at and self.arriving is not None and self.arriving[:2] == (name, spoilt):
            at = self.arriving[2]
            assert self._write(octets, 0, 60, sha) == {"off": at}
        self.complete = None
        if not at and model.takes_none():
            assert "err" in self._write(octets, 0, 60, sha)
            model.begin()
            self.arriving = None
            return
        front = front_bytes(octets)
        end = max(at, end)
        while at < end:
            until = min(at + piece, end)
            before = at
            reply = self._write(octets, at, until, sha)
            reason = 0
            if spoilt == "manufacturer code" and before < 60 <= until:
                reason = model.check_early(name, spoilt)
            elif before < front <= until:
                reason = model.check_early(name, spoilt)
                if not reason:
                    model.lose_other()
            if reason:
                assert "err" in reply, reply
                model.refuse(reason)
                self.arriving = None
                return
            assert reply.get("off") == until, reply
            at = until
        self.arriving = (name, spoilt, at)
        if at == len(octets):
            self.arriving = None
            if not model.arrived(name, spoilt):
                self.complete = (name, spoilt)

    # Power fails at one of the flash operations of an upload that would be accepted: what was held
    # is there, or gone, or the new one is.
    @precondition(lambda self: not self.model.takes_none() and self.model.find("pending") is None)
    @rule(name=LIKELY, operation=st.integers(0, 30), octets=st.integers(0, 255))
    def cut(self, name: str, operation: int, octets: int) -> None:
        if self.model.check_early(name, None):
            return
        flash, model = self.board.flash, self.model
        reason_before, held_before = model.reason, model.slots[model.other()]
        flash.cut_at, flash.cut_bytes = flash.operations + operation, octets
        try:
            self.upload(name, None, 700)
        except ramboard.PowerCut:
            found = ledger.Ledger(self.board.device().ledger._journal)
            slot, verdict = found.slots[model.other()], found.offer()
            reason = None if verdict is None else verdict.reason
            if slot.state == ledger.STAGED and slot.image_hash == images.image_hash(name):
                model.slots[model.other()] = Slot(name, "staged")
                assert reason == 0 or held_before == Slot(name, "staged")
                model.reason = reason
            else:
                kept = slot.state != ledger.EMPTY
                model.slots[model.other()] = held_before if kept else None
                assert reason in (reason_before, model.reason)
                model.reason = reason
            # goes with the verdict that it followed
            event = found.last_event()
            model.event = None if event is None else event[1].reason
            model.changed()
            flash.cut_at = -1
            self._start(hung=False)
        flash.cut_at = -1

    # --- what else a client may do

    @rule(name=NAMES | LIKELY)
    def activate(self, name: str) -> None:
        reply = self._ask(smp.WRITE, 1, 0, hash=images.image_hash(name))
        if self.model.started is not None and self.model.slots[self.model.started].name == name:
            # it runs: neither an activation nor, without `confirm`, a confirmation
            assert "images" in reply
            return
        assert ("err" in reply) == bool(self.model.activate(name)), reply

    @precondition(lambda self: self.model.held is not None)
    @rule()
    def activate_what_is_held(self) -> None:
        self.activate(self.model.slots[self.model.held].name)

    @rule()
    def confirm(self) -> None:
        reply = self._ask(smp.WRITE, 1, 0, confirm=True)
        assert ("err" in reply) != self.model.confirm(), reply

    @rule()
    def erase(self) -> None:
        assert self._ask(smp.WRITE, 1, 5) == {}
        self.model.erase()
        self.arriving = self.complete = None

    @rule(noise=st.lists(st.binary(max_size=300) | st.just(b"\x06\x09"), max_size=4))
    def noise(self, noise: list[bytes]) -> None:
        self._send(b"\n".join(noise) + b"\n")

    @rule(group=st.sampled_from([0, 1, 10, 65, 64]), command=st.integers(0, 9), data=st.data())
    def reads(self, group: int, command: int, data: st.DataObject) -> None:
        self._ask(smp.READ, group, command, **{data.draw(st.text(max_size=3)): None})

    # --- trust anchors

    @precondition(lambda self: not self.model.is_provisioned)
    @rule()
    def provision(self) -> None:
        for name in ("supplier", "manufacturer"):
            assert self._put(name) == {"written": True}
        self.model.is_provisioned, self.model.supplier = True, 1
        self.model.changed()

    @precondition(lambda self: self.model.is_provisioned)
    @rule(name=st.sampled_from(["supplier", "manufacturer", "next supplier", "stranger"]))
    def anchor(self, name: str) -> None:
        signature = images.signature("next supplier, manufacturer")
        reply = self._put(name, signature)
        model = self.model
        # the image on trial would be confirmed under a key that vouches for nothing new
        on_trial = model.find("trial") is not None
        is_next = name == "next supplier" and model.supplier == 1
        is_held = (
            name == "manufacturer" or name == ("supplier", "next supplier")[model.supplier - 1]
        )
        if on_trial or not (is_next or is_held):
            assert "err" in reply, reply
        else:
            assert reply == {"written": is_next}, reply
            if is_next:
                model.supplier = 2
                model.changed()

    @precondition(lambda self: self.model.is_provisioned)
    @rule(name=st.sampled_from(sorted(cells.ROLES)))
    def anchor_without_a_signature(self, name: str) -> None:
        assert "err" in self._put(name, None, sequence=9)

    def _put(self, name: str, signature: bytes | None = None, **more: object) -> dict:
        fields = {} if signature is None else {"signature": signature}
        return self._ask(smp.WRITE, 65, 4, head=cells.head(name, **more), **fields)

    # --- what may happen to a device

    @rule(hung=st.booleans())
    def reset(self, hung: bool = False) -> None:
        self._start(hung)

    @precondition(lambda self: self.model.is_on_trial())
    @rule()
    def crash(self) -> None:
        self.device.ledger.note_trial(TRIAL_CRASHED)
        self.model.note(TRIAL_CRASHED)
        self._start(hung=False)

    @rule(index=st.sampled_from([0, 1]))
    def damage(self, index: int) -> None:
        """The last octet of the image in a slot changes, or changes back."""
        slot = self.model.slots[index]
        if slot is None:
            return
        first, _ = ramboard.MAP[f"slot{index}"]
        length = len(images.manufacturer_image(slot.name))
        self.board.flash.cells[first * SECTOR_BYTES + length - 1] ^= 1
        slot.is_bad = not slot.is_bad

    # --- what must hold

    @invariant()
    def both_say_the_same(self) -> None:
        model = self.model
        found = self._ask(smp.READ, 65, 0)
        started = -1 if model.started is None else model.started
        assert found["started"] == started
        assert found["provisioned"] == model.is_provisioned
        assert found["security_counter"] == model.counter
        assert found["attempts"] == model.attempts
        for index, slot in enumerate(model.slots):
            shown = found["slots"][index]
            assert shown["state"] == ("empty" if slot is None else slot.state), (found, model)
            if slot is not None:
                assert shown["hash"] == images.image_hash(slot.name)
        verdict = self._ask(smp.READ, 65, 1)
        assert verdict.get("reason") == model.told, (verdict, model)
        event = self._ask(smp.READ, 65, 1, event=True)
        assert event.get("reason") == model.told_event, (event, model)
        assert ("event" in verdict) == (model.told_event is not None)
        events, first = 0, 0
        while True:
            reply = self._ask(smp.READ, 65, 2, **{"from": first})
            for event in reply["events"]:
                events = first = event["index"] + 1
            if not reply["more"]:
                break
        assert events == model.events

    @invariant()
    def the_link_is_alive(self) -> None:
        assert self._ask(smp.WRITE, 0, 0, d="alive?") == {"r": "alive?"}

    @invariant()
    def what_runs_is_whole(self) -> None:
        started = self.model.started
        if started is not None and not self.model.slots[started].is_bad:
            image = images.manufacturer_image(self.model.slots[started].name)
            assert self.device.image(started) == image

    @invariant()
    def flash_says_so_too(self) -> None:
        kept = self.board.device().ledger
        assert [STATES[slot.state] for slot in kept.slots] == [
            "empty" if slot is None else slot.state for slot in self.model.slots
        ]
        verdict = kept.verdict()
        assert (None if verdict is None else verdict.reason) == self.model.last_word
        offer = kept.offer()
        assert (None if offer is None else offer.reason) == self.model.reason


TestDevice = DeviceMachine.TestCase
TestDevice.settings = settings(
    max_examples=3000 if LONG else 100,
    stateful_step_count=60 if LONG else 40,
    deadline=None,
    derandomize=not LONG,
)
