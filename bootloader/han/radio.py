# What a board's radio must give: `Board.han` is one of these, or None where there is no radio.
#
# The radio has joined the network and speaks for one endpoint of it (Smart Energy profile, 0x0109).
# Joining, link keys, acknowledgements, APS fragments and the map from short addresses to EUI-64s
# are its business; the device sees whole ZCL frames and who sent them. It trusts none of them: what
# a frame may do does not depend on the radio's security.

from bootloader.compat import const

# fmt: off
FRAME_MOST_BYTES = const(256)  # longest ZCL frame; the longest firmware message with MAC has 182
EUI64_BYTES      = const(8)
# fmt: on

BROADCAST = b"\xff" * 8


class Radio:
    # this device's address, most significant octet first
    eui64 = bytes(EUI64_BYTES)

    # Largest data of one Image Block Response; what fits one frame of this network unfragmented.
    block_bytes = 50

    # The hub, where the radio knows it from joining; None: the first OTA server that is heard.
    hub: "bytes | None" = None

    # The next frame received: (source, cluster, is broadcast, ZCL frame); None if there is none.
    # Never waits. The frame is good until the next call.
    def receive(self) -> "tuple[bytes, int, bool, memoryview] | None":
        raise NotImplementedError

    # Sends a ZCL frame to a device. False where it cannot be sent now: the caller tries again
    # later, as if the frame had been lost.
    def send(self, destination: bytes, cluster: int, octets: bytes) -> bool:
        raise NotImplementedError
