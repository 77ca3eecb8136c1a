# Releases as small as they can be, for a device as small as it can be: two pages of one sector
# each, so that every pair of faults can be tried. Their signatures are made up (signatures.py).

import images
import signatures
import signed
from images import V1_0, V1_1, V2_0, V2_1, Release

from hanbootloader.image import writer

PREFIX = "small "

_PAYLOAD_BYTES = 16

RELEASES = {
    "1.0.0": Release(V1_0, payload_bytes=_PAYLOAD_BYTES, security_counter=1),
    "1.1.0": Release(V1_1, ((V1_0, None, None),), _PAYLOAD_BYTES, security_counter=1),
    # by the successor of the manufacturer's key
    "1.1.0 next": Release(
        V1_1,
        ((V1_0, None, None),),
        _PAYLOAD_BYTES,
        security_counter=1,
        signer="next manufacturer",
    ),
    "1.2.0": Release(
        images.V1_2,
        lambda: ((V1_1, images.image_hash(PREFIX + "1.1.0"), None),),
        _PAYLOAD_BYTES,
        security_counter=1,
    ),
    "2.0.0": Release(V2_0, ((V1_1, None, None),), _PAYLOAD_BYTES, security_counter=2),
    "2.1.0": Release(
        V2_1,
        ((V1_1, None, None), (V2_0, None, None)),
        _PAYLOAD_BYTES,
        security_counter=2,
        point_of_no_return=True,
    ),
}


def add():
    make_known(PREFIX, RELEASES)


def remove():
    forget(PREFIX, RELEASES)


# Makes releases known to images.py, which builds them as it builds its own.
def make_known(prefix, releases):
    # by version: one may name the hash of an older one, and a dict of MicroPython has no order
    for name in sorted(releases):
        release = releases[name]
        content = writer.encode_manifest(release.manifest())
        digest = images.sha256(writer.to_be_signed(content))
        # as a real one: s below half the order
        signature = digest + bytes(1) + images.sha256(digest)[1:]
        signatures.make_up(images.key(release.signer), digest, signature)
        images.RELEASES[prefix + name] = release
        signed.SIGNATURES[prefix + name] = signature.hex()


def forget(prefix, releases):
    for name in releases:
        images.RELEASES.pop(prefix + name, None)
        signed.SIGNATURES.pop(prefix + name, None)
