# SMP group 66, the tunnel: carries frames of the Home Area Network over the console, for boards
# without a radio. Only the tiers `virtual` and `development` have it; elsewhere 66 is an unknown
# group. It carries what a radio would carry and nothing else.
#
#   write 0  {"frames": [bstr, ...]}    to the device; the reply has those from it, likewise
#
# A frame in the tunnel, either way:
#
#   0  flags: bit 0 a broadcast   1  EUI-64 of the other side (8)   9  cluster (2, little-endian)
#   11  ZCL frame

from hanbootloader.board import Radio
from hanbootloader.compat import const
from hanbootloader.han.radio import BROADCAST, EUI64_BYTES, FRAME_MOST_BYTES
from hanbootloader.link.smp import EINVAL, SmpError

if __debug__:  # in annotations alone
    from hanbootloader.link.smp import Request

# fmt: off
GROUP           = const(66)
HEAD_BYTES      = const(11)
_CLUSTER_AT     = const(9)
_IS_BROADCAST   = const(0x01)
_QUEUED_MOST    = const(8)    # frames that wait on either side; one more is lost, as on the air
_REPLY_BYTES    = const(800)  # of frames in one reply
_STEPS          = const(64)   # of the device's work, before an empty reply goes out
POLL            = const(1)    # what an answer yields that waits for the node
# fmt: on


# A frame of the tunnel. peer: EUI-64 of the hub, 8 bytes.
def encode_frame(
    peer: bytes, cluster: int, octets: "bytes | memoryview", is_broadcast: bool = False
) -> bytes:
    flags = _IS_BROADCAST if is_broadcast else 0
    return bytes((flags,)) + bytes(peer) + cluster.to_bytes(2, "little") + bytes(octets)


# (peer, cluster, is broadcast, ZCL frame); None where it is not a frame.
def parse_frame(
    octets: "bytes | memoryview",
) -> "tuple[bytes, int, bool, memoryview] | None":
    octets = memoryview(octets)
    if not HEAD_BYTES < len(octets) <= HEAD_BYTES + FRAME_MOST_BYTES:
        return None
    if octets[0] & ~_IS_BROADCAST:
        return None
    cluster = octets[_CLUSTER_AT] | octets[_CLUSTER_AT + 1] << 8
    peer = bytes(octets[1 : 1 + EUI64_BYTES])
    return peer, cluster, bool(octets[0]), octets[HEAD_BYTES:]


class TunnelRadio(Radio):
    def __init__(self, eui64: bytes) -> None:
        self.eui64 = eui64
        self._inbox: "list[bytes]" = []
        self._outbox: "list[bytes]" = []

    def receive(self) -> "tuple[bytes, int, bool, memoryview] | None":
        while self._inbox:
            found = parse_frame(self._inbox.pop(0))
            if found is not None:
                return found
        return None

    def send(self, destination: bytes, cluster: int, octets: bytes) -> bool:
        if len(self._outbox) >= _QUEUED_MOST:
            return False
        self._outbox.append(encode_frame(destination, cluster, octets, destination == BROADCAST))
        return True

    # --- the other side

    def put(self, frame: bytes) -> None:
        if len(self._inbox) < _QUEUED_MOST:
            self._inbox.append(frame)

    @property
    def has_sent(self) -> bool:
        return bool(self._outbox)

    # Frames for one reply; the rest stays.
    def take(self) -> "list[bytes]":
        frames: "list[bytes]" = []
        total = 0
        while self._outbox and total + len(self._outbox[0]) <= _REPLY_BYTES:
            frame = self._outbox.pop(0)
            total += len(frame)
            frames.append(frame)
        return frames


class TunnelGroup:
    # is_quiet: whether the node found nothing to do when it was polled last
    def __init__(self, radio: TunnelRadio, is_quiet) -> None:  # type: ignore[no-untyped-def]
        self._radio = radio
        self._is_quiet = is_quiet

    def commands(self) -> "dict[int, tuple[object, object]]":
        return {0: (None, self._exchange)}

    # Works on what has come until there is something to answer, but not for long: a signature takes
    # its time, and the hub asks again.
    def _exchange(self, request: "Request"):  # type: ignore[no-untyped-def]
        frames = request.fields.get("frames", [])
        if not isinstance(frames, list) or len(frames) > _QUEUED_MOST:
            raise SmpError(EINVAL)
        for frame in frames:
            if not isinstance(frame, memoryview):
                raise SmpError(EINVAL)
        for frame in frames:
            # a copy: the request's buffer is needed for the next one
            self._radio.put(bytes(frame))
        for _ in range(_STEPS):
            # the console polls the node: here, in the answer to a request, it would be further
            # down, and the stack of an RP2040 is short
            yield POLL
            if self._is_quiet() or self._radio.has_sent:
                break
        return {"frames": self._radio.take()}
