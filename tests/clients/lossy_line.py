"""python lossy_line.py PORT N: a line to PORT on which every Nth piece from the device is lost.

Prints the path of its near end, and how many were lost when standard input ends.
"""

import os
import select
import sys
import tty


def main(port: str, every: int) -> None:
    device = os.open(port, os.O_RDWR | os.O_NOCTTY)
    near, far = os.openpty()
    for descriptor in (device, far):
        tty.setraw(descriptor)
    print(os.ttyname(far), flush=True)
    pieces = 0
    while True:
        ready, _, _ = select.select([near, device, sys.stdin], [], [])
        if sys.stdin in ready:
            print(pieces // every)
            return
        if near in ready:
            os.write(device, os.read(near, 4096))
        if device in ready:
            octets = os.read(device, 4096)
            pieces += 1
            if pieces % every:
                os.write(near, octets)


main(sys.argv[1], int(sys.argv[2]))
