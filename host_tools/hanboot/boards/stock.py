"""Puts hanboot on a board with stock MicroPython: compiled modules, flash as partitions or files.

For prototypes. Such a board isn't protected, and says so wherever it says what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hanboot.boards import device_code, flashing
from hanboot.boards.bootloader_files import CPL_ENTRY, NETWORK, PACKAGE, bootloader_modules
from hanboot.boards.device_code import BOARDS
from hanboot.boards.prompt import Failed, Prompt
from hanboot.boards.same_board import check_same, eui64
from hanboot.device.client import Device
from hanboot.device.records import Identity, Tier
from hanboot.device.refusal import AnotherDevice
from hanboot.errors import CheckFailed, LinkError, NoDevice
from hanboot.image import romfs
from hanboot.link.serial import deadline_for

_MAIN = BOARDS / "stock" / "main.py"
#: Where everything but main.py goes.
HOME = "/hanboot"
NOT_PROTECTED = (
    "NOT PROTECTED: anyone at its console can change every file, the trust anchors included"
)

#: What the modules on a board and bootloader import beside themselves.
_NEEDS = ("asyncio", "binascii", "hashlib", "io", "machine", "os", "select", "time", "vfs")

#: What the regions take at most where they are files (boards/stock/board.py).
_FLASH_BYTES = (16 + 4 + 16 + 16 + 2 + 2 + 2 + 4) * 4096
#: Modules that only MicroPython for a chip has, and what hanboot has for it.
_CHIPS = {"esp32": "esp32", "rp2": "rp2040"}
#: Partitions that boards/esp32_stock takes; with all of them flash needs no files.
_PARTITIONS = (
    "anchors",
    "journal",
    "slot0",
    "slot1",
    "data",
    "backup",
    "keys",
    "transfer",
    "han",
)
#: What a file takes beside its octets, on a littlefs of 4096-octet blocks.
_BLOCK_BYTES = 4096

#: From its reset to an answer: every module is read from its file system first.
_BACK_S = 120.0

_LOOK = f"""
import os, sys
def missing(name):
    try:
        __import__(name)
    except ImportError:
        return True
def text(path):
    try:
        return open(path).read(100)
    except OSError:
        return ''
