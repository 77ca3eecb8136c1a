"""hanboot: build, sign, check and send firmware images for GBCS devices.

>>> from pathlib import Path
>>> from hanboot import Image, Reason
>>> image = Image.load(Path("ppmid-1.0.0.ota"))
>>> image.header.file_version, image.manifest.label
(16777216, '1.0.0')
>>> list(image.manifest.predecessors)  # a first version
[]

A device is a context; `upgrade` takes it from upload to confirmation, and a refusal is an
exception with the device's verdict:

>>> from hanboot import Device, DeviceRefused, upgrade
>>> with Device("virtual:ppmid") as device:
...     upgrade(device, image.octets).running.state
...     try:
...         upgrade(device, image.octets)
...     except DeviceRefused as refused:
...         refused.verdict.reason
<SlotState.CONFIRMED: 'confirmed'>
<Reason.ALREADY_RUNNING: 15>

What needs a database (`hanboot.registry`, `hanboot.inventory`) is imported by its own name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hanbootloader import VERSION

if TYPE_CHECKING:
    from hanboot.device.client import Device
    from hanboot.device.records import Identity, Verdict
    from hanboot.device.refusal import DeviceRefused
    from hanboot.device.upgrade import upgrade
    from hanboot.errors import HanbootError
    from hanboot.explain.reasons import Reason
    from hanboot.image.build import build_image
    from hanboot.image.ota_file import Image
    from hanboot.image.release import Release
    from hanboot.link.transport import Transport

__version__ = VERSION

__all__ = [
    "Device",
    "DeviceRefused",
    "HanbootError",
    "Identity",
    "Image",
    "Reason",
    "Release",
    "Transport",
    "Verdict",
    "__version__",
    "build_image",
    "upgrade",
]

# imported when they are first used: a device needs no compiler, and an image no serial port
_HOMES = {
    "Device": "hanboot.device.client",
    "DeviceRefused": "hanboot.device.refusal",
    "HanbootError": "hanboot.errors",
    "Identity": "hanboot.device.records",
    "Image": "hanboot.image.ota_file",
    "Reason": "hanboot.explain.reasons",
    "Release": "hanboot.image.release",
    "Transport": "hanboot.link.transport",
    "Verdict": "hanboot.device.records",
    "build_image": "hanboot.image.build",
    "upgrade": "hanboot.device.upgrade",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
