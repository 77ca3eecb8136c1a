"""A DUIS document as values: what it asks for or answers, with images and messages in it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from lxml import etree

from hanboot.duis import codes
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import DEVICES_MAX, SERVICES, ds, sr
from hanboot.duis.parsing import Element, packed_text_of, text_of
from hanboot.errors import BadFile
from hanboot.gbcs import codec, document
from hanboot.gbcs.codec import Decoded
from hanboot.image import ota_file

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])(?!Ds$)")

_REFERENCE = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2}){1,2}")
_HASH = re.compile("[0-9A-Fa-f]{64}")

#: Elements whose text is long, and is described in place of being shown.
_IMAGE, _DEVICES, _PAYLOAD = "FirmwareImage", "DeviceIDList", "GBCSPayload"
_LISTS_END = "List"


def child(parent: Element, name: str) -> Element:
    """The one element `name` in `parent`.

    Raises:
        BadFile: it is missing, or there are several.
    """
    found = parent.findall(sr(name))
    if len(found) != 1:
        where = etree.QName(parent).localname
        raise BadFile(
            "the document is not as DUIS's schema has it",
            f"{where} has {len(found)} elements {name}, and must have one",
            "give a document that is valid; --schema DIR checks it against the schema",
        )
    return found[0]


def body_of(root: Element) -> Element:
    """The one element in the body."""
    body = child(root, "Body")
    if len(body) != 1:
        raise BadFile(
            "the document is not as DUIS's schema has it",
            f"Body has {len(body)} elements, and must have one",
            "give a document that is valid; --schema DIR checks it against the schema",
        )
    return body[0]


def devices_of(text: str) -> list[str]:
    """The identifiers of a device list.

    Raises:
        BadFile: there are more than the schema takes.
    """
    devices = text.split(",")
    if len(devices) > DEVICES_MAX:
        raise BadFile(
            "the device list is too long",
            f"it names {len(devices)} devices, and the schema takes {DEVICES_MAX}",
            "split it over several requests",
        )
    return devices


def binary_of(element: Element) -> bytes:
    """The octets of an element of type xs:base64Binary.

    Raises:
        BadFile: it is no base64.
    """
    try:
        return base64.b64decode(packed_text_of(element), validate=True)
    except (binascii.Error, ValueError):
        name = etree.QName(element).localname
        raise BadFile(
            f"{name} is not base64",
            "there are other characters in it, or it ends too early",
            "ask its sender for it again",
        ) from None


def hash_of(element: Element) -> bytes:
    """The octets of a Manufacturer Image Hash, 64 hexadecimal digits.

    Raises:
        BadFile: it is none.
    """
    text = text_of(element)
    if not _HASH.fullmatch(text):
        raise BadFile(
            "the document is not as DUIS's schema has it",
            f"{etree.QName(element).localname} is {text[:70]!r}, and must be 64 hexadecimal digits",
            "ask its sender for it again",
        )
    return bytes.fromhex(text)


def command_of(root: Element) -> Decoded | None:
    """The GBCS message in a document, wherever it stands; None where there is none.

    Raises:
        BadFile: there are several, or it is no message of a firmware use case.
    """
    found = list(root.iter(sr(_PAYLOAD)))
    if not found:
        return None
    if len(found) > 1:
        raise BadFile("the document holds several GBCS messages", f"{len(found)} stand in it",
                      "give a document of one service")  # fmt: skip
    return codec.decode(binary_of(found[0]), "the GBCSPayload")


def describe(root: Element) -> dict[str, Any]:
    """The whole content of a document, as JSON has it.

    Raises:
        BadFile: it is not as DUIS's schema has it.
    """
    is_request = root.tag == sr("Request")
    header = child(root, "Header")
    body = body_of(root)
    described: dict[str, Any] = {
        "document": "request" if is_request else "response",
        "schema_version": root.get("schemaVersion"),
    }
    for name in ("RequestID", "ResponseID"):
        if header.find(sr(name)) is not None:
            described[_key(name)] = _identifier(text_of(child(header, name)))
    if is_request:
        described["command_variant"] = _number(child(header, "CommandVariant"))
        reference = _reference(header)
        described["service_reference"] = reference
        service = SERVICES.get(reference)
        described["service"] = service.title if service else None
    else:
        code = text_of(child(header, "ResponseCode"))
        described["response_code"] = code
        described["response"] = codes.meaning(code)
        described["response_date_time"] = text_of(child(header, "ResponseDateTime"))
    described["kind"] = etree.QName(body).localname
    described["body"] = _content(body)
    described["signature"] = _signature(root)
    return described


def _identifier(text: str) -> dict[str, Any]:
    try:
        identifier = RequestID.parse(text)
    except ValueError as bad:
        raise BadFile(
            "the document is not as DUIS's schema has it", str(bad), "ask its sender for it again"
        ) from None
    originator, target, _ = str(identifier).split(":")
    return {
        "text": str(identifier),
        "originator": originator,
        "target": target,
        "counter": identifier.counter,
    }


def _reference(header: Element) -> str:
    """The variant of a service, which begins with its Service Reference."""
    variant = text_of(child(header, "ServiceReferenceVariant"))
    reference = text_of(child(header, "ServiceReference"))
    if not _REFERENCE.fullmatch(variant) or not f"{variant}.".startswith(f"{reference}."):
        raise BadFile(
            "the document is not as DUIS's schema has it",
            f"ServiceReferenceVariant is {variant[:40]!r} of ServiceReference {reference[:40]!r}",
            "give a document that is valid; --schema DIR checks it against the schema",
        )
    return variant


def _number(element: Element) -> int:
    text = text_of(element)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadFile(
            "the document is not as DUIS's schema has it",
            f"{etree.QName(element).localname} is {text[:40]!r}, and must be a number",
            "ask its sender for it again",
        )
    return int(text)


def _content(element: Element) -> Any:
    name = etree.QName(element).localname
    if name == _PAYLOAD:
        return _message(element)
    if len(element):
        content: dict[str, Any] = {}
        for inner in element:
            key = _key(etree.QName(inner).localname)
            value = _content(inner)
            if key in content:
                # repeated elements, such as the devices of an inventory
                if not isinstance(content[key], list):
                    content[key] = [content[key]]
                content[key].append(value)
            else:
                content[key] = value
        return content
    text = text_of(element)
    if name == _IMAGE:
        return _image(binary_of(element))
    if name == _DEVICES or name.endswith(_LISTS_END) or name in ("DeviceList", "MeterIDs"):
        return devices_of(text)
    if name == "DCCAlertCode":
        return {"code": text, "meaning": codes.alert_meaning(text)}
    return text


def _message(element: Element) -> dict[str, Any]:
    octets = binary_of(element)
    try:
        return document.to_document(codec.decode(octets))
    except BadFile as bad:
        # other services carry messages of other use cases
        return {"octets": octets.hex(), "not_read": bad.why}


def _image(octets: bytes) -> dict[str, Any]:
    try:
        image = ota_file.load(octets)
    except BadFile as bad:
        return {"octets": len(octets), "not_read": bad.why}
    return {
        "octets": len(octets),
        "file_version": f"{image.header.file_version:08X}",
        "manufacturer_code": f"{image.header.manufacturer_code:04X}",
        "image_type": f"{image.header.image_type:04X}",
        "hash": image.image_hash.hex(),
        "supplier_signature": image.trailer is not None,
    }


def _signature(root: Element) -> dict[str, str] | None:
    signature = root.find(ds("Signature"))
    if signature is None:
        return None
    path = f"{ds('KeyInfo')}/{ds('X509Data')}/{ds('X509IssuerSerial')}/"
    return {
        "issuer": signature.findtext(path + ds("X509IssuerName"), ""),
        "serial": signature.findtext(path + ds("X509SerialNumber"), ""),
    }


def _key(name: str) -> str:
    """FirmwareImage -> firmware_image; DeviceIDList -> device_id_list; MeterIDs -> meter_ids."""
    return _WORDS.sub("_", name).lower()
