"""`python tests/faults` runs the campaign; `python tests/faults CASE...` those cases alone.

`python tests/faults soak|mutants|host-mutants|fuzz|operations ...` does one part of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (
    "tests/faults",
    "tests/support",
    "tests/device",
    "boards/virtual",
    "boards/stock",
    "boards/common",
    "boards/esp32_model",
):
    sys.path.insert(0, str(ROOT / folder))


def main(arguments: list[str]) -> int:
    what = arguments[0] if arguments else ""
    if what == "fuzz":
        import fuzz

        return fuzz.main(arguments[1:])
    if what == "mutants":
        import mutants

        return mutants.main(arguments[1:])
    if what == "host-mutants":
        import host_mutants

        return host_mutants.main(arguments[1:])
    if what == "soak":
        import soak

        return soak.main(arguments[1:])
    if what == "operations":
        import operations

        return operations.main(arguments[1:])
    import campaign_cli

    return campaign_cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
