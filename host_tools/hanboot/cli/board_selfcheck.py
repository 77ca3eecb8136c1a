"""`hanboot board selfcheck`: what an ESP32 answers, and what its model does."""

from __future__ import annotations

import sys

import click

from hanboot.cli.output import Out, counted, json_option


@click.command("selfcheck")
@click.option(
    "-p", "--port", metavar="PORT", help="Of an ESP32 with a prompt. Without it: the model."
)
@json_option
def selfcheck_command(port: str | None, as_json: bool) -> None:
    """Ask an ESP32, or the model that tests run on, the same questions; exit 1 if one differs.

    Partitions byte by byte, file systems, arithmetic. On a board this erases the partition
    `scratch` and nothing else, and ends in a reset.
    """
    # imported late: the model runs as a process, which Windows cannot
    from hanboot.boards.esp32 import selfcheck

    out = Out(as_json)
    found = selfcheck.ask_board(port) if port else selfcheck.ask_model()
    differing = [answer for answer in found if not answer.is_expected]
    out.document(
        {
            "asked": port or "model",
            "answers": [
                {
                    "question": answer.question,
                    "answer": answer.text,
                    "expected": answer.expected,
                    "source": answer.source_text,
                }
                for answer in found
            ],
            "differ": len(differing),
        }
    )
    for answer in found:
        remark = "" if answer.is_expected else f"   DIFFERS: {answer.expected} was expected"
        out.line(f"{answer.question:<66} {answer.text}{remark}")
    out.line(
        f"{port or 'the model'}: {counted(len(found), 'answer')}, {len(differing)} not as expected"
    )
    sys.exit(bool(differing))
