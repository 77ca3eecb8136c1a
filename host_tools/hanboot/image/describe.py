"""What is in an image, as names and values."""

from __future__ import annotations

from typing import Any

from hanboot.image import romfs
from hanboot.image.ota_file import Image
from hanbootloader.image import ota
from hanbootloader.image.manifest import OUR_FORMAT, Manifest


def describe(image: Image) -> dict[str, Any]:
    """What `hanboot image inspect --json` prints: names and values, octet strings in hex."""
    header, trailer = image.header, image.trailer
    return {
        "header": {
            "manufacturer_code": header.manufacturer_code,
            "image_type": header.image_type,
            **_version("file_version", header.file_version),
            "stack_version": header.stack_version,
            "header_string": header_text(header),
            "total_image_size": header.total_bytes,
            "minimum_hardware_version": header.hardware[0],
            "maximum_hardware_version": header.hardware[1],
        },
        "manufacturer_image": {
            "offset": ota.HEADER_BYTES,
            "length": image.image_bytes,
            "sha256": image.image_hash.hex(),
        },
        "trailer": {
            "force_replace": trailer.force_replace,
            "signature": bytes(trailer.signature).hex(),
        }
        if trailer
        else None,
        "manifest": _describe_manifest(image.manifest) if image.manifest else None,
        "end_is_inferred": image.assumption is not None,
        "files": [{"path": path, "length": length} for path, length in payload_files(image)],
    }


def payload_files(image: Image) -> list[tuple[str, int]]:
    """Modules and data of an image of ours, as paths and octets; none if it is not ours."""
    if image.manifest is None:
        return []
    payload = image.manufacturer_image[image.image_bytes - image.manifest.payload_bytes :]
    try:
        return romfs.listing(payload)
    except ValueError:
        # signed or not, what is in it is for `verify` to say
        return []


def _describe_manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": OUR_FORMAT,
        "manufacturer_code": manifest.manufacturer_code,
        "image_type": manifest.image_type,
        **_version("file_version", manifest.file_version),
        "hardware": list(manifest.hardware),
        "payload": {
            "kind": manifest.payload_kind,
            "length": manifest.payload_bytes,
            "sha256": manifest.payload_hash.hex(),
        },
        "predecessors": [
            {
                **_version("file_version", version),
                "hash": digest.hex() if digest else None,
                "cpl_entry_id": entry,
            }
            for version, digest, entry in manifest.predecessors
        ],
        **_version("minimum_base_version", manifest.minimum_base_version),
        "security_counter": manifest.security_counter,
        "point_of_no_return": manifest.point_of_no_return,
        "cpl_entry_id": manifest.cpl_entry_id,
        "label": manifest.label,
        "release_notes": manifest.release_notes,
        "feature_version": manifest.feature_version,
    }


def _version(name: str, version: int) -> dict[str, int | str]:
    return {name: version, f"{name}_hex": f"{version:08X}"}


def header_text(header: ota.Header) -> str:
    """The OTA Header string, without the zero octets at its end."""
    return header.header_string.rstrip(b"\0").decode("ascii", "backslashreplace")
