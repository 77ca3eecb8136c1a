# SMP group 0 (OS): echo, reset, parameters, application and bootloader information; and group 10
# (enumeration). Replies hold exactly the fields that the standard names: some clients take no
# others. What Zephyr 4.4 answers to a request that is odd, this answers, too (docs/reference/
# protocol.md says where it does not).

import sys
from binascii import hexlify

from hanbootloader import VERSION
from hanbootloader.compat import const
from hanbootloader.link.frame import buffer_bytes
from hanbootloader.link.smp import EINVAL, NOTSUP, OS_GROUP, SmpError

if __debug__:  # in annotations alone
    from hanbootloader.board import Board
    from hanbootloader.link.smp import Request

# fmt: off
ENUMERATION      = const(10)

# errors of group 0
_INVALID_FORMAT  = const(2)
_QUERY_NOT_KNOWN = const(3)   # bootloader information
# error of group 10
_INDEX_TOO_LARGE = const(4)

_BOOT_MODE_MAX   = const(255)
# fmt: on

NAMES = {0: "os mgmt", 1: "img mgmt", 10: "enum mgmt", 65: "hanboot", 66: "han tunnel"}


class OsGroup:
    def __init__(self, board: "Board") -> None:
        self._board = board
        # asked for: the owner resets once the reply is out
        self.reset_wanted = False

    def commands(self) -> "dict[int, tuple[object, object]]":
        return {
            0: (self._echo, self._echo),  # clients differ in how they ask
            5: (None, self._reset),
            6: (self._parameters, None),
            7: (self._application, None),
            8: (self._bootloader, None),
        }

    def _echo(self, request: "Request") -> "dict[str, object]":
        return {"r": request.text("d") or ""}

    # There is no mode that keeps an application from starting: a stray command would take the
    # display from a household.
    def _reset(self, request: "Request") -> "dict[str, object]":
        mode = request.uint("boot_mode", 0)
        if mode > _BOOT_MODE_MAX:
            raise SmpError(EINVAL)
        if mode:
            raise SmpError(NOTSUP)
        self.reset_wanted = True
        return {}

    # One request at a time: the line waits while its answer is worked out.
    def _parameters(self, request: "Request") -> "dict[str, object]":
        return {"buf_size": buffer_bytes(self._board.line_bytes), "buf_count": 1}

    # What `format` asks for, a letter each, in the order of Zephyr's.
    def _application(self, request: "Request") -> "dict[str, object]":
        letters = request.text("format")
        if not letters:
            return {"output": "hanboot on " + self._board.name}
        found = (
            ("s", "hanboot"),
            ("n", hexlify(self._board.serial).decode()),
            ("r", VERSION),
            ("v", VERSION),
            ("m", sys.platform),
            ("p", "unknown"),
            ("i", self._board.name),
            ("o", "hanboot"),
        )
        known = "a" + "".join([letter for letter, _ in found])
        if any([letter not in known for letter in letters]):
            raise SmpError(_INVALID_FORMAT, OS_GROUP)
        words = [word for letter, word in found if letter in letters or "a" in letters]
        return {"output": " ".join(words)}

    def _bootloader(self, request: "Request") -> "dict[str, object]":
        if request.text("query") is not None:
            raise SmpError(_QUERY_NOT_KNOWN, OS_GROUP)
        return {"bootloader": "hanboot"}


# Group 10: which groups there are. groups: all of them, with their commands; itself it adds.
class Enumeration:
    def __init__(self, groups: "dict[int, dict[int, tuple[object, object]]]") -> None:
        self._groups = groups
        groups[ENUMERATION] = self.commands()

    def commands(self) -> "dict[int, tuple[object, object]]":
        return {
            0: (self._count, None),
            1: (self._list, None),
            2: (self._single, None),
            3: (self._details, None),
        }

    def _count(self, request: "Request") -> "dict[str, object]":
        return {"count": len(self._groups)}

    def _list(self, request: "Request") -> "dict[str, object]":
        return {"groups": sorted(self._groups)}

    def _single(self, request: "Request") -> "dict[str, object]":
        index, numbers = request.uint("index", 0), sorted(self._groups)
        if index >= len(numbers):
            raise SmpError(_INDEX_TOO_LARGE, ENUMERATION)
        reply: "dict[str, object]" = {"group": numbers[index]}
        if index == len(numbers) - 1:
            reply["end"] = True
        return reply

    # Of those that are asked for, or of all.
    def _details(self, request: "Request") -> "dict[str, object]":
        wanted = request.fields.get("groups")
        if wanted is not None and not isinstance(wanted, list):
            raise SmpError(EINVAL)
        details = [
            {"group": number, "name": NAMES[number], "handlers": len(commands)}
            for number, commands in sorted(self._groups.items())
            if not wanted or number in wanted
        ]
        return {"groups": details}
