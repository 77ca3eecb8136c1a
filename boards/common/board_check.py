# Checks a board against the interface (bootloader/board.py): what is missing or wrong, in words.
# For the tests of a port, and for its maker at the prompt:
#
#   import board, board_check; board_check.faults_of(board.Board())
#
# It calls nothing that resets, waits or writes.

from hanbootloader.board import SERIAL_BYTES, TIERS, Board
from hanbootloader.policy import DEVICE_TYPES
from hanbootloader.store import flash_map
from hanbootloader.trust.p256 import is_public_key

_IOCTL_BLOCK_COUNT = 4  # MicroPython block device ioctl
_IOCTL_BLOCK_BYTES = 5
_PAGE_BYTES = 256

# member: whether a value will do, and what it must be
_VALUES = (
    ("name", lambda v: isinstance(v, str) and v, "a text"),
    ("tier", lambda v: v in TIERS, "one of " + ", ".join(TIERS)),
    ("role", lambda v: v in DEVICE_TYPES, "one of " + ", ".join(sorted(DEVICE_TYPES))),
    ("serial", lambda v: isinstance(v, bytes) and len(v) == SERIAL_BYTES, "8 bytes, the EUI-64"),
    ("manufacturer_code", lambda v: _is_uint(v, 16), "0 to 0xFFFF"),
    ("image_type", lambda v: _is_uint(v, 16), "0 to 0xFFFF"),
    ("hardware_version", lambda v: _is_uint(v, 16), "0 to 0xFFFF"),
    ("device_type", lambda v: v in DEVICE_TYPES.values(), "a value of policy.DEVICE_TYPES"),
    ("trial_ms", lambda v: _is_uint(v, 24) and v, "milliseconds, 1 to 0xFFFFFF"),
    ("confirms_over_link", lambda v: isinstance(v, bool), "true or false"),
    ("cpl_key", lambda v: v is None or _is_key(v), "a point of P-256, 64 bytes, or None"),
    ("line_bytes", lambda v: _is_uint(v, 24), "bytes, or 0"),
    ("line_pause_ms", lambda v: _is_uint(v, 24), "milliseconds, or 0"),
    ("hung", lambda v: isinstance(v, bool), "true or false"),
)
_PARTS = (("console", ("readinto", "write"), True), ("han", ("receive", "send"), False))
_METHODS = ("region", "watchdog", "idle", "display", "report", "reset")

# sectors that do where a region may be smaller than on the flash map
_LEAST = {"journal": 2, "slot0": 1, "slot1": 1}
# regions of the flash map that no device opens as such: `data` is checked by itself
_NOT_OPENED = ("data", "spare")


def _is_uint(value: object, bits: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << bits


def _is_key(value: object) -> bool:
    return isinstance(value, bytes) and is_public_key(value)


# What is missing or wrong of `board`, a line each.
def faults_of(board: Board) -> "list[str]":
    faults = []
    for name, is_right, rule in _VALUES:
        if not hasattr(board, name):
            faults.append("%s is missing: it must be %s" % (name, rule))
        elif not is_right(getattr(board, name)):
            faults.append("%s is %r: it must be %s" % (name, getattr(board, name), rule))
    if not faults and board.device_type != DEVICE_TYPES[board.role]:
        wanted = DEVICE_TYPES[board.role]
        faults.append("device_type is %r: a %s's is %d" % (board.device_type, board.role, wanted))
    if getattr(board, "tier", None) == "product" and board.confirms_over_link:
        faults.append("confirms_over_link is true: in a product only the self-test confirms")
    if not hasattr(board, "data"):
        faults.append("data is missing: it must be a block device, or a path")
    for name, methods, is_needed in _PARTS:
        part = getattr(board, name, None)
        if part is not None or is_needed:
            faults.extend(["%s has no %s()" % (name, m) for m in methods if not hasattr(part, m)])
    absent = [name for name in _METHODS if _is_inherited(board, name)]
    faults.extend(["%s() is missing" % name for name in absent])
    if "region" not in absent:
        faults.extend(_region_faults(board))
    return faults


def _is_inherited(board: Board, name: str) -> bool:
    return getattr(type(board), name, None) is getattr(Board, name)


def _region_faults(board: Board) -> "list[str]":
    faults, sizes = [], {}
    for name, sectors in flash_map.STORE + flash_map.MORE:
        if name in _NOT_OPENED:
            continue
        sectors = _LEAST.get(name, sectors)
        try:
            device, view = board.region(name)
            count = device.ioctl(_IOCTL_BLOCK_COUNT, 0)
            block_bytes = device.ioctl(_IOCTL_BLOCK_BYTES, 0)
        except Exception as error:
            faults.append("region %s: %r" % (name, error))
            continue
        sizes[name] = len(view)
        if block_bytes % _PAGE_BYTES or len(view) != count * block_bytes:
            size = (len(view), count, block_bytes)
            faults.append("region %s: a view of %d bytes on %d blocks of %d" % ((name,) + size))
        if count < sectors:
            faults.append("region %s has %d sectors: it needs %d" % (name, count, sectors))
    if sizes.get("slot0") != sizes.get("slot1"):
        faults.append("slot0 and slot1 are not of one size")
    return faults
