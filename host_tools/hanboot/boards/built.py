"""Firmware that a checkout has built."""

from __future__ import annotations

from pathlib import Path

from hanboot.errors import NoDevice
from hanboot.installation import CHECKOUT


def firmware(role: str, variant: str = "product") -> Path:
    """The UF2 of a product that plays `role`.

    Args:
        role: one of ROLES.
        variant: "product" or "development".

    Raises:
        NoDevice: it was not built here.
    """
    what = f"no firmware for an RP2040 that plays {role}"
    if CHECKOUT is None:
        raise NoDevice(what, "it is built in a checkout of hanboot", "give a UF2 that was built")
    suffix = "" if variant == "product" else f"-{variant}"
    path = CHECKOUT / "build" / "rp2040_han" / f"hanboot-{role}{suffix}.uf2"
    if not path.exists():
        raise NoDevice(
            what,
            f"{path} is not there",
            f"build it: make firmware BOARD=rp2040_han ROLE={role} VARIANT={variant}",
        )
    return path
