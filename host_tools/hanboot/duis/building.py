"""What every DUIS document has: root, header, and elements in order.

The root declares the prefix sr and nothing else, so that inclusive and exclusive canonical XML of
the document are the same octets.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from lxml import etree

from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import SCHEMA_VERSION, SR, FirmwareService, sr
from hanboot.duis.parsing import Element
from hanboot.trust.smki.certificate import eui_text

#: (name, text), or (name, what is in it)
Part = tuple[str, str | Sequence["Part"]]


def request(service: FirmwareService, request_id: RequestID, variant: int, body: Part) -> Element:
    """A Service Request without a signature."""
    header = [
        ("RequestID", str(request_id)),
        ("CommandVariant", str(variant)),
        ("ServiceReference", service.reference),
        ("ServiceReferenceVariant", service.reference),
    ]
    return document("Request", header, body)


def document(root_name: str, header: Sequence[Part], body: Part) -> Element:
    root = etree.Element(sr(root_name), nsmap={"sr": SR}, schemaVersion=SCHEMA_VERSION)
    _add(root, ("Header", header))
    _add(root, ("Body", [body]))
    return root


def _add(parent: Element, part: Part) -> None:
    name, content = part
    element = etree.SubElement(parent, sr(name))
    if isinstance(content, str):
        element.text = content or None
    else:
        for inner in content:
            _add(element, inner)


def device_list(devices: Sequence[bytes]) -> str:
    """A DeviceIDList: EUI-64 with commas between, and no spaces."""
    return ",".join(eui_text(device) for device in devices)


def date_time(instant: datetime.datetime) -> str:
    """xs:dateTime in UTC, with milliseconds."""
    utc = instant.astimezone(datetime.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
