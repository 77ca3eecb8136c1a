"""Mutants that do what the original does, each with the reason: no test can tell them apart.

Known by file, function, check and kind of mutation, so they survive a move to another line, and
not a change of the check.
"""

SAME: dict[tuple[str, str, str, str], str] = {}
