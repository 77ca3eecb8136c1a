"""Asks an ESP32 at its prompt, or the model of one, what boards/esp32_model/questions.py asks."""

from __future__ import annotations

import ast
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hanboot.boards import device_code
from hanboot.boards.esp32.model import MODEL, blank_flash
from hanboot.boards.prompt import Failed, Prompt
from hanboot.errors import CheckFailed, LinkError

_QUESTIONS = MODEL / "questions.py"
_SOURCES = {"ran": "seen on an emulated chip", "src": "read in source"}


@dataclass(frozen=True)
class Answer:
    """What was answered. source: where `expected` is known from."""

    question: str
    text: str
    expected: str
    source: str

    @property
    def is_expected(self) -> bool:
        return self.text == self.expected

    @property
    def source_text(self) -> str:
        return _SOURCES[self.source]


def ask_model() -> list[Answer]:
    """Answers of the model, on blank flash with hanboot's partition table."""
    with tempfile.TemporaryDirectory(prefix="hanboot-") as folder:
        flash = Path(folder) / "flash.bin"
        flash.write_bytes(blank_flash())
        done = subprocess.run(
            [device_code.micropython(), MODEL / "answer.py", flash],
            env={"MICROPYPATH": f"{MODEL}:{device_code.VIRTUAL}:.frozen"},
            capture_output=True,
            text=True,
            check=True,
        )
    return _answers(ast.literal_eval(done.stdout))


def ask_board(port: str) -> list[Answer]:
    """Answers of the board at `port`, which is reset afterwards.

    Raises:
        CheckFailed: it has no partition `scratch`, or is no ESP32.
        NoDevice: nothing is at the port.
        LinkError: there is no prompt, or the port went in the middle.
    """
    with Prompt(port) as prompt:
        try:
            prompt.run(_QUESTIONS.read_text())
            found = prompt.literal("print(repr(answers()))")
        except Failed as failed:
            raise CheckFailed(
                f"the board at {port} cannot be asked",
                f"it says {failed}",
                "hanboot board flash --chip esp32 gives an ESP32 the partition table that it takes",
            ) from None
        prompt.leave("import machine; machine.reset()")
    try:
        return _answers(found)
    except (TypeError, KeyError):
        raise LinkError(
            f"the board at {port} does not answer as it should",
            f"it sent {str(found)[:80]}",
            "reset it and repeat the command",
        ) from None


def _answers(rows: Sequence[Sequence[str]]) -> list[Answer]:
    return [Answer(*row) for row in rows]
