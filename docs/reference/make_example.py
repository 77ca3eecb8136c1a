"""Makes the worked example of docs/reference/formats.md anew, with keys that it forgets.

    .venv/bin/python docs/reference/make_example.py

The octets are laid out here field by field, by hand; the format code must make the same ones.
"""

import hashlib
import re
import struct
from pathlib import Path

from mpremote.romfs import VfsRomWriter

from hanboot.trust import keys
from hanbootloader.image import manifest, ota, writer

PAGE = Path(__file__).with_name("formats.md")

APPLICATION = b"""\
import asyncio
async def main(services):
    services.confirm()
    await asyncio.sleep(1 << 20)
"""

Piece = tuple[bytes, str]


def romfs() -> bytes:
    writer = VfsRomWriter()
    writer.mkfile("app.py", APPLICATION)
    return bytes(writer.finalise())


def manifest_pieces(payload: bytes, predecessor_hash: bytes) -> list[Piece]:
    return [
        (b"\xac", "map of 12 pairs, keys in bytewise order"),
        (b"\x00\x01", "0 format: 1"),
        (b"\x01\x6aPPMID-0003", '1 own CPL Entry ID: "PPMID-0003"'),
        (b"\x02\x19\xff\xf0", "2 manufacturer_code: 0xFFF0"),
        (b"\x03\x65" + b"2.0.0", '3 label: "2.0.0"'),
        (b"\x04\x05", "4 image_type: 5"),
        (b"\x06\x1a\x02\x00\x00\x00", "6 file_version: 0x02000000"),
        (b"\x08\x82\x19\x01\x00\x19\x01\xff", "8 hardware: [0x0100, 0x01FF]"),
        (b"\x0a\x83\x00\x18" + bytes((len(payload),)), f"10 payload: [0 ROMFS, {len(payload)},"),
        (b"\x58\x20" + hashlib.sha256(payload).digest(), "   SHA-256 of the payload]"),
        (b"\x0c\x82", "12 predecessors: 2 entries"),
        (b"\x83\x1a\x01\x01\x00\x00", "   [0x01010000,"),
        (b"\x58\x20" + predecessor_hash, "    its Manufacturer Image Hash,"),
        (b"\x6aPPMID-0002", '    "PPMID-0002"]'),
        (b"\x83\x1a\x01\x02\x00\x00", "   [0x01020000,"),
        (b"\xf6\xf6", "    any hash: null, no CPL Entry ID: null]"),
        (b"\x0e\x1a\x01\x01\x00\x00", "14 minimum_base_version: 0x01010000"),
        (b"\x10\x01", "16 security_counter: 1"),
        (b"\x12\xf5", "18 point_of_no_return: true"),
    ]


def header_pieces(total_bytes: int) -> list[Piece]:
    return [
        (b"\x1e\xf1\xee\x0b", "OTA upgrade file identifier: 0x0BEEF11E"),
        (b"\x00\x01", "OTA Header version: 0x0100"),
        (b"\x3c\x00", "OTA Header length: 60"),
        (b"\x04\x00", "OTA Header field control: 0x0004"),
        (b"\xf0\xff", "Manufacturer code: 0xFFF0"),
        (b"\x05\x00", "Image type: 0x0005"),
        (b"\x00\x00\x00\x02", "File version: 0x02000000"),
        (b"\x02\x00", "ZigBee stack version: 0x0002"),
        (b"hanboot worked example".ljust(32, b"\0"), "OTA Header string"),
        (struct.pack("<I", total_bytes), f"Total Image size: {total_bytes}"),
        (b"\x00\x01", "Minimum hardware version: 0x0100"),
        (b"\xff\x01", "Maximum hardware version: 0x01FF"),
    ]


def joined(pieces: list[Piece]) -> bytes:
    return b"".join(octets for octets, _ in pieces)


def example() -> tuple[list[Piece], keys.PublicKey, keys.PublicKey]:
    manufacturer, supplier = keys.generate(), keys.generate()
    payload = romfs()
    content = manifest_pieces(payload, hashlib.sha256(b"an image of version 1.1.0").digest())
    signature = manufacturer.sign(writer.to_be_signed(joined(content)))
    envelope = [
        (b"\xd2\x84", "tag 18 COSE_Sign1, array of 4"),
        (b"\x43\xa1\x01\x26", "protected: {1 alg: -7 ES256}"),
        (b"\xa1\x04\x48" + manufacturer.public.kid, "unprotected: {4 kid: 8 octets}"),
        (b"\x58" + bytes((len(joined(content)),)), f"content: {len(joined(content))} octets"),
        *content,
        (b"\x58\x40" + signature, "signature r || s over the Sig_structure"),
    ]
    padding = manifest.padding_bytes(len(joined(envelope)))
    image = [*envelope, (bytes(padding), f"padding: {padding} octets"), (payload, "payload: ROMFS")]
    trailer = [
        (b"\x00", "Force Replace: 0"),
        (b"\x40", "length of the signature"),
        (supplier.sign(joined(image)), "Authorising Remote Party Signature r || s"),
    ]
    total = ota.HEADER_BYTES + len(joined(image)) + ota.TRAILER_BYTES
    pieces = [*header_pieces(total), *image, *trailer]
    assert joined(content) == writer.encode_manifest(manifest.parse_manifest(joined(content)))
    assert joined(pieces)[: ota.HEADER_BYTES] == writer.encode_header(
        ota.parse_header(joined(pieces))
    )
    return [piece for piece in pieces if piece[0]], manufacturer.public, supplier.public


def listing(pieces: list[Piece]) -> str:
    lines, at = [], 0
    for octets, note in pieces:
        for start in range(0, len(octets), 16):
            row = octets[start : start + 16].hex(" ").upper()
            lines.append(f"{at + start:04X}  {row:<47}  {'' if start else note}".rstrip())
        at += len(octets)
    return "\n".join(lines)


def key_lines(manufacturer: keys.PublicKey, supplier: keys.PublicKey) -> str:
    return "\n".join(
        f"{name:<13}{half}  {point.hex().upper()}"
        for name, key in (("manufacturer", manufacturer), ("supplier", supplier))
        for half, point in (("x", key.point[:32]), ("y", key.point[32:]))
    )


def main() -> None:
    pieces, manufacturer, supplier = example()
    text = PAGE.read_text()
    for language, body in (("keys", key_lines(manufacturer, supplier)), ("hex", listing(pieces))):
        text = re.sub(
            rf"(?s)(```{language}\n).*?(\n```)", lambda m, b=body: m[1] + b + m[2], text, count=1
        )
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
