# What an application gets from the bootloader: this object, and nothing to import.
#
#   async def main(services):  ...        in the module `app` of its ROMFS
#
# An application on trial has trial_ms to call confirm() after its self-test. One that raises,
# ends, hangs or stays silent is started again, at most three times, and then replaced by the
# firmware before it.

import asyncio
import hashlib

from hanbootloader.install import IDLE, RECEIVING
from hanbootloader.store import ledger

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.install import Installer
    from hanbootloader.link.console import ConsoleServer

_SIGNED_FOR = b"hanboot application\0"


class Services:
    # data: path of the data region, which no upgrade touches
    def __init__(
        self, device: "Device", installer: "Installer", label: "str | None", data: str
    ) -> None:
        self._device = device
        self._installer = installer
        self._console: "ConsoleServer | None" = None
        self.file_version = device.ledger.slots[device.started].file_version
        self.label = label
        self.data = data

    def attach(self, console: "ConsoleServer") -> None:
        self._console = console

    @property
    def on_trial(self) -> bool:
        return self._device.ledger.slots[self._device.started].state == ledger.TRIAL

    # The self-test passed: this firmware is the device's from here on. Twice is as good as once.
    def confirm(self) -> bool:
        if self.on_trial:
            self._device.ledger.confirm(self._device.started)
        return True

    # (state, bytes received, bytes in all) of the update under way. state: idle, receiving,
    # verifying, staged, pending
    def update(self) -> "tuple[str, int, int]":
        state, received, total = self._installer.progress()
        if state == IDLE:
            held = self._device.ledger.held()
            if held < 0:
                return "idle", 0, 0
            staged = self._device.ledger.slots[held].state == ledger.STAGED
            return ("staged" if staged else "pending"), 0, 0
        return ("receiving" if state == RECEIVING else "verifying"), received, total

    # r || s by the device's digital signature key over SHA-256 of "hanboot application", a zero and
    # `message`; None where the device has no such key. What stands in front keeps it apart from
    # every GBCS message, which only the bootloader signs. It takes a second or so, in steps.
    async def sign(self, message: bytes) -> "bytes | None":
        network = self._device.network
        if network is None:
            return None
        sha = hashlib.sha256(_SIGNED_FOR)
        sha.update(message)
        steps = network.sign_steps(sha.digest())
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            await asyncio.sleep(0)

    # The last verdict, None if there was none.
    def verdict(self) -> "ledger.VerdictRecord | None":
        return self._device.ledger.verdict()

    # The next line typed at the console, None if there is none.
    def readline(self) -> "str | None":
        return self._console.readline() if self._console else None

    # Writes a line to the console.
    def say(self, text: str) -> None:
        if self._console:
            self._console.say(text)

    # Shows `lines` on the display.
    def show(self, lines: "tuple[str, ...]") -> None:
        self._device.board.display(lines)
