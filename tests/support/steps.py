"""What several tests do with a device."""

from __future__ import annotations

from hanboot.device.client import Device
from hanboot.image.ota_file import Image


def install(device: Device, image: Image) -> None:
    """Uploads, activates, resets, and waits until it is confirmed."""
    device.upload(image.octets)
    device.wait_verified()
    device.activate(image.image_hash)
    device.reset()
    device.wait_outcome(image.image_hash)
