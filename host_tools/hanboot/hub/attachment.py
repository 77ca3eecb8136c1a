"""Devices behind ports, on a hub's network: the tunnel of SMP group 66, with weather.

Each device has a thread of its own, because a device that restarts keeps its port waiting.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Protocol

from hanboot.device.client import Device
from hanboot.errors import HanbootError, LinkError
from hanboot.hub.air import Air, Weather
from hanboot.hub.hub import Hub, OutgoingFrame
from hanboot.link.smp import SmpRefusal
from hanbootloader.han.radio import BROADCAST
from hanbootloader.link.groups import tunnel

_BUSY_S = 0.002  # between two exchanges while frames flow
_IDLE_S = 0.1
_AWAKE_S = 2.0  # a sleepy device that is spoken to stays awake for so long
_LOST_S = 1.0  # until a device that is away is tried again
_PER_EXCHANGE = 3  # frames to a device at once: its buffer holds a few


class FrameExchange(Protocol):
    """Reaches one device."""

    def __call__(self, frames: list[bytes]) -> list[bytes]:
        """Sends frames to it, and returns those that it has sent."""

    def close(self) -> None:
        """Gives back what leads to it."""


class Attachment:
    """One device on the network.

    Args:
        hub: its hub.
        lock: held while the hub is used.
        eui: EUI-64 of the device.
        exchange: reaches it; any `HanbootError` says that it is away just now.
        weather: of its line.
        seed: of the weather.
        sleep_s: a sleepy device asks its parent for frames only so often; 0 is always awake.
    """

    def __init__(
        self,
        hub: Hub,
        lock: threading.RLock,
        eui: bytes,
        exchange: FrameExchange,
        weather: Weather,
        seed: int,
        sleep_s: float = 0.0,
    ) -> None:
        self._hub = hub
        self._lock = lock
        self.eui = eui
        self._exchange = exchange
        self.down: Air[OutgoingFrame] = Air(weather, seed)
        self.up: Air[tuple[int, bytes]] = Air(weather, seed + 1)
        self._sleep_s = sleep_s
        self._awake_until = 0.0
        self.error: HanbootError | None = None

    def step(self, now: float) -> float:
        """One exchange, at `now`; returns seconds until the next is due."""
        with self._lock:
            for frame in self._hub.outgoing(self.eui):
                self.down.put(frame, now)
            arrived = self.down.arrived(now)
        flowed = self._carry(arrived, now)
        with self._lock:
            for cluster, octets in self.up.arrived(now):
                self._hub.receive(self.eui, cluster, octets)
                flowed = True
        if flowed:
            self._awake_until = now + _AWAKE_S
            return _BUSY_S
        is_awake = now < self._awake_until or not self.down.is_empty or not self.up.is_empty
        return _IDLE_S if is_awake or not self._sleep_s else self._sleep_s

    def _carry(self, frames: list[OutgoingFrame], now: float) -> bool:
        flowed = bool(frames)
        own = self._hub.settings.eui
        packed = [
            tunnel.encode_frame(own, frame.cluster, frame.octets, frame.is_broadcast)
            for frame in frames
        ]
        while True:
            batch, packed = packed[:_PER_EXCHANGE], packed[_PER_EXCHANGE:]
            for answer in self._exchange(batch):
                found = tunnel.parse_frame(answer)
                # a frame to another hub is not for us to hear
                if found is not None and found[0] in (own, BROADCAST):
                    self.up.put((found[1], bytes(found[3])), now)
                    flowed = True
            if not packed:
                return flowed

    def run(self, stop: threading.Event) -> None:
        """Exchanges frames until `stop`; waits for the device while it is away."""
        while not stop.is_set():
            try:
                pause = self.step(time.monotonic())
                self.error = None
            except HanbootError as error:
                self.error, pause = error, _LOST_S
            stop.wait(pause)
        self._exchange.close()


class PortExchange:
    """Reaches a device behind a port, and opens the port again when it was away.

    Args:
        port: as `--port` takes it.
        eui: EUI-64 of the device that must answer there.
    """

    def __init__(self, port: str, eui: bytes) -> None:
        self._port = port
        self._eui = eui
        self._device: Device | None = None

    def __call__(self, frames: list[bytes]) -> list[bytes]:
        try:
            reply = self._open().smp.write(tunnel.GROUP, 0, {"frames": frames})
        except SmpRefusal as refusal:
            self.close()
            raise LinkError(
                "the device has no tunnel to a Home Area Network",
                str(refusal),
                "only virtual boards and development firmware have it: docs/reference/han.md",
            ) from None
        except HanbootError:
            self.close()
            raise
        answers = reply.get("frames", [])
        return [bytes(one) for one in answers if isinstance(one, bytes | memoryview)]

    def _open(self) -> Device:
        if self._device is None:
            self._device = Device(self._port)
            # frames for one device must not reach another that has its port now
            self._device.hold(self._eui)
            self._device.identity()
        return self._device

    def close(self) -> None:
        if self._device is not None:
            with contextlib.suppress(HanbootError):
                self._device.close()
        self._device = None
