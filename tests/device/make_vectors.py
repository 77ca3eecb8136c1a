# Writes signed.py: the public keys and signatures that the tests' images and anchor cells carry.
#
#   .venv/bin/python tests/device/make_vectors.py
#
# MicroPython cannot sign, and no private key belongs into a repository. So this makes fresh keys,
# signs all there is to sign, and forgets the keys: a change of a release in images.py or an
# octet of a format runs it once more, and every key and signature changes.

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from hanboot.trust import comb
from hanbootloader.image import writer
from hanbootloader.trust import p256

TARGET = Path(__file__).with_name("signed.py")

HEADING = """\
# Public keys (x || y), comb tables and signatures (r || s) for images.py and cells.py. Written by
# make_vectors.py, which forgot the private keys.
"""


def fresh_key():
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    return private, numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def sign(private, message):
    digest = hashlib.sha256(message).digest()
    r, s = utils.decode_dss_signature(private.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()))))
    # an envelope must carry the lower of the two that verify
    return r.to_bytes(32, "big") + min(s, p256.ORDER - s).to_bytes(32, "big")


def as_table(name, values):
    lines = [f"{name} = {{"]
    for label, value in values.items():
        text = value.hex()
        lines += [f'    "{label}": (']
        lines += [f'        "{text[at : at + 64]}"' for at in range(0, len(text), 64)]
        lines += ["    ),"]
    return "\n".join([*lines, "}"])


def write(**tables):
    TARGET.write_text("\n".join([HEADING, *[as_table(*each) for each in tables.items()], ""]))


def main():
    pairs = {
        name: fresh_key()
        for name in (
            "manufacturer",
            "next manufacturer",
            "supplier",
            "next supplier",
            "stranger",
        )
    }
    keys = {name: public for name, (_, public) in pairs.items()}
    private = {name: key for name, (key, _) in pairs.items()}
    # images.py and cells.py read signed.py: first the keys, then each signature as it is made
    write(KEYS=keys, TABLES={}, SIGNATURES={})
    import cells
    import images
    import signed

    from hanbootloader.trust import cell

    def put(name, octets):
        signed.SIGNATURES[name] = octets.hex()

    for name, release in images.RELEASES.items():
        signer = "stranger" if name == "forged" else release.signer
        put(
            name,
            sign(private[signer], writer.to_be_signed(writer.encode_manifest(release.manifest()))),
        )
    for name, signer in (("1.0.0", "supplier"), ("1.1.0", "supplier"), ("1.1.0", "stranger")):
        put(f"{name}, {signer}", sign(private[signer], images.manufacturer_image(name)))
    for name in ("next supplier", "next manufacturer"):
        for signer in ("manufacturer", "supplier", "stranger", "next manufacturer"):
            update = cell.update_to_be_signed(cells.head(name))
            put(f"{name}, {signer}", sign(private[signer], update))
    # a second successor, of either key before it
    update = cell.update_to_be_signed(cells.head("manufacturer", sequence=3))
    for signer in ("manufacturer", "next manufacturer"):
        put(f"manufacturer again, {signer}", sign(private[signer], update))

    write(
        KEYS=keys,
        TABLES={"manufacturer": comb.build_table(keys["manufacturer"], rows=4)},
        SIGNATURES={name: bytes.fromhex(text) for name, text in signed.SIGNATURES.items()},
    )


if __name__ == "__main__":
    main()
