# SMP group 0 (OS): echo, reset, parameters, application and bootloader information; and group 10
# (enumeration). Replies hold exactly the fields that the standard names: some clients take no
# others.

from bootloader.compat import const
from bootloader.link.frame import BUF_BYTES
from bootloader.link.smp import EINVAL, Request, SmpError

_GROUP = const(0)
_QUERY_NOT_KNOWN = const(3)  # of group 0: bootloader information


class OsGroup:
    # banner: what application information answers
    def __init__(self, banner: str) -> None:
        self._banner = banner
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

    def _echo(self, request: Request) -> "dict[str, object]":
        text = request.text("d")
        if text is None:
            raise SmpError(EINVAL)
        return {"r": text}

    def _reset(self, request: Request) -> "dict[str, object]":
        self.reset_wanted = True
        return {}

    def _parameters(self, request: Request) -> "dict[str, object]":
        return {"buf_size": BUF_BYTES, "buf_count": 1}

    def _application(self, request: Request) -> "dict[str, object]":
        return {"output": self._banner}

    def _bootloader(self, request: Request) -> "dict[str, object]":
        if request.text("query") is not None:
            raise SmpError(_QUERY_NOT_KNOWN, _GROUP)
        return {"bootloader": "hanboot"}


# Group 10: which groups there are.
def enumeration(groups: "list[int]") -> "dict[int, tuple[object, object]]":
    def count(request: Request) -> "dict[str, object]":
        return {"count": len(groups)}

    def listing(request: Request) -> "dict[str, object]":
        return {"groups": groups}

    return {0: (count, None), 1: (listing, None)}
