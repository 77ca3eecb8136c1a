"""What must hold before an image is sent to a device."""

from hanboot.inventory.gate.checks import (
    GateRefused,
    ListedEntry,
    check_fit,
    check_inventory,
    check_listed,
    check_local,
    identity_model,
)

__all__ = [
    "GateRefused",
    "ListedEntry",
    "check_fit",
    "check_inventory",
    "check_listed",
    "check_local",
    "identity_model",
]