def blocks(octets):
    return -(-octets // {_BLOCK_BYTES}) * {_BLOCK_BYTES}
def size(path):
    try:
        return sum(size(path + '/' + e[0]) if e[1] & 0x4000 else blocks(e[3])
            for e in os.ilistdir(path))
    except OSError:
        return 0
chips = [name for name in {tuple(_CHIPS)!r} if not missing(name)]
labels = []
if 'esp32' in chips:
    import esp32
    labels = [p.info()[4] for p in esp32.Partition.find(esp32.Partition.TYPE_DATA)]
chip_id = b''
if not missing('machine'):
    import machine
    chip_id = machine.unique_id()
print(repr((
    sys.implementation.name,
    sys.implementation.version[:3],
    getattr(sys.implementation, '_mpy', 0) & 0xff,
    getattr(sys.implementation, '_machine', sys.platform),
    [name for name in {_NEEDS!r} if missing(name)],
    os.statvfs('/')[0] * os.statvfs('/')[3],
    size({HOME!r}),
    os.listdir('/'),
    text('/main.py'),
    text({HOME + "/role.py"!r}),
    chips,
    labels,
    chip_id,
)))
"""

_CLEAR = f"""
import os
def clear(path):
    for entry in list(os.ilistdir(path)):
        name = path + '/' + entry[0]
        if entry[1] & 0x4000:
            clear(name)
            os.rmdir(name)
        else:
            os.remove(name)
def gone(path):
    try:
        os.remove(path)
    except OSError:
        pass
def erase(label):
    import esp32
    part = esp32.Partition(label)
    for block in range(part.ioctl(4, 0)):
        part.ioctl(6, block)
def folder(path):
    try:
        os.mkdir(path)
    except OSError:
        pass
gone('/main.py')
folder({HOME!r})
"""


@dataclass(frozen=True)
class Stock:
    """What a prompt tells of its board."""

    implementation: str
    version: tuple[int, ...]
    mpy: int
    machine: str
    missing: list[str]
    free_bytes: int
    home_bytes: int
    names: list[str]
    main: str
    role: str
    chips: list[str]
    labels: list[str]
    chip_id: bytes

    @property
    def serial(self) -> bytes | None:
        """What hanboot on it says it is."""
        return eui64(self.chip_id)

    @property
    def serial_text(self) -> str:
        return f", {self.serial.hex('-')}" if self.serial else ""

    @property
    def chip(self) -> str:
        """Name of its module in boards/common."""
        return next((_CHIPS[name] for name in self.chips), "other")

    @property
    def has_partitions(self) -> bool:
        return set(_PARTITIONS) <= set(self.labels)

    @property
    def text(self) -> str:
        version = ".".join(map(str, self.version))
        return f"{self.machine}, {self.implementation} {version}"

    @property
    def is_deployed(self) -> bool:
        return "hanboot board deploy" in self.main


#: Without line numbers, as a product has them frozen: here they would lie in the heap.
_LEVEL = 3


def compiled(role: str, chip: str = "other", has_partitions: bool = False) -> dict[str, bytes]:
    """What goes on the board, by path; main.py last, for it makes the rest count."""
    board = "esp32_stock" if has_partitions else "stock"
    modules = {f"{name}.py": path for name, path in device_code.board_modules(board, chip).items()}
    # prototypes have no radio and no tunnel, and take what comes by cable
    for path in bootloader_modules(without=(NETWORK, CPL_ENTRY)):
        modules[str(path.relative_to(PACKAGE.parent))] = path
    found = {
        f"{HOME}/{name.removesuffix('.py')}.mpy": romfs.compile_module(name, path, _LEVEL)
        for name, path in modules.items()
    }
    found[f"{HOME}/role.py"] = f'ROLE = "{role}"\n'.encode()
    found["/main.py"] = _MAIN.read_bytes()
    return found


def deploy(
    port: str,
    role: str | None,
    replace: bool,
    advance: Callable[[int, int], None],
    say: Callable[[str], None],
    agree: Callable[[str], None] = lambda board: None,
) -> Identity:
    """Copies hanboot to the board at `port`, resets it and asks what it is.

    What it kept from an earlier deployment stays: anchors, journal, slots and data.

    Args:
        role: "ppmid" or "ihd"; None leaves it, or makes a new one a PPMID.
        replace: whatever main.py it has, or role it plays.
        advance: called with octets copied and octets in all.
        say: called with what a person should read.
        agree: called with what the board is before anything is written; raises if it is another
            than was meant.

    Raises:
        CheckFailed: it runs hanboot's own firmware, cannot run these modules, has no room, or holds
            what `replace` should name. Nothing was written.
        NoDevice: nothing is at the port.
        LinkError: there is no prompt, or the port went in the middle.
        AnotherDevice: the port leads to another board than before.
    """
    found = _check_firmware(port)
    with Prompt(port) as prompt:
        there = _look(prompt)
        check_same(port, found, there.serial)
        held = "ihd" if "ihd" in there.role else "ppmid" if there.role else None
        files = compiled(role or held or "ppmid", there.chip, there.has_partitions)
        _check(port, there, files)
        is_new_role = held is not None and role not in (None, held)
        _check_replaced(port, there, held if is_new_role else None, replace)
        agree(f"{there.text}{there.serial_text}, at {port}")
        say(f"{there.text}. {NOT_PROTECTED}")
        try:
            prompt.run(_CLEAR)
            if is_new_role:
                _forget(prompt, there)
            _copy(prompt, files, advance)
        except Failed as failed:
            raise LinkError(
                f"{port} did not take all files",
                str(failed),
                "see what its file system holds, and repeat the command: the prompt is still there",
            ) from None
        prompt.leave("import machine; machine.reset()")
    say(f"copied; waiting for hanboot to start at {port}, {_BACK_S:.0f} s at most")
    return _wait_back(port, say, there.serial)


def _look(prompt: Prompt) -> Stock:
    try:
        return Stock(*prompt.literal(_LOOK))
    except Failed as failed:
        raise CheckFailed(
            "the board cannot say what it is",
            str(failed),
            "check that it runs MicroPython 1.25 with a file system",
        ) from None


def _check_firmware(port: str) -> bytes | None:
    """A board with hanboot's own firmware needs no copy of it, and a product has no prompt.

    Returns:
        The serial of a hanboot device; None where none answers.
    """
    with Device(port) as device:
        identity = device.probe()
    if identity and identity.tier not in (Tier.STOCK, Tier.PARTITIONED):
        raise CheckFailed(
            f"{port} is no board with stock MicroPython",
            f"it is {flashing.describe(identity)}: hanboot is in its firmware",
            "use it as it is, or flash stock MicroPython: hanboot board flash",
        )
    return identity.serial if identity else None


def _check(port: str, there: Stock, files: dict[str, bytes]) -> None:
    wanted = next(octets[1] for path, octets in files.items() if path.endswith(".mpy"))
    if there.implementation != "micropython" or there.mpy != wanted:
        raise CheckFailed(
            f"{port} cannot run these modules",
            f"{there.text} reads .mpy version {there.mpy or 'none'}, and these are {wanted}",
            "flash MicroPython 1.25, for which they are compiled",
        )
    if there.missing:
        raise CheckFailed(
            f"{port} lacks what hanboot needs",
            f"{there.text} has no module {', '.join(there.missing)}",
            "flash the stock MicroPython 1.25 of this board",
        )
    needed = sum(-(-len(octets) // _BLOCK_BYTES) * _BLOCK_BYTES for octets in files.values())
    if not there.has_partitions:
        needed += _FLASH_BYTES
    if there.free_bytes + there.home_bytes < needed:
        raise CheckFailed(
            f"{port} has no room for hanboot",
            f"{there.free_bytes + there.home_bytes} octets are free, {needed} are needed; "
            "nothing was written",
            "remove files from it",
        )


def _check_replaced(port: str, there: Stock, other_role: str | None, replace: bool) -> None:
    if other_role and not replace:
        raise CheckFailed(
            f"{port} holds another product",
            f"it plays {other_role.upper()}",
            "--replace makes it another one: anchors, journal, images and data go",
        )
    if "main.py" in there.names and not there.is_deployed and not replace:
        raise CheckFailed(
            f"{port} holds a program of its own",
            f"there is a main.py among {', '.join(sorted(there.names))}",
            "--replace puts hanboot's in its place; save it first",
        )


def _forget(prompt: Prompt, there: Stock) -> None:
    """Clears what makes a device one: anchors, journal, slots, data."""
    prompt.run(f"clear({HOME!r})")
    if there.has_partitions:
        for label in _PARTITIONS:
            # one at a time: each takes some seconds
            prompt.run(f"erase({label!r})")


def _copy(prompt: Prompt, files: dict[str, bytes], advance: Callable[[int, int], None]) -> None:
    total = sum(map(len, files.values()))
    done = 0

    def taken(octets: int) -> None:
        advance(done + octets, total)

    folders = {str(Path(path).parent) for path in files} - {"/", HOME}
    for folder in sorted(folders):
        prompt.run(f"folder({folder!r})")
    for path, octets in files.items():
        prompt.write_file(path, octets, taken)
        done += len(octets)


def _wait_back(port: str, say: Callable[[str], None], serial: bytes | None) -> Identity:
    end = deadline_for(port, _BACK_S)
    while True:
        try:
            with Device(port, say) as device:
                device.hold(serial)
                return device.identity()
        except AnotherDevice:
            raise
        except (LinkError, NoDevice) as error:
            if end.passed:
                raise LinkError(
                    "the board does not come back as a hanboot device",
                    f"{error.what}: {error.why}",
                    f"a terminal at {port} shows what main.py says",
                ) from None
