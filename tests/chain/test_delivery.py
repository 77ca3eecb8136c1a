"""`hanboot deliver` and `hanboot image sign --replace`: from the manufacturer to the supplier."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import published
import pytest
from command_line import assert_error

from hanboot.delivery.delivery import Delivery, header_for
from hanboot.errors import BadFile
from hanboot.trust import keys
from hanbootloader.image import ota, writer

PAYLOAD = bytes(range(256)) + b"manufacturer's own bytes"


def ota_file(payload=PAYLOAD, total=None, trailer=b""):
    header = ota.Header(0xFFF0, 5, 0x01020000, 0, (0x0100, 0x01FF))
    header.total_bytes = total or ota.HEADER_BYTES + len(payload) + len(trailer)
    return writer.encode_header(header) + payload + trailer


@pytest.fixture
def desk(tmp_path, run):
    """Keys of a manufacturer, a supplier and a stranger, and an image that is not ours."""
    for name in ("manufacturer", "supplier", "stranger"):
        assert run("keys", "new", name).code == 0
    (tmp_path / "image.ota").write_bytes(ota_file())
    return tmp_path


def pack(run, option, device_type, *more, image="image.ota", folder="out"):
    arguments = ("--option", option, "--device-type", device_type, "-o", folder)
    more = more or ("--manufacturer-key", "manufacturer.pem")
    return run("deliver", "pack", image, *arguments, *more, "--json")


def check(run, source, option, *more, key="manufacturer.pub.pem"):
    arguments = (source,) if source else ()
    return run(
        *("deliver", "check", *arguments, "--option", option),
        *("--manufacturer-public-key", key, *more),
    )


FILES = {
    1: ["manufacturer-image", "manufacturer-signature", "ota-header", "sha256"],
    2: ["ota", "sha256"],
    3: ["delivery", "sha256"],
}


@pytest.mark.parametrize("option", [1, 2, 3])
@pytest.mark.parametrize("device_type", ["PPMID", "IHD", "HCALCS", "ESME", "GSME"])
def test_there_and_back(run, desk, option, device_type):
    ran = pack(run, option, device_type)
    assert ran.code == 0, ran.err
    name = "FFF0-0005-01020000"
    assert sorted(path.name for path in (desk / "out").iterdir()) == [
        f"{name}.{ending}" for ending in FILES[option]
    ]
    signed = device_type in ("HCALCS", "ESME", "GSME")
    final = ota.HEADER_BYTES + len(PAYLOAD) + (ota.TRAILER_BYTES if signed else 0)
    assert ran.document["total_image_size"] == final
    ran = check(run, "out", option, "-o", "gbcs.ota", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["hash"] == hashlib.sha256(PAYLOAD).hexdigest()
    octets = (desk / "gbcs.ota").read_bytes()
    assert len(octets) == ota.parse_header(octets).total_bytes == final
    if not signed:
        # as it goes out
        assert octets == ota_file()
        return
    # the supplier's place still has the manufacturer's signature, and it is called that
    ran = run("image", "verify", "gbcs.ota", "--supplier-public-key", "supplier.pub.pem",
              "--manufacturer-public-key", "manufacturer.pub.pem")  # fmt: skip
    assert_error(ran, 1, "carries the manufacturer's signature, not a supplier's")
    replace = ("--replace", "--manufacturer-public-key", "manufacturer.pub.pem")
    ran = run(
        "image", "sign", "gbcs.ota", *replace, "--supplier-key", "supplier.pem", "-o", "s.ota"
    )
    assert ran.code == 0, ran.err
    assert run("image", "verify", "s.ota", "--supplier-public-key", "supplier.pub.pem").code == 0
    again = (desk / "s.ota").read_bytes()
    assert again[:-64] == octets[:-64]
    assert again != octets


def test_the_hash_file_is_sha256sums(run, desk):
    assert pack(run, 1, "PPMID").code == 0
    if shutil.which("sha256sum"):
        subprocess.run(
            ["sha256sum", "-c", *(desk / "out").glob("*.sha256")], cwd=desk / "out", check=True
        )
    (desk / "digits").write_text(hashlib.sha256(PAYLOAD).hexdigest().upper())
    assert check(run, "out", 1, "--hash", "digits").code == 0
    for text in ("", "ab" * 31, "x" * 64, "ab" * 33, f"{'ab' * 32}\n{'cd' * 32}\n"):
        (desk / "digits").write_text(text)
        assert_error(check(run, "out", 1, "--hash", "digits"), 5, "holds no hash")


def test_files_named_apart(run, desk):
    assert pack(run, 1, "ESME").code == 0
    stem = desk / "out" / "FFF0-0005-01020000"
    given = [
        *("--header", f"{stem}.ota-header"),
        *("--manufacturer-image", f"{stem}.manufacturer-image"),
        *("--manufacturer-signature", f"{stem}.manufacturer-signature"),
        *("--hash", f"{stem}.sha256"),
    ]
    assert check(run, None, 1, *given).code == 0
    for at in range(0, len(given), 2):
        ran = check(run, None, 1, *given[:at], *given[at + 2 :])
        assert_error(ran, 5, "the delivery is not complete", given[at])


@pytest.mark.parametrize("option", [1, 2, 3])
@pytest.mark.parametrize("device_type", ["PPMID", "ESME"])
def test_every_element_counts(run, desk, option, device_type):
    """A bit of any element changed is found; so is another delivery's element in its place."""
    pack(run, option, device_type)
    for path in sorted((desk / "out").iterdir()):
        octets = path.read_bytes()
        spots = [0, 20, 52, 59, 60, len(octets) // 2, len(octets) - 1]
        for at in {spot for spot in spots if spot < len(octets)}:
            changed = bytearray(octets)
            changed[at] ^= 0x01
            # what follows the digits of a hash is a name, nothing else
            if path.suffix == ".sha256" and at > 63:
                continue
            path.write_bytes(changed)
            assert check(run, "out", option).code in (1, 5), (path.name, at)
        path.write_bytes(octets)
    assert check(run, "out", option).code == 0


def test_another_key(run, desk):
    pack(run, 2, "ESME")
    ran = check(run, "out", 2, key="stranger.pub.pem")
    assert_error(ran, 1, "manufacturer's signature", "is wrong", "is not by the key")
    gbcs = next((desk / "out").glob("*.ota"))
    sign = ("image", "sign", gbcs, "--supplier-key", "supplier.pem", "-o", "s.ota")
    ran = run(*sign, "--replace", "--manufacturer-public-key", "stranger.pub.pem")
    assert_error(ran, 1, "does not carry this manufacturer's signature")
    assert not (desk / "s.ota").exists()
    # what is signed is replaced on request alone; a supplier's signature is not the manufacturer's
    assert run(*sign).code == 1
    assert run(*sign, "--manufacturer-public-key", "manufacturer.pub.pem").code == 2
    run("image", "sign", "image.ota", "--supplier-key", "manufacturer.pem", "-o", "alone.ota")
    ran = run("image", "sign", "alone.ota", "--replace", "--manufacturer-public-key",
              "manufacturer.pub.pem", "--supplier-key", "supplier.pem", "-o", "s.ota")  # fmt: skip
    assert_error(ran, 1, "over the Manufacturer Image alone")
    ran = run("image", "sign", "image.ota", "--replace", "--manufacturer-public-key",
              "manufacturer.pub.pem", "--supplier-key", "supplier.pem", "-o", "s.ota")  # fmt: skip
    assert_error(ran, 1, "carries no signature to replace")


def test_the_size_trap(desk):
    """A header that was signed with another size than the final one."""
    key = keys.load_private(desk / "manufacturer.pem")
    digest = hashlib.sha256(PAYLOAD).digest()
    plain = ota_file()[: ota.HEADER_BYTES]
    final = header_for(ota.parse_header(plain), len(PAYLOAD), True)
    # the size of the delivered file of option 3, or of the header and image alone
    for total in (len(PAYLOAD), 60 + len(PAYLOAD) + 64, 60 + len(PAYLOAD) + 1, 0):
        header = ota.parse_header(plain)
        header.total_bytes = total
        with pytest.raises(BadFile) as caught:
            Delivery("d", writer.encode_header(header), PAYLOAD, bytes(64), digest)
        assert "states a size that no image of it can have" in caught.value.what
    # signed with the plain size, then set right: the signature says so
    signature = key.sign_plain(plain + PAYLOAD)
    wrong = Delivery("d", final, PAYLOAD, signature, digest)
    assert "it is over a header with Total Image size 340" in wrong._why_not(key.public)
    alone = Delivery("d", final, PAYLOAD, key.sign_plain(PAYLOAD), digest)
    assert "over the Manufacturer Image alone" in alone._why_not(key.public)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_signed_elsewhere(run, desk):
    """OpenSSL signs and verifies what goes between."""
    assert pack(run, 1, "HCALCS", "--to-sign", "g").code == 0
    for name in ("manufacturer", "stranger"):
        signing = ("openssl", "dgst", "-sha256", "-sign", f"{name}.pem", "-out", f"{name}.sig", "g")
        subprocess.run(signing, check=True, cwd=desk)
    public = ("--manufacturer-public-key", "manufacturer.pub.pem")
    ran = pack(run, 1, "HCALCS", "--signature", "manufacturer.sig", *public)
    assert ran.code == 0, ran.err
    assert check(run, "out", 1).code == 0
    ran = pack(run, 1, "HCALCS", "--signature", "stranger.sig", *public, folder="other")
    assert ran.code == 1
    assert not (desk / "other").exists()
    # and the other way: header || image, as the supplier puts them together by hand
    made = b"".join(
        next((desk / "out").glob(f"*.{ending}")).read_bytes()
        for ending in ("ota-header", "manufacturer-image")
    )
    assert made == (desk / "g").read_bytes()


@pytest.mark.parametrize("option", ["1", "2", "3"])
def test_names_that_no_file_can_have(run, desk, option):
    key = ("--manufacturer-public-key", "manufacturer.pub.pem")
    assert_error(run("deliver", "check", "x" * 300, "--option", option, *key), 5)


def test_usage(run, desk):
    assert pack(run, 1, "PPMID", "--signature", "x").code == 2
    assert pack(run, 4, "PPMID").code == 2
    assert pack(run, 1, "CHF").code == 2
    assert run("deliver", "check", "out", "--option", "1").code == 2
    pack(run, 1, "PPMID")
    assert_error(pack(run, 1, "PPMID"), 5, "holds something already")
    (desk / "short").write_bytes(b"x" * 60)
    (desk / "h").write_text("00" * 32)
    for option in (2, 3):
        assert_error(check(run, "short", option, "--hash", "h"), 5, "is no delivery of option")
    (desk / "empty").mkdir()
    assert_error(check(run, "empty", 1), 5, "does not hold one delivery")
    # option 3's file read as option 2
    pack(run, 3, "ESME", folder="three")
    file = next((desk / "three").glob("*.delivery"))
    ran = check(run, file, 2, "--hash", next((desk / "three").glob("*.sha256")))
    assert_error(ran, 5)


@published.needed
def test_a_published_image(run, desk):
    """The DCC's meter image: the supplier's signature is left out, a new one put in."""
    source = published.FOLDER.parent / "dcc-esme-signed.ota"
    ran = pack(run, 2, "ESME", image=source)
    assert ran.code == 0, ran.err
    assert ran.document["hash"].startswith("7542f475")
    delivered = next((desk / "out").glob("*.ota"))
    assert delivered.read_bytes()[:-66] == source.read_bytes()[:-66]
    replace = ("--replace", "--manufacturer-public-key", "manufacturer.pub.pem")
    ran = run("image", "sign", delivered, *replace, "--supplier-key", "supplier.pem", "-o", "s.ota")
    assert ran.code == 0
    assert run("image", "verify", "s.ota", "--supplier-public-key", "supplier.pub.pem").code == 0
