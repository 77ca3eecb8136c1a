# What the tests of the HAN side stand on: an image store that is a list, and a client whose clock
# and whose line are in the test's hands.

from binascii import unhexlify

from hanbootloader.han import ota_cluster as ota
from hanbootloader.han import zcl
from hanbootloader.han.ota_client import OtaClient
from hanbootloader.han.ota_store import ImageStore, Timing
from hanbootloader.reasons import NOT_A_PREDECESSOR, PAYLOAD_HASH, TRIAL_RUNNING, Refused

EUI64 = unhexlify("00db1234567890a1")
MANUFACTURER, IMAGE_TYPE, HARDWARE = 0xFFF0, 0x0005, 0x0100
RUNNING, OFFERED = 0x01000000, 0x01010000
FILE = bytes([at * 7 & 0xFF for at in range(203)])


class Store(ImageStore):
    manufacturer_code = MANUFACTURER
    image_type = IMAGE_TYPE
    hardware_version = HARDWARE
    largest_bytes = 1000

    # file: what a good image is. held: version that waits for activation.
    def __init__(self, file=FILE, held=None):
        self.file = file
        self.held = held
        self.reverted = None
        self.received = b""
        self.announced = None
        self.begun = 0  # how often a file was begun at 0
        self.refuse_at = -1  # offset from which a block is refused as of a wrong predecessor
        self.refuse_begin = False
        self.activated = 0
        self.refuse_activation = False
        self._looks = 0

    def running_version(self):
        return RUNNING

    def held_version(self):
        return self.held

    def reverted_version(self):
        return self.reverted

    def begin_steps(self, version, total_bytes):
        yield
        if self.refuse_begin:
            raise Refused(TRIAL_RUNNING)
        if self.announced != (version, total_bytes):
            self.discard()
            self.announced = (version, total_bytes)
        if not self.received:
            self.begun += 1
        self.held = None
        return len(self.received)

    def write_steps(self, offset, octets):
        yield
        assert offset == len(self.received)
        if 0 <= self.refuse_at < offset + len(octets):
            self.discard()
            raise Refused(NOT_A_PREDECESSOR)
        self.received += bytes(octets)
        self._looks = 0
        return len(self.received)

    # verification takes two looks
    def outcome(self):
        self._looks += 1
        if self._looks < 3:
            return None
        if self.received != self.file:
            self.discard()
            return PAYLOAD_HASH
        self.held = self.announced[0]
        return 0

    def discard(self):
        self.received = b""
        self.announced = None

    def activate(self):
        if self.refuse_activation:
            raise Refused(NOT_A_PREDECESSOR)
        self.activated += 1

    def status_of(self, reason):
        return zcl.ABORT if reason == TRIAL_RUNNING else zcl.INVALID_IMAGE


# A client with everything around it. `sent` holds (milliseconds, command, values).
class Line:
    def __init__(self, store=None, is_external=False, draw=50, timing=None):
        self.store = store or Store()
        self.now = 0
        self.sent = []
        self.client = OtaClient(
            self.store, self._take, EUI64, 50, is_external, lambda: draw, timing or Timing()
        )

    def _take(self, command, values):
        # through the codec, as on the air
        octets = ota.encode(command, values)
        self.sent.append((self.now, command, ota.parse(command, octets)))

    # Lets `milliseconds` pass, in steps of at most `step`.
    def pass_time(self, milliseconds, step=50):
        end = self.now + milliseconds
        while True:
            while self.client.poll(self.now):
                pass
            if self.now >= end:
                return
            self.now = min(end, self.now + step)

    # The next command that the client sends, within `within` ms: (command, values).
    def next(self, within=100_000_000, step=50):
        count, end = len(self.sent), self.now + within
        while len(self.sent) == count:
            if self.client.poll(self.now):
                continue
            if self.now >= end:
                return None, None
            self.now += step
        return self.sent[count][1:]

    # Notified; the query that follows is answered with an offer.
    def offer(self, version=OFFERED, size=None):
        self.client.on_notify({"payload_type": 0, "jitter": 100}, False)
        assert self.sent[-1][1] == ota.QUERY_NEXT_IMAGE, self.sent[-1]
        return self.answer_query(version, size)

    def answer_query(self, version=OFFERED, size=None, **more):
        size = len(self.store.file) if size is None else size
        return self.client.on_query_response(
            identity(status=0, image_size=size, version=version, **more)
        )

    # Answers the block request `values` from `file`.
    def answer_block(self, values, file=FILE, **more):
        data = file[values["offset"] :][: values["max_bytes"]]
        response = identity(status=0, version=values["version"], offset=values["offset"], data=data)
        response.update(more)
        self.client.on_block_response(response)

    # Serves `file` until the client sends something else than a block request: (command, values).
    def serve(self, file=FILE, most=1000):
        for _ in range(most):
            command, values = self.next()
            if command != ota.IMAGE_BLOCK:
                return command, values
            self.answer_block(values, file)
        raise AssertionError("no end")


def identity(**more):
    values = {"manufacturer": MANUFACTURER, "image_type": IMAGE_TYPE, "version": OFFERED}
    values.update(more)
    return values
