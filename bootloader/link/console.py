# The console of the device: SMP requests are answered, typed lines go to the application.
#
# `poll` never waits. It takes what has arrived, answers at most the requests in it, and does one
# step of verification where the line is quiet, so that no reply is ever late.

from bootloader.compat import const
from bootloader.device import Device
from bootloader.install import Installer
from bootloader.link import frame, han_group, image_group, os_group
from bootloader.link.smp import Dispatcher

_READ_BYTES = const(256)
_LINES_KEPT = const(4)  # typed lines that wait for the application


class Console:
    # confirm: called when a client confirms the image on trial; returns whether it may
    def __init__(self, device: Device, installer: Installer, confirm) -> None:  # type: ignore[no-untyped-def]
        self._board = device.board
        self._installer = installer
        self._frames = frame.FrameReader()
        self._buffer = bytearray(_READ_BYTES)
        self._lines: "list[str]" = []
        self._os = os_group.OsGroup("hanboot on " + self._board.name)
        groups = {
            0: self._os.commands(),
            1: image_group.ImageGroup(device, installer, confirm).commands(),
            10: os_group.enumeration([0, 1, 10, han_group.GROUP]),
            han_group.GROUP: han_group.HanGroup(device, installer).commands(),
        }
        self._dispatcher = Dispatcher(groups)

    # Whether a client asked for a reset and nothing stands against it: verification goes first.
    @property
    def reset_due(self) -> bool:
        return self._os.reset_wanted and not self._installer.busy

    # Serves the line once. True if there was something to do.
    def poll(self) -> bool:
        count = self._board.console.readinto(self._buffer)
        if not count:
            return self._installer.step()
        for found in self._frames.feed(memoryview(self._buffer)[:count]):
            if isinstance(found, str):
                self._lines.append(found)
                del self._lines[:-_LINES_KEPT]
                continue
            reply = self._dispatcher.answer(found)
            if reply is not None:
                self._board.console.write(frame.encode(reply))
        return True

    # The next typed line; None if there is none.
    def readline(self) -> "str | None":
        return self._lines.pop(0) if self._lines else None

    def say(self, text: str) -> None:
        self._board.console.write((text + "\n").encode())
