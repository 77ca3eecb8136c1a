"""Comb tables: what lets a device verify a P-256 signature quickly.

`hanbootloader.trust.p256` explains the comb and supplies the arithmetic. `python -m hanboot.comb`
writes bootloader/trust/generator.py, the table of the curve's generator, anew.
"""

from __future__ import annotations

from pathlib import Path

from hanbootloader.trust import generator, p256

GENERATOR_ROWS = 6
"""Rows of the generator's table: 4032 octets of the device's flash, frozen into its firmware."""

# SEC 2 version 2, 2.4.2
_GENERATOR = bytes.fromhex(
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)

_MODULE = """\
# The comb table of P-256's generator, {rows} rows: p256.py says what that is.
# Written by `python -m hanboot.comb`.

# fmt: off
GENERATOR_TABLE = (
{lines}
)
"""


def build_table(public_key: bytes, rows: int = 6) -> bytes:
    """The comb table of a public key.

    Args:
        public_key: x || y, 64 octets.
        rows: 4 to 8. Beside the generator's 6, a key's 7 and 8 rows spare 4 % and 8 % of a
            verification's reductions, for twice and four times the octets.

    Returns:
        (2^rows - 1) * 64 octets; the first 64 are the key.

    Raises:
        ValueError: not a point of the curve, or so many rows that no device takes the table.
    """
    if not p256.is_public_key(public_key):
        raise ValueError("not a point of P-256")
    if not 4 <= rows <= 8:
        raise ValueError(f"a comb table has 4 to 8 rows, not {rows}")
    steps = p256.table_steps(public_key, rows)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bytes(end.value)


def generator_module(rows: int = GENERATOR_ROWS) -> str:
    """The source text of bootloader/trust/generator.py."""
    table = build_table(_GENERATOR, rows)
    lines = (
        '    b"' + "".join(f"\\x{octet:02x}" for octet in table[at : at + 16]) + '"'
        for at in range(0, len(table), 16)
    )
    return _MODULE.format(rows=rows, lines="\n".join(lines))


if __name__ == "__main__":
    Path(generator.__file__).write_text(generator_module(), encoding="utf-8")
