# The console of the device: SMP requests are answered, typed lines go to the application.
#
# `poll` never waits and takes some milliseconds at most: it takes what has arrived, or does one
# step of the answer to a request, or one of a verification that no client waits for.

from hanbootloader.compat import const
from hanbootloader.link import frame, smp
from hanbootloader.link.groups import hanboot, image, os

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.install import Installer

_READ_BYTES = const(256)
_LINES_KEPT = const(4)  # typed lines that wait for the application


class ConsoleServer:
    # confirm: called when a client confirms the image on trial; returns whether it may
    def __init__(self, device: "Device", installer: "Installer", confirm) -> None:  # type: ignore[no-untyped-def]
        self._board = device.board
        self._installer = installer
        self._frames = frame.FrameReader()
        self._buffer = bytearray(_READ_BYTES)
        self._lines: "list[str]" = []
        self._found = None  # what is left of the bytes read last: generator of frames
        self._answering = None  # generator of the reply that is being worked out
        self._os = os.OsGroup(self._board)
        groups = {
            smp.OS_GROUP: self._os.commands(),
            smp.IMAGE_GROUP: image.ImageGroup(device, installer, confirm).commands(),
            smp.HANBOOT_GROUP: hanboot.HanbootGroup(device, installer).commands(),
        }
        network = device.network
        self._node = None if network is None else network.join(installer, groups)  # type: ignore[no-untyped-call]
        os.Enumeration(groups)
        self._dispatcher = smp.Dispatcher(groups)

    # Whether a client asked for a reset and nothing stands against it: verification goes first.
    @property
    def reset_due(self) -> bool:
        wanted = self._os.reset_wanted or (self._node is not None and self._node.restart_due)
        return wanted and not self._installer.busy

    # Serves the line once. True if there was something to do.
    def poll(self) -> bool:
        try:
            return self._serve()
        except MemoryError:
            # an application keeps too much: this request is lost, the line is not
            self._answering = self._found = None
            return True

    def _serve(self) -> bool:
        # one request at a time: the line waits while its answer is worked out
        taken = self._answering is None and self._take()
        if self._answering is None:
            worked = self._installer.step()
            return (self._node is not None and self._node.poll()) or worked or taken
        try:
            # an answer that says so waits for the node (groups/tunnel.py)
            if next(self._answering) and self._node is not None:
                self._node.poll()
        except StopIteration as end:
            self._answering = None
            if end.value is not None:
                self._board.console.write(frame.encode(end.value))
            # however busy the line, a verification comes to its end
            self._installer.step()
        return True

    # Takes what has arrived, up to the end of a request. False if there was nothing.
    def _take(self) -> bool:
        if self._found is None:
            count = self._board.console.readinto(self._buffer)
            if not count:
                return False
            self._found = self._frames.feed(memoryview(self._buffer)[:count])
        for found in self._found:  # type: ignore[attr-defined]
            if not isinstance(found, str):
                self._answering = self._dispatcher.answer_steps(found)
                return True
            self._lines.append(found)
            del self._lines[:-_LINES_KEPT]
        self._found = None
        return True

    # The next typed line; None if there is none.
    def readline(self) -> "str | None":
        return self._lines.pop(0) if self._lines else None

    def say(self, text: str) -> None:
        self._board.console.write((text + "\n").encode())
