# The Board: the one list of what a port supplies. A port derives its own class from this one, gives
# each member that has no value here one of its own, and ends its main.py in `boot.run(Board(...))`.
#
# docs/guide/adopting.md shows this list, read from the comments; boards/common/board_check.py finds
# a member that is missing or wrong. The bootloader asks a board for nothing else.

from hanbootloader.compat import const

# fmt: off
SERIAL_BYTES = const(8)
TIERS        = ("virtual", "stock", "partitioned", "development", "product")
# where no home depends on the device: these carry HAN frames over their console, too, and may go
# without the key of the Access Control Broker
TEST_TIERS   = ("virtual", "development")
# fmt: on


# What a console must have (Board.console).
class Console:
    # Fills `buffer` with what has come, without waiting; its bytes, 0 for none.
    def readinto(self, buffer: bytearray) -> int:
        raise NotImplementedError

    # Sends all of it.
    def write(self, data: "bytes | memoryview") -> None:
        raise NotImplementedError


# What a radio must have (Board.han). It has joined the network and speaks for one endpoint of it
# (Smart Energy profile, 0x0109). Joining, link keys, acknowledgements, fragments, and which short
# address belongs to which EUI-64 are its business; the device sees whole ZCL frames and who sent
# them. It trusts none of them: what a frame may do does not depend on the radio's security.
class Radio:
    # 8 bytes, this device's address, most significant byte first
    eui64: bytes
    # largest data of one Image Block Response: what fits a frame of this network unfragmented
    block_bytes: int = 50
    # the hub, where the radio knows it from joining; None: the first OTA server that is heard
    hub: "bytes | None" = None

    # The next frame received, without waiting: (EUI-64 of its source, cluster, is a broadcast, ZCL
    # frame); None if there is none. Good until the next call.
    def receive(self) -> "tuple[bytes, int, bool, memoryview] | None":
        raise NotImplementedError

    # Sends a ZCL frame on a cluster to an EUI-64; to FF times 8 where the hub is not known: to the
    # server of the cluster that the radio finds (Match Descriptor), or to all. False where it
    # cannot be sent now: to the caller it is as lost as one that was not received.
    def send(self, destination: bytes, cluster: int, frame: bytes) -> bool:
        raise NotImplementedError


class Board:
    # --- what it is, as the identity reports it

    # text for people; nothing is decided by it
    name: str
    # how much of this a manufacturer would ship: one of TIERS. Unless it is "product", what a
    # product must not do may be possible
    tier: str
    # "ppmid", "ihd" or another of policy.DEVICE_TYPES
    role: str
    # 8 bytes, the EUI-64
    serial: bytes
    # ZigBee manufacturer code of the OTA Header, 0 to 0xFFFF
    manufacturer_code: int
    # the manufacturer's number for the model, 0 to 0xFFFF (OTA Header)
    image_type: int
    # version in the high byte, revision in the low (OTA Header)
    hardware_version: int
    # as GBCS numbers them: policy.DEVICE_TYPES[role]
    device_type: int

    # --- what it allows

    # milliseconds that an application may take to confirm
    trial_ms: int = 30_000
    # whether a client may confirm an image on trial over the link, in place of its self-test
    confirms_over_link: bool = False
    # public key (x || y, 64 bytes) of who signs entries of the CPL. With it an image that comes by
    # cable is taken only with the entry for its hash, and the firmware is to be frozen with
    # cpl_entry=True; None: by cable as by any way
    cpl_key: "bytes | None" = None

    # --- its console

    # where SMP requests and typed lines come from (Console)
    console: "Console"
    # bytes that the line keeps while nothing reads it; 0 where the sender is held back
    line_bytes: int = 0
    # milliseconds that a task of the application may keep the link from reading
    line_pause_ms: int = 0

    # --- its parts

    # block device of the data region, or a path where there is none
    data: object
    # the radio of the home area network (Radio); None where there is none
    han: "Radio | None" = None
    # whether the last reset was the watchdog's
    hung: bool

    # (block device, memoryview) of a region by name. The device has `ioctl`, `readblocks` and
    # `writeblocks` as MicroPython's, in blocks of one erase sector; writing with an offset programs
    # without an erase. The view is its flash, mapped.
    def region(self, name: str):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    # Keeps the watchdog from resetting for some seconds: 8 at least.
    def watchdog(self) -> None:
        raise NotImplementedError

    # Waits where there is nothing to do; less is fine.
    def idle(self, duration_ms: int) -> None:
        raise NotImplementedError

    # Shows lines of text, in whatever way it can.
    def display(self, lines: "tuple[str, ...]") -> None:
        raise NotImplementedError

    # Prints what an application failed with.
    def report(self, error: BaseException) -> None:
        raise NotImplementedError

    # Resets now, once what was written to the console has left. Does not return.
    def reset(self) -> None:
        raise NotImplementedError


# Whether a board takes part in a Home Area Network: on its radio, or where no home depends on it,
# on frames in SMP group 66.
def has_network(board: Board) -> bool:
    return board.han is not None or board.tier in TEST_TIERS
