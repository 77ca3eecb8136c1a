# The OTA Upgrade client (ZigBee 095264r23 6; ZCL8 11): asks the hub for the next image, fetches it
# block by block, and reports what became of it.
#
#   NORMAL -> query -> DOWNLOADING -> blocks -> COMPLETE -> Upgrade End -> WAITING or COUNT_DOWN
#      ^________________________________|  refused, aborted, given up          |-> activated
#
# Nothing is decided here: the image goes to a store, which admits it. The hub is not trusted: an
# answer counts if it is the one that was asked for, and whatever repeats has a bound.

from hanbootloader.compat import const
from hanbootloader.han import ota_cluster as ota
from hanbootloader.han import zcl
from hanbootloader.han.exchange import Exchange
from hanbootloader.han.ota_cluster import (
    COMPLETE,
    COUNT_DOWN,
    DOWNLOADING,
    NORMAL,
    WAITING,
    WAITING_EXTERNAL,
)
from hanbootloader.reasons import Refused

if __debug__:  # in annotations alone
    from hanbootloader.han.ota_store import ImageStore, Timing

_S = const(1000)
_LATER_MS = const(10)  # between two looks at a verification


class OtaClient:
    # send(command, values): sends a command of the cluster to the server
    # is_external: an image is activated by a message, never by the server (SE 1.2b,
    # UpgradeActivationPolicy 1). draw(): a random number of 1 to 100.
    def __init__(  # type: ignore[no-untyped-def]
        self,
        store: "ImageStore",
        send,
        eui64: bytes,
        block_bytes: int,
        is_external: bool,
        draw,
        timing: "Timing",
    ) -> None:
        self._store = store
        self._send = send
        self._eui64 = eui64
        self._block_bytes = block_bytes
        self._draw = draw
        self._timing = timing
        self._exchange = Exchange(send, timing)
        self.is_external = is_external
        self.block_period_ms = 0
        self.is_activated = False  # a restart is due
        self.version = ota.ANY_VERSION  # of the image under way or waiting
        self.position = 0
        self.total_bytes = 0
        self.received = 0  # images that arrived whole since the start, good or bad
        self._job = None  # generator that works on the last block
        self._waits = 0
        self._end_status = zcl.SUCCESS
        self._resumed = False
        self._restarted = False
        self._refused: "tuple[int, int] | None" = None  # (version, size) refused last
        self._reverted = store.reverted_version()  # not fetched again unless the hub calls
        self._stuck = -1  # version held whose activation was refused
        self._settle()
        is_waiting = self.status == WAITING
        begin = self._ask_upgrade_time if is_waiting else self._begin_query
        self._exchange.schedule(timing.first_query_s * _S, begin)

    # Does what is due at `now`, in milliseconds that never wrap. True if there was anything.
    def poll(self, now: int) -> bool:
        if self.is_activated:
            return False
        worked = self._exchange.poll(now)
        if self._job is None:
            return worked
        try:
            next(self._job)
        except StopIteration:
            self._job = None
        return True

    @property
    def is_busy(self) -> bool:
        return self._job is not None or self.status in (DOWNLOADING, COMPLETE)

    # Back to where the client is without anything under way.
    def _settle(self) -> None:
        held = self._store.held_version()
        if held is not None:
            self._hold(held)
            return
        self.status = NORMAL
        self.version = ota.ANY_VERSION
        self._exchange.schedule(self._timing.query_s * _S, self._begin_query)

    # --- Image Notify

    def on_notify(self, values: "dict[str, int]", is_broadcast: bool) -> None:
        if is_broadcast:
            if not self._concerns(values):
                return
        else:
            # the hub means this device: what was refused may be another file now
            self._refused = self._reverted = None
        is_waiting = self.status == COUNT_DOWN or self.is_activated
        if not self.is_busy and not is_waiting and self._exchange.is_free:
            self._begin_query()

    # 6.10.3: those whom a broadcast does not concern, and those who draw more, stay silent
    def _concerns(self, values: "dict[str, int]") -> bool:
        store = self._store
        if not 1 <= values["jitter"] <= ota.JITTER_MOST:
            return False
        # what a shorter payload leaves out concerns everyone
        if values.get("manufacturer", ota.ANY_CODE) not in (store.manufacturer_code, ota.ANY_CODE):
            return False
        if values.get("image_type", ota.ANY_CODE) not in (store.image_type, ota.ANY_CODE):
            return False
        if values.get("version") == store.running_version():
            return False
        return self._draw() <= values["jitter"]  # type: ignore[no-any-return]

    # --- Query Next Image

    def _begin_query(self) -> None:
        self._exchange.ask(
            ota.QUERY_NEXT_IMAGE, ota.QUERY_NEXT_IMAGE_RESPONSE, self._build_query, self._stop
        )

    def _build_query(self) -> "dict[str, object]":
        store = self._store
        return {
            "field_control": ota.HARDWARE_VERSION_PRESENT,
            "manufacturer": store.manufacturer_code,
            "image_type": store.image_type,
            "version": store.running_version(),
            "hardware_version": store.hardware_version,
        }

    # Returns the ZCL status for a Default Response, as on_end_response does.
    def on_query_response(self, values: "dict[str, int]") -> int:
        store, exchange = self._store, self._exchange
        if exchange.expected != ota.QUERY_NEXT_IMAGE_RESPONSE:
            return zcl.SUCCESS
        if values["status"] != zcl.SUCCESS:
            exchange.answered()
            self._settle()
            return zcl.SUCCESS
        version, size = values["version"], values["image_size"]
        if not self._is_ours(values) or not size:
            exchange.mismatched()
            return zcl.MALFORMED_COMMAND
        exchange.answered()
        if size > store.largest_bytes:
            self._settle()
            return zcl.INSUFFICIENT_SPACE
        if version == store.held_version():
            self._settle()
            if not self.is_external:
                self._ask_upgrade_time()
        elif version == store.running_version():
            self._settle()
        elif (version, size) == self._refused or version == self._reverted:
            # it is reported to the hub once more, without another transfer
            self.version = version
            self._end(zcl.INVALID_IMAGE)
        else:
            self._restarted = False
            self._start(version, size)
        return zcl.SUCCESS

    def _is_ours(self, values: "dict[str, int]") -> bool:
        store = self._store
        return (
            values["manufacturer"] == store.manufacturer_code
            and values["image_type"] == store.image_type
        )

    # --- blocks

    def _start(self, version: int, size: int) -> None:
        self.version, self.total_bytes, self.position = version, size, 0
        self.status = DOWNLOADING
        self._waits = 0
        self._job = self._begin_steps()  # type: ignore[no-untyped-call]

    def _begin_steps(self):  # type: ignore[no-untyped-def]
        try:
            self.position = yield from self._store.begin_steps(self.version, self.total_bytes)
        except Refused as refused:
            self._refuse(refused.reason)
            return
        except MemoryError:
            self._give_up()
            return
        self._resumed = self.position > 0
        self._go_on()

    def _go_on(self) -> None:
        if self.position == self.total_bytes:
            self.status = COMPLETE
            self._exchange.schedule(0, self._look_at_outcome)
            return
        # at least the block period from request to request (6.7.10)
        delay_ms = max(0, self.block_period_ms - self._exchange.since_asked)
        self._exchange.schedule(delay_ms, self._ask_block)

    def _ask_block(self) -> None:
        self._exchange.ask(
            ota.IMAGE_BLOCK, ota.IMAGE_BLOCK_RESPONSE, self._build_block, self._give_up
        )

    def _build_block(self) -> "dict[str, object]":
        store = self._store
        return {
            "field_control": ota.EUI64_PRESENT | ota.BLOCK_PERIOD_PRESENT,
            "manufacturer": store.manufacturer_code,
            "image_type": store.image_type,
            "version": self.version,
            "offset": self.position,
            "max_bytes": self._wanted_bytes(),
            "eui64": self._eui64,
            "block_period": self.block_period_ms,
        }

    def _wanted_bytes(self) -> int:
        return min(self._block_bytes, self.total_bytes - self.position)

    def on_block_response(self, values: "dict[str, object]") -> None:
        # late, or of another's making
        if self._exchange.expected != ota.IMAGE_BLOCK_RESPONSE:
            return
        status = values["status"]
        if status == zcl.SUCCESS:
            self._on_block(values)
        elif status == zcl.WAIT_FOR_DATA:
            self._on_wait(values)  # type: ignore[arg-type]
        else:
            # ABORT, NO_IMAGE_AVAILABLE: back to Query Next Image (GBCS 11.2.1), after a while. What
            # has arrived is kept, should the same file be offered then.
            self._stop()

    def _on_block(self, values: "dict[str, object]") -> None:
        data = values["data"]
        is_asked_for = (
            self._is_ours(values)  # type: ignore[arg-type]
            and values["version"] == self.version
            and values["offset"] == self.position
            and 0 < len(data) <= self._wanted_bytes()  # type: ignore[arg-type]
        )
        if not is_asked_for:
            self._exchange.mismatched()
            return
        self._exchange.answered()
        self._waits = 0
        # a copy: the radio needs its buffer while the store works
        octets = memoryview(bytes(data))  # type: ignore[call-overload]
        self._job = self._write_steps(octets)

    def _write_steps(self, octets: memoryview):  # type: ignore[no-untyped-def]
        try:
            self.position = yield from self._store.write_steps(self.position, octets)
        except Refused as refused:
            self._refuse(refused.reason)
            return
        except MemoryError:
            self._give_up()
            return
        self._go_on()

    def _on_wait(self, values: "dict[str, int]") -> None:
        self._exchange.answered()
        self._waits += 1
        if self._waits > self._timing.waits:
            self._give_up()
            return
        self.block_period_ms = values["block_period"]
        # the difference counts, so that a current time of 0 makes it an offset (6.10.8)
        wait_s = max(0, values["request_time"] - values["current_time"])
        wait_ms = min(wait_s, self._timing.wait_most_s) * _S
        self._exchange.schedule(max(wait_ms, self.block_period_ms), self._ask_block)

    # No answer, or none that makes sense: the hub gets a report, should it receive it.
    def _give_up(self) -> None:
        self._end_status = zcl.ABORT
        self._send(ota.UPGRADE_END, self._build_end())
        self._stop()

    def _stop(self) -> None:
        self.position = 0
        self._settle()
        self._exchange.schedule(self._timing.retry_s * _S, self._begin_query)

    # --- the end

    def _look_at_outcome(self) -> None:
        outcome = self._store.outcome()
        if outcome is None:
            self._exchange.schedule(_LATER_MS, self._look_at_outcome)
            return
        self.received += 1
        if outcome:
            self._refuse(outcome)
        else:
            self._refused = None
            self._hold(self.version)
            self._ask_upgrade_time()

    # The image is refused. One that was resumed may be made of two files: it is fetched anew, once.
    def _refuse(self, reason: int) -> None:
        status = self._store.status_of(reason)
        if status == zcl.INVALID_IMAGE:
            if self._resumed and not self._restarted:
                self._restarted = True
                self._store.discard()
                self._start(self.version, self.total_bytes)
                return
            self._refused = (self.version, self.total_bytes)
        self.position = 0
        self._end(status)

    # Reports a failure. A server need not answer it: it is repeated until tries run out.
    def _end(self, status: int) -> None:
        self.status = NORMAL
        self._end_status = status
        self._exchange.ask(ota.UPGRADE_END, ota.UPGRADE_END_RESPONSE, self._build_end, self._settle)

    def _build_end(self) -> "dict[str, object]":
        store = self._store
        return {
            "status": self._end_status,
            "manufacturer": store.manufacturer_code,
            "image_type": store.image_type,
            "version": self.version,
        }

    # An image waits for activation: by the server's time, or by a message.
    def _hold(self, version: int) -> None:
        self.version = version
        if self.is_external:
            self.status = WAITING_EXTERNAL
            self._exchange.schedule(self._timing.query_s * _S, self._begin_query)
        else:
            self.status = WAITING
            self._exchange.schedule(self._timing.retry_s * _S, self._ask_upgrade_time)

    # Reports success, and asks when to activate; once more after a while (6.10.10).
    def _ask_upgrade_time(self) -> None:
        self._end_status = zcl.SUCCESS
        self._exchange.ask(ota.UPGRADE_END, ota.UPGRADE_END_RESPONSE, self._build_end, self._settle)

    def on_end_response(self, values: "dict[str, int]") -> int:
        store = self._store
        is_ours = (
            values["manufacturer"] in (store.manufacturer_code, ota.ANY_CODE)
            and values["image_type"] in (store.image_type, ota.ANY_CODE)
            and values["version"] in (self.version, ota.ANY_VERSION)
        )
        if not is_ours or self.is_busy or self.is_activated or self.version == self._stuck:
            return zcl.SUCCESS
        if self._exchange.expected == ota.UPGRADE_END_RESPONSE:
            self._exchange.answered()
        if self.status not in (WAITING, WAITING_EXTERNAL, COUNT_DOWN):
            # the answer to a failure
            self._settle()
            return zcl.SUCCESS
        upgrade_time = values["upgrade_time"]
        if upgrade_time == ota.WAIT_FOR_ACTIVATION:
            self._hold(self.version)
            return zcl.SUCCESS
        if self.is_external:
            # SE 1.2b: only a message activates, whatever the server says
            self._hold(self.version)
            return zcl.NOT_AUTHORIZED
        self.status = COUNT_DOWN
        delay_s = max(0, upgrade_time - values["current_time"])
        self._exchange.schedule(delay_s * _S, self._activate)
        return zcl.SUCCESS

    def _activate(self) -> None:
        try:
            self._store.activate()
            self.is_activated = True
        except Refused:
            self.not_activated()

    # The image may not be activated after all: the store keeps the reason, and it waits for another
    # one to replace it.
    def not_activated(self) -> None:
        self.is_activated = False
        self._stuck = self.version
        self._settle()
        self._exchange.schedule(self._timing.query_s * _S, self._begin_query)

    # A Default Response to a command of ours: the server will not do what was asked.
    def on_default_response(self, command: int, status: int) -> None:
        if command != self._exchange.command:
            return
        self._exchange.answered()
        if command == ota.IMAGE_BLOCK:
            self._stop()
        else:
            self._settle()
