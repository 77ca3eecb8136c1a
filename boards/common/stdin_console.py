# The console of a board with stock MicroPython: sys.stdin, taken byte by byte behind a poll, for it
# waits until all the bytes that are asked for have come.

import select
import sys


class Console:
    def __init__(self):
        self._one = bytearray(1)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def readinto(self, buffer):
        count = 0
        while count < len(buffer):
            for _ in self._poll.ipoll(0):
                break
            else:
                break
            sys.stdin.buffer.readinto(self._one)
            buffer[count] = self._one[0]
            count += 1
        return count

    def write(self, octets):
        sys.stdout.buffer.write(octets)
