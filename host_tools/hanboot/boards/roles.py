"""What a board can play, and how large the flash of a Pico is: known without running one."""

from __future__ import annotations

ROLES = ("ppmid", "ihd", "hcalcs")

FLASH_BYTES = 2 * 1024 * 1024
"""Of a Raspberry Pi Pico, and of the board that is a process."""
