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
from hanboot.inventory.gate.permit import Permit, check_permit
from hanboot.inventory.gate.sending import Override, Permits, Sending, sending

__all__ = [
    "GateRefused",
    "ListedEntry",
    "Override",
    "Permit",
    "Permits",
    "Sending",
    "check_fit",
    "check_inventory",
    "check_listed",
    "check_local",
    "check_permit",
    "identity_model",
    "sending",
]
