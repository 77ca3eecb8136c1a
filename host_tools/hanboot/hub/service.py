"""A hub that runs: its devices in threads, its control socket, its messages in a folder."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hanboot import files
from hanboot.errors import BadFile, NoDevice, WrongUsage
from hanboot.explain.reasons import Reason
from hanboot.explain.versions import version_text
from hanboot.gbcs import codec, document
from hanboot.hub.air import Weather
from hanboot.hub.attachment import Attachment, FrameExchange
from hanboot.hub.hub import Hub, Settings
from hanboot.hub.ota import DeviceProgress, Offer, Phase
from hanboot.image import ota_file
from hanboot.trust.smki.certificate import eui_text, parse_eui

#: Requests that are remembered: more than a client has under way.
_ANSWERED_MOST = 10_000


class HubService:
    """Serves devices until it is stopped.

    Args:
        settings: what the hub is.
        weather: of the line to each device.
        seed: of the weather.
        on_event: called with a line of text where something has happened.
        messages: folder for the GBCS messages of devices; None keeps them in memory alone.
    """

    def __init__(
        self,
        settings: Settings,
        weather: Weather,
        seed: int,
        on_event: Callable[[str], None] = lambda line: None,
        messages: Path | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._weather = weather
        self._seed = seed
        self._on_event = on_event
        self._messages = messages
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._attached: dict[bytes, Attachment] = {}
        self._models: dict[bytes, dict[str, int]] = {}
        self._told: dict[bytes, Phase] = {}
        #: by their "once"; the oldest go first
        self._answered: dict[str, Any] = {}
        #: (device, message) in the order of their arrival; the hub's own alerts, too
        self.inbox: list[tuple[bytes, bytes]] = []
        self.hub = Hub(settings, on_message=self._on_message)

    def attach(
        self,
        eui: bytes,
        exchange: FrameExchange,
        sleep_s: float = 0.0,
        model: dict[str, int] | None = None,
    ) -> None:
        """Adds a device, and begins to serve it.

        Args:
            eui: EUI-64 of the device.
            exchange: reaches it.
            sleep_s: how often a sleepy device asks for frames; 0 is always awake.
            model: its manufacturer code, image type, hardware version and device type, for who
                decides what it may be offered.
        """
        # a seed of its own for each device, the same in every run
        seed = self._seed + 2 * len(self._attached)
        attachment = Attachment(self.hub, self._lock, eui, exchange, self._weather, seed, sleep_s)
        with self._lock:
            self.hub.device(eui)
            self._attached[eui] = attachment
            self._models[eui] = model or {}
        thread = threading.Thread(target=attachment.run, args=(self._stop,), daemon=True)
        self._threads.append(thread)
        thread.start()

    @property
    def attached(self) -> list[Attachment]:
        """The devices that it serves."""
        return list(self._attached.values())

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def watch(self) -> None:
        """Reports what has changed since the last call."""
        with self._lock:
            changed = [
                device
                for device in self.hub.devices.values()
                if self._told.get(device.eui, Phase.NONE) != device.phase
            ]
            for device in changed:
                self._told[device.eui] = device.phase
                self._on_event(f"{eui_text(device.eui)}: {phase_text(device)}")

    def _on_message(self, eui: bytes, octets: bytes) -> None:
        self.inbox.append((eui, octets))
        self._on_event(f"{eui_text(eui)}: {message_text(octets)}")
        if self._messages is not None:
            name = f"{len(self.inbox):04d}-{eui.hex()}.hex"
            files.create(self._messages / name, octets.hex().encode() + b"\n", 0o600)

    # --- requests

    def handle(self, request: dict[str, Any]) -> Any:
        """Answers a request of the control socket.

        One that has a text at "once" is done once: the same text gets the first one's answer. So a
        client that was stopped before it knew the answer may ask again.
        """
        handlers = {
            "status": self._status,
            "models": self._list_models,
            "offer": self._offer,
            "discard": self._discard,
            "send": self._send,
            "messages": self._list_messages,
        }
        handler = handlers.get(str(request.get("command")))
        if handler is None:
            raise ValueError(f"no command {request.get('command')!r}")
        once = request.get("once")
        with self._lock:
            if once is not None and once in self._answered:
                return self._answered[once]
            answer = handler(request)
            if once is not None:
                self._answered[once] = answer
                if len(self._answered) > _ANSWERED_MOST:
                    del self._answered[next(iter(self._answered))]
            return answer

    def _devices(self, request: dict[str, Any]) -> list[bytes]:
        found = [parse_eui(text) for text in request["to"]]
        for eui in found:
            if eui not in self._attached:
                there = ", ".join(eui_text(one) for one in self._attached) or "none"
                raise NoDevice(
                    f"{eui_text(eui)} is not on this hub",
                    f"its devices: {there}",
                    "hanboot hub status lists them; hub run --port adds one",
                )
        return found

    def _list_models(self, request: dict[str, Any]) -> Any:
        return {eui_text(eui): model for eui, model in self._models.items()}

    def _offer(self, request: dict[str, Any]) -> Any:
        image = ota_file.load(base64.b64decode(request["octets"]), request["layout"])
        offer = Offer(image, request["activate_in_s"])
        if request["jitter"] is not None:
            self.hub.notify_all(offer, request["jitter"])
            devices = list(self.hub.devices)
        else:
            devices = self._devices(request)
            for eui in devices:
                self.hub.offer(eui, offer)
        return {
            "hub": eui_text(self.hub.settings.eui),
            "offered_to": [eui_text(eui) for eui in devices],
        }

    def _discard(self, request: dict[str, Any]) -> Any:
        for eui in self._devices(request):
            self.hub.discard(eui)

    def _send(self, request: dict[str, Any]) -> Any:
        octets = bytes.fromhex(request["message"])
        devices = self._devices(request)
        if len(devices) != 1:
            raise WrongUsage(
                "a message goes to one device", f"{len(devices)} were named", "name one: --to"
            )
        self.hub.send_message(devices[0], octets)

    def _list_messages(self, request: dict[str, Any]) -> Any:
        return [{"device": eui_text(eui), "message": octets.hex()} for eui, octets in self.inbox]

    def _status(self, request: dict[str, Any]) -> Any:
        return {
            "eui64": eui_text(self.hub.settings.eui),
            "devices": [self._device_status(device) for device in self.hub.devices.values()],
        }

    def _device_status(self, device: DeviceProgress) -> dict[str, Any]:
        attachment = self._attached.get(device.eui)
        offer, now = device.offer, time.monotonic()
        mail = self.hub.mail[device.eui]
        error = attachment.error if attachment else None
        return {
            "device": eui_text(device.eui),
            "phase": device.phase.value,
            "file_version": device.version,
            "offered_version": offer.image.header.file_version if offer else None,
            "position": device.position,
            "total": len(offer.image.octets) if offer else None,
            "data_octets": device.data_octets,
            "aborts": device.aborts,
            "outcome": device.ended[-1].name.lower().replace("_", "-") if device.ended else None,
            "reason": _reason(device),
            "accepts_version": device.accepts_version,
            "heard_s_ago": None if device.heard_at is None else round(now - device.heard_at, 1),
            "away": error.what if error else None,
            "messages": {
                "waiting": len(mail.letters),
                "settled": [letter.state for letter in mail.settled],
                "received": len(mail.received),
            },
            "frames": _frames(attachment),
        }


def _frames(attachment: Attachment | None) -> dict[str, int]:
    if attachment is None:
        return {}
    down, up = attachment.down, attachment.up
    return {"sent": down.sent + up.sent, "lost": down.lost + up.lost}


def _reason(device: DeviceProgress) -> dict[str, Any] | None:
    if not device.reason:
        return None
    return {"code": device.reason, "name": Reason(device.reason).label}


def phase_text(device: DeviceProgress) -> str:
    """What a person reads of how far an offer is."""
    offer = device.offer
    name = version_text(offer.image.header.file_version) if offer else ""
    if device.phase == Phase.REFUSED:
        text = f"refused {name} after {device.data_octets} octets"
        if device.reason:
            text += f": {Reason(device.reason).label}"
        if device.accepts_version is not None:
            text += f", it would accept {version_text(device.accepts_version)}"
        return text
    if device.phase == Phase.RUNNING and device.version is not None:
        return f"runs {version_text(device.version)}"
    return f"{device.phase.value} {name}".strip()


def message_text(octets: bytes) -> str:
    """What a message is, in a few words."""
    try:
        decoded = codec.decode(octets)
    except BadFile as error:
        return f"a message that cannot be read: {error.why}"
    kinds = {1: "command", 2: "response", 3: "alert"}
    values = document.to_document(decoded)["payload"]
    parts = [f"{name} {value}" for name, value in values.items()] if values else ["accepted"]
    return f"{decoded.use_case.name} {kinds[decoded.message.kind]}: {', '.join(parts)}"
