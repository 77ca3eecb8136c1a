"""RequestID and ResponseID: two parties and a counter, "originator:target:counter"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hanboot.duis.names import sr
from hanboot.duis.parsing import Element, text_of
from hanboot.errors import BadFile
from hanboot.trust.smki.certificate import eui_text, parse_eui

_EUI = "[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}"
_FORM = re.compile(f"({_EUI}):({_EUI}):(0|[1-9][0-9]{{0,19}})")
_COUNTER_MAX = (1 << 64) - 1


@dataclass(frozen=True)
class RequestID:
    """Who asks whom, and the originator counter. A ResponseID has the parties the other way."""

    originator: bytes
    target: bytes
    counter: int

    @classmethod
    def parse(cls, text: str) -> RequestID:
        """
        Raises:
            ValueError: it is none.
        """
        match = _FORM.fullmatch(text)
        if match is None or int(match[3]) > _COUNTER_MAX:
            raise ValueError(f"{text[:60]!r} is no identifier like 90-...-00:00-...-A0:1000")
        return cls(parse_eui(match[1]), parse_eui(match[2]), int(match[3]))

    @classmethod
    def of(cls, root: Element) -> RequestID:
        """The RequestID of a document.

        Raises:
            BadFile: it has none, or several.
        """
        found = root.findall(f"{sr('Header')}/{sr('RequestID')}")
        try:
            if len(found) > 1:
                raise ValueError(f"{len(found)} elements RequestID stand in its header")
            return cls.parse(text_of(found[0]) if found else "")
        except ValueError as bad:
            raise BadFile(
                "the document has no RequestID that counts",
                str(bad),
                "give a DUIS request as its schema has it",
            ) from None

    @property
    def reply(self) -> RequestID:
        """The ResponseID of what a device answers: target:originator:counter."""
        return RequestID(self.target, self.originator, self.counter)

    def __str__(self) -> str:
        return f"{eui_text(self.originator)}:{eui_text(self.target)}:{self.counter}"
