# Images to offer to a device: releases of a small PPMID firmware, as a manufacturer would build
# them. Nothing here can sign (MicroPython could not); the signatures were made on a host and stand
# in signed.py. make_vectors.py makes them anew, whenever a release here or a format changes.

import hashlib
from binascii import unhexlify

import signed

from hanbootloader.image import manifest, ota, writer
from hanbootloader.trust.kid import kid_of

MANUFACTURER_CODE = 0xFFF0
IMAGE_TYPE = 0x0005
HARDWARE = (0x0100, 0x01FF)

V1_0 = 0x01000000
V1_1 = 0x01010000
V1_2 = 0x01020000
V2_0 = 0x02000000
V2_1 = 0x02010000


# Octets that repeat nowhere, the same in every run.
def payload_octets(seed, length):
    octets = bytearray()
    while len(octets) < length:
        octets.extend(hashlib.sha256(b"%s %d" % (seed.encode(), len(octets))).digest())
    return bytes(octets[:length])


def sha256(octets):
    return hashlib.sha256(octets).digest()


def key(name):
    return unhexlify(signed.KEYS[name])


def kid(name):
    return kid_of(key(name))


def signature(name):
    return unhexlify(signed.SIGNATURES[name])


class Release:
    # signer: whose key identifier the envelope carries
    def __init__(
        self, file_version, predecessors=(), payload_bytes=3000, signer="manufacturer", **more
    ):
        self.file_version = file_version
        self.predecessors = predecessors
        self.payload_bytes = payload_bytes
        self.signer = signer
        self.more = more

    def payload(self):
        return payload_octets(
            "%08x%s" % (self.file_version, self.more.get("label")), self.payload_bytes
        )

    def manifest(self):
        predecessors = self.predecessors
        if not isinstance(predecessors, tuple):
            predecessors = predecessors()
        return manifest.Manifest(
            MANUFACTURER_CODE,
            IMAGE_TYPE,
            self.file_version,
            HARDWARE,
            manifest.KIND_ROMFS,
            self.payload_bytes,
            sha256(self.payload()),
            predecessors,
            **self.more,
        )


RELEASES = {
    "1.0.0": Release(V1_0, security_counter=1, label="1.0.0"),
    "1.1.0": Release(V1_1, ((V1_0, None, "CPL-0001"),), 5000, security_counter=1, label="1.1.0"),
    # by the successor of the manufacturer's key
    "1.1.0 next": Release(
        V1_1,
        ((V1_0, None, None),),
        security_counter=1,
        signer="next manufacturer",
        label="1.1.0 next",
    ),
    # the same version built a second time: its hash differs
    "1.1.0 rebuilt": Release(
        V1_1, ((V1_0, None, None),), security_counter=1, label="1.1.0 rebuilt"
    ),
    "1.2.0": Release(
        V1_2,
        lambda: ((V1_1, image_hash("1.1.0"), "CPL-0002"),),
        security_counter=1,
        label="1.2.0",
    ),
    "2.0.0": Release(
        V2_0,
        ((V1_1, None, None),),
        minimum_base_version=V1_1,
        security_counter=2,
        label="2.0.0",
    ),
    "2.1.0": Release(
        V2_1,
        ((V1_1, None, None), (V2_0, None, None)),
        security_counter=2,
        point_of_no_return=True,
        label="2.1.0",
    ),
    "stranger's": Release(
        V1_1, ((V1_0, None, None),), signer="stranger", security_counter=1, label="stranger's"
    ),
    # the manufacturer's key identifier over a stranger's signature
    "forged": Release(V1_1, ((V1_0, None, None),), security_counter=1, label="forged"),
}


# Manufacturer Image: envelope, padding, payload.
def manufacturer_image(name):
    release = RELEASES[name]
    envelope = writer.encode_envelope(
        kid(release.signer), writer.encode_manifest(release.manifest()), signature(name)
    )
    return assemble(envelope, release.payload())


def assemble(envelope, payload):
    return envelope + bytes(manifest.padding_bytes(len(envelope))) + payload


def image_hash(name):
    return sha256(manufacturer_image(name))


# The OTA Header in front of `image`; trailer_bytes: what follows it.
def header_of(content, image, trailer_bytes=0):
    return ota.Header(
        content.manufacturer_code,
        content.image_type,
        content.file_version,
        ota.HEADER_BYTES + len(image) + trailer_bytes,
        content.hardware,
    )


# The OTA Upgrade Image of a release. supplier: whose signature follows; None for no trailer.
def ota_image(name, supplier=None):
    image = manufacturer_image(name)
    trailer = (
        b""
        if supplier is None
        else writer.encode_trailer(ota.Trailer(0, signature(name + ", " + supplier)))
    )
    header = header_of(RELEASES[name].manifest(), image, len(trailer))
    return writer.encode_header(header) + image + trailer


# Pieces of an OTA Upgrade Image of any size, none of which is ever there as a whole. more: fields
# of its manifest.
def pieces(payload_bytes, piece_bytes=1024, **more):
    piece = payload_octets("piece", piece_bytes)
    count, rest = divmod(payload_bytes, piece_bytes)
    sha = hashlib.sha256()
    for _ in range(count):
        sha.update(piece)
    sha.update(piece[:rest])
    fields = {
        "manufacturer_code": MANUFACTURER_CODE,
        "image_type": IMAGE_TYPE,
        "file_version": V1_1,
        "hardware": HARDWARE,
        "payload_kind": manifest.KIND_ROMFS,
        "payload_bytes": payload_bytes,
        "payload_hash": sha.digest(),
        "predecessors": ((V1_0, None, None),),
        "security_counter": 1,
    }
    fields.update(more)
    content = manifest.Manifest(**fields)
    envelope = writer.encode_envelope(
        kid("manufacturer"), writer.encode_manifest(content), bytes(64)
    )
    front = assemble(envelope, b"")
    header = header_of(content, front)
    header.total_bytes += payload_bytes
    yield writer.encode_header(header)
    yield front
    for _ in range(count):
        yield piece
    yield piece[:rest]
