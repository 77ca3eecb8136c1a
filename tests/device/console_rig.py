# A client and a device on one line, as the tests of the console use them.

import unittest

import flows

from hanbootloader.image import cbor
from hanbootloader.install import Installer
from hanbootloader.link import frame, smp
from hanbootloader.link.console import ConsoleServer

READ, WRITE = smp.READ, smp.WRITE
HAN = 65
TUNNEL = 66


# A client and a device on one line.
class Line:
    def __init__(self, board, confirm=lambda: True):
        self.board = board
        self.device, _ = flows.start(board)
        self.installer = Installer(self.device)
        self.console = ConsoleServer(self.device, self.installer, confirm)
        self._replies = frame.FrameReader()
        self._sequence = 0

    # Puts octets on the line and serves it until it is quiet; returns the messages that came back.
    def exchange(self, octets, quiet=True):
        self.board.console.incoming += octets
        while self.console.poll():
            if not quiet and not self.board.console.incoming and self.board.console.outgoing:
                break
        came, self.board.console.outgoing = self.board.console.outgoing, b""
        return [bytes(each) for each in self._replies.feed(came)]

    # The fields of the reply to a request, whose header must be as asked.
    def ask(self, operation, group, command, fields=None, version=1, quiet=True):
        self._sequence = (self._sequence + 1) & 0xFF
        request = smp.encode(version, operation, group, self._sequence, command, fields or {})
        (reply,) = self.exchange(frame.encode(request), quiet)
        header = smp.parse_header(reply)
        asked = (version, operation + 1, group, self._sequence, command)
        found = (header.version, header.operation, header.group, header.sequence, header.command)
        assert found == asked, (found, asked)
        return cbor.decode(reply[8:])

    def upload(self, octets, piece_bytes=500, sha=b"s" * 32):
        offset = 0
        while True:
            fields = {"off": offset, "data": octets[offset : offset + piece_bytes]}
            if not offset:
                fields.update({"len": len(octets), "sha": sha, "image": 0})
            reply = self.ask(WRITE, 1, 1, fields)
            if "off" not in reply or reply["off"] == len(octets):
                return reply
            offset = reply["off"]


class ConsoleTest(unittest.TestCase):
    def setUp(self):
        self.use(flows.board_with("1.0.0"))

    def use(self, board, **more):
        self.board = board
        self.line = Line(board, **more)
        self.ask = self.line.ask
