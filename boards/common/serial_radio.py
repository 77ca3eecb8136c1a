# A radio on a serial port: a network co-processor that speaks TI's Monitor and Test API (Z-Stack
# ZNP), as an example of what board.Radio asks for. The co-processor has joined the network already;
# one endpoint of it is ours.
#
#   FE  length  command (2)  data  FCS         FCS: all octets after FE, exclusive or
#
#   24 01 AF_DATA_REQUEST     to the co-processor: address 2, endpoints 1 1, cluster 2,
#                             transaction 1, options 1, radius 1, length 1, data
#   44 81 AF_INCOMING_MSG     from it: group 2, cluster 2, address 2, endpoints 1 1, broadcast 1,
#                             quality 1, security 1, time 4, transaction 1, length 1, data
#   27 41 UTIL_ADDRMGR_NWK_ADDR_LOOKUP: address 2         67 41 its answer: EUI-64 8
#
# Integers are little-endian. Short addresses are looked up once; the coordinator's is 0.

from hanbootloader.board import Radio
from hanbootloader.compat import const

# fmt: off
_START          = const(0xFE)
_DATA_REQUEST   = const(0x2401)
_INCOMING       = const(0x4481)
_LOOK_UP        = const(0x2741)
_LOOKED_UP      = const(0x6741)
_LONGEST        = const(250)    # of the data of one frame
_ENDPOINT       = const(1)
_RADIUS         = const(30)
_ACKNOWLEDGED   = const(0x10)   # option: APS acknowledgement
_COORDINATOR    = const(0x0000)
_PEERS_MOST     = const(8)
_INCOMING_HEAD  = const(17)
# fmt: on

_BROADCAST = b"\xff" * 8


class SerialRadio(Radio):
    # port: readinto(buffer) -> bytes read now, without waiting; write(bytes). eui64: of this device
    # hub: of the coordinator; None: the first OTA server that is heard
    def __init__(self, port, eui64, hub=None):
        self._port = port
        self.eui64 = eui64
        self.hub = hub
        self._peers = {} if hub is None else {hub: _COORDINATOR}  # EUI-64 -> short address
        self._buffer = bytearray(64)
        self._frame = bytearray()  # what has come of the frame under way, from FE on
        self._waiting = None  # (short address, frame) that waits for its look-up
        self._transaction = 0

    # --- to the co-processor

    def send(self, destination, cluster, frame):
        if len(frame) > _LONGEST - 10:
            return False
        address = self._peers.get(bytes(destination))
        if destination == _BROADCAST:
            # no hub is known: the coordinator is where one is first looked for
            address = _COORDINATOR
        if address is None:
            return False
        self._transaction = (self._transaction + 1) & 0xFF
        head = address.to_bytes(2, "little") + bytes((_ENDPOINT, _ENDPOINT))
        head += cluster.to_bytes(2, "little")
        head += bytes((self._transaction, _ACKNOWLEDGED, _RADIUS, len(frame)))
        self._write(_DATA_REQUEST, head + frame)
        return True

    def _write(self, command, data):
        body = bytes((len(data), command >> 8, command & 0xFF)) + data
        self._port.write(bytes((_START,)) + body + bytes((_check(body),)))

    # --- from it

    # One read of the port at a time, so that it never takes long.
    def receive(self):
        while True:
            found = self._next()
            if found is None:
                count = self._port.readinto(self._buffer)
                if not count:
                    return None
                self._frame.extend(memoryview(self._buffer)[:count])
                continue
            command, data = found
            if command == _INCOMING:
                received = self._incoming(data)
                if received is not None:
                    return received
            elif command == _LOOKED_UP:
                received = self._looked_up(data)
                if received is not None:
                    return received

    # The next whole frame: (command, data); None if there is none yet. Noise is passed over.
    def _next(self):
        while True:
            start = self._frame.find(bytes((_START,)))
            if start < 0:
                self._frame = bytearray()
                return None
            # a new one: MicroPython deletes nothing from the front of a bytearray
            self._frame = self._frame[start:]
            if len(self._frame) < 5:
                return None
            length = self._frame[1]
            if length > _LONGEST:
                self._frame = self._frame[1:]
                continue
            end = 5 + length
            if len(self._frame) < end:
                return None
            body = bytes(self._frame[1 : end - 1])
            if _check(body) != self._frame[end - 1]:
                self._frame = self._frame[1:]
                continue
            self._frame = self._frame[end:]
            return body[1] << 8 | body[2], body[3:]

    def _incoming(self, data):
        if len(data) < _INCOMING_HEAD or len(data) != _INCOMING_HEAD + data[16]:
            return None
        cluster = data[2] | data[3] << 8
        address = data[4] | data[5] << 8
        frame = (cluster, bool(data[8]), memoryview(data)[_INCOMING_HEAD:])
        for eui64, known in self._peers.items():
            if known == address:
                return (eui64,) + frame
        # no frame is handed on without its sender: it waits for the look-up, one at a time
        if self._waiting is None:
            self._waiting = (address, frame)
            self._write(_LOOK_UP, address.to_bytes(2, "little"))
        return None

    def _looked_up(self, data):
        if len(data) != 8 or self._waiting is None:
            return None
        address, frame = self._waiting
        self._waiting = None
        if not any(data):
            return None
        eui64 = bytes([data[at] for at in range(7, -1, -1)])
        if len(self._peers) >= _PEERS_MOST:
            self._peers = {}
        self._peers[eui64] = address
        return (eui64,) + frame


def _check(octets):
    check = 0
    for octet in octets:
        check ^= octet
    return check
