# In place of the product's main.py, in firmware that is only measured. A line on the console says
# what: "arithmetic"; "private" for what a device does with its own keys; "verify" for signatures
# that come over the console; or "heap" for the product's own flow, under a collector that runs
# often once that is asked for.

import gc
import hashlib
import sys
import time

import _bench
from signature import DIGEST, KEY, SIGNATURE, TABLE

from board import Board
from hanbootloader.trust import p256

# emulated time is counted in cycles: it repeats but for what interrupts cost
_TIMES = 2
_SHA_BYTES = 16384


def _line(console):
    text, octet = b"", bytearray(1)
    while not text.endswith(b"\n"):
        if console.readinto(octet):
            text += octet
    return text.strip().decode()


# Microseconds that `work` takes; its answer must be right.
def _time(work):
    gc.collect()
    began = time.ticks_us()
    if not work():
        raise ValueError
    return time.ticks_diff(time.ticks_us(), began)


def _show(name, work, times=_TIMES):
    Board.watchdog(None)
    print("bench", name, *[_time(work) for _ in range(times)])


def _arithmetic():
    import _bench_mbedtls

    _bench_mbedtls.load(KEY, SIGNATURE)
    wrong = bytes((DIGEST[0] ^ 1,)) + DIGEST[1:]
    p256.self_test()
    # in turn, and neither may take what is wrong
    _show("p256", lambda: p256.verify(KEY, DIGEST, SIGNATURE, TABLE))
    _show("p256_mbedtls", lambda: _bench_mbedtls.verify(DIGEST))
    _show("p256_wrong", lambda: not p256.verify(KEY, wrong, SIGNATURE, TABLE), 1)
    _show("p256_mbedtls_wrong", lambda: not _bench_mbedtls.verify(wrong), 1)
    octets = bytes(_SHA_BYTES)
    _show("sha256_16k", lambda: hashlib.sha256(octets).digest())
    print("bench end")


def _private():
    # imported late: none of it is in memory while the product's flow is measured
    from signature import PRIVATE

    from hanbootloader.trust import gmac, private_key

    # the first signature asks the known-answer test, the others do not
    _show("self_test_and_sign", lambda: private_key.sign(PRIVATE, KEY, DIGEST), 1)
    _show("sign", lambda: private_key.sign(PRIVATE, KEY, DIGEST))
    _show("agree", lambda: private_key.agree(PRIVATE, KEY))
    octets = bytes(145)  # of a CS06 command
    gmac.self_test()
    _show("gmac_145", lambda: gmac.tag(bytes(16), bytes(12), octets))
    print("bench end")


def _octets(console, count):
    octets = bytearray(count)
    view = memoryview(octets)
    at = 0
    while at < count:
        at += console.readinto(view[at:])
    return octets


# Reads "k", key and table, or "v", digest, length of the signature and signature, till "." comes.
# Of each signature it says what it is held for with the table, or (w) without.
def _verify(console):
    key = table = None
    while True:
        what = bytes(_octets(console, 1))
        if what == b"k":
            key, table = _octets(console, 64), _octets(console, 4032)
        elif what in b"vw":
            digest = _octets(console, 32)
            signature = _octets(console, _octets(console, 1)[0])
            Board.watchdog(None)
            held = p256.verify(key, digest, signature, table if what == b"v" else None)
            print("bench verdict", held)
        else:
            return


class MeasuredBoard(Board):
    def watchdog(self):
        _bench.collect_often()
        Board.watchdog(self)


board = Board()
what = _line(board.console)
if what in ("arithmetic", "private", "verify"):
    try:
        if what == "verify":
            _verify(board.console)
        else:
            _private() if what == "private" else _arithmetic()
    except Exception as error:
        sys.print_exception(error)
elif what == "heap":
    from hanbootloader import boot

    boot.run(MeasuredBoard())
board.reset()
