"""Gives a device its trust anchors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bootloader.trust import anchors, cell_writer
from hanboot.device.client import Device
from hanboot.device.records import ROLE_NAMES
from hanboot.trust import comb
from hanboot.trust.keys import PublicKey

_LABEL_BYTES = 24


@dataclass(frozen=True)
class AnchorKey:
    """A public key that a device is to believe.

    Attributes:
        role: `anchors.SUPPLIER` or `anchors.MANUFACTURER`.
        kid: subject key identifier, 8 octets.
        key: x || y, 64 octets.
        development: its private half is a file on somebody's machine.
        label: what people call it; cut to 24 octets.
    """

    role: int
    kid: bytes
    key: bytes
    development: bool
    label: str


def development_keys(manufacturer: PublicKey, supplier: PublicKey | None = None) -> list[AnchorKey]:
    """What a device on somebody's desk believes: these keys, called by their roles."""
    named = [(anchors.MANUFACTURER, manufacturer)]
    if supplier is not None:
        named.append((anchors.SUPPLIER, supplier))
    return [AnchorKey(role, key.kid, key.point, True, ROLE_NAMES[role]) for role, key in named]


def encode_cell(anchor: AnchorKey, sequence: int = 1) -> tuple[bytes, bytes]:
    """Head and comb table of the cell for `anchor`."""
    table = comb.build_table(anchor.key)
    head = cell_writer.encode_head(
        anchor.role,
        anchors.DEVELOPMENT if anchor.development else 0,
        anchor.kid,
        anchor.key,
        sequence,
        table,
        anchor.label.encode()[:_LABEL_BYTES],
    )
    return head, table


def provision(
    device: Device, keys: list[AnchorKey], on_cell: Callable[[AnchorKey], None] = lambda key: None
) -> None:
    """Writes the cells of `keys`; the manufacturer's last, for it locks the region.

    Begun once and interrupted, it goes on: a cell that the device holds is not written again, and
    one with another key is replaced as long as the region is not locked.

    Raises:
        DeviceRefused: the device is provisioned with other keys, or takes a cell for malformed.
    """
    held = {cell.role: cell for cell in device.anchors()}
    for anchor in sorted(keys, key=lambda key: key.role == anchors.MANUFACTURER):
        there = held.get(ROLE_NAMES[anchor.role])
        if there is None or there.kid != anchor.kid:
            head, table = encode_cell(anchor, there.sequence + 1 if there else 1)
            device.provision(head, table)
        on_cell(anchor)
