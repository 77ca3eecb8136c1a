# Writes what ota.py, manifest.py and cose.py read. Tools that make images import it; nothing on a
# device does, and so no firmware holds it (boards/bootloader_manifest.py).

import struct

from hanbootloader.image import cbor, cose, manifest, ota


def encode_header(header: ota.Header) -> bytes:
    return struct.pack(
        ota.HEADER_LAYOUT,
        ota.IDENTIFIER,
        ota.HEADER_FORMAT,
        ota.HEADER_BYTES,
        ota.HEADER_FIELD_CONTROL,
        header.manufacturer_code,
        header.image_type,
        header.file_version,
        header.stack_version,
        header.header_string,
        header.total_bytes,
        header.hardware[0],
        header.hardware[1],
    )


def encode_trailer(trailer: ota.Trailer) -> bytes:
    return bytes((trailer.force_replace, ota.SIGNATURE_BYTES)) + trailer.signature


def encode_manifest(source: manifest.Manifest) -> bytes:
    fields: "dict[int, object]" = {
        manifest.FORMAT: manifest.OUR_FORMAT,
        manifest.MANUFACTURER_CODE: source.manufacturer_code,
        manifest.IMAGE_TYPE: source.image_type,
        manifest.FILE_VERSION: source.file_version,
        manifest.HARDWARE: source.hardware,
        manifest.PAYLOAD: (source.payload_kind, source.payload_bytes, source.payload_hash),
        manifest.PREDECESSORS: tuple(source.predecessors),
        manifest.MINIMUM_BASE_VERSION: source.minimum_base_version,
        manifest.SECURITY_COUNTER: source.security_counter,
    }
    if source.point_of_no_return:
        fields[manifest.POINT_OF_NO_RETURN] = True
    for key, text in (
        (manifest.CPL_ENTRY_ID, source.cpl_entry_id),
        (manifest.LABEL, source.label),
        (manifest.RELEASE_NOTES, source.release_notes),
        (manifest.FEATURE_VERSION, source.feature_version),
    ):
        if text is not None:
            fields[key] = text
    return cbor.encode(fields)


# The Sig_structure that the manufacturer signs for an encoded manifest.
def to_be_signed(encoded_manifest: bytes) -> bytes:
    head = cbor.encode_head(2, len(encoded_manifest))
    return cose.SIG_STRUCTURE + head + encoded_manifest


# ValueError if the envelope would be longer than a device reads.
def encode_envelope(kid: bytes, encoded_manifest: bytes, signature: bytes) -> bytes:
    if len(kid) != cose.KID_BYTES or len(signature) != 64 or len(encoded_manifest) < 24:
        raise ValueError
    head = cbor.encode_head(2, len(encoded_manifest))
    data = cose.PREFIX + kid + head + encoded_manifest + b"\x58\x40" + signature
    if len(data) > cose.ENVELOPE_MAX_BYTES:
        raise ValueError
    return data
