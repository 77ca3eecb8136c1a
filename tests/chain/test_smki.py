"""Certificates of SMKI's shape: shown, checked, and made, with OpenSSL as a witness."""

from __future__ import annotations

import base64
import datetime
import inspect
import json
import shutil
import subprocess

import published
import pytest
from command_line import assert_error
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from published import certificate

from hanboot.errors import BadFile
from hanboot.trust.smki import certificate as smki
from hanboot.trust.smki import lab, validation

NOW = datetime.datetime.now(datetime.UTC)


def test_new_test_pki(run, tmp_path):
    ran = run("smki", "new-test-pki", "pki", "--json")
    assert ran.code == 0
    made = {one["name"]: one for one in ran.document["certificates"]}
    assert len(made) == len(list((tmp_path / "pki").glob("*.key.pem"))) == 22
    for one in made.values():
        assert (tmp_path / one["private_key"]).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert made["supplier-ds.pem"]["role"] == 2
    assert made["supplier-ds.pem"]["usage"] == ["signature"]
    assert made["broker-ka.pem"]["role"] == 4
    assert made["broker-ka.pem"]["usage"] == ["agreement"]
    assert made["dsp-xml.pem"]["role"] == 0x89
    assert made["supplier-xml.pem"]["role"] == 0x87
    assert made["supplier-xml.pem"]["eui"] == made["supplier-ds.pem"]["eui"]
    assert (made["hcalcs-ds.pem"]["kind"], made["hcalcs-ds.pem"]["subject"]) == ("device", "")
    # never twice into one folder
    assert_error(run("smki", "new-test-pki", "pki"), 5, "holds something already")
    assert_error(run("smki", "new-test-pki", "not/there"), 5, "cannot make not/there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pki"]


def test_an_empty_folder_is_filled(run, tmp_path):
    (tmp_path / "pki").mkdir()
    assert run("smki", "new-test-pki", "pki").code == 0
    assert (tmp_path / "pki" / "root.pem").exists()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
@pytest.mark.parametrize(
    ("name", "issuer"),
    [("supplier-ds", "issuing"), ("dsp-xml", "issuing"), ("ppmid-ka", "issuing-devices")],
)
def test_openssl_agrees_on_the_chain(pki, name, issuer):
    # SMKI's critical extensions are not OpenSSL's
    arguments = ["-ignore_critical", "-CAfile", pki / "root.pem"]
    intermediate = ["-untrusted", pki / f"{issuer}.pem", pki / f"{name}.pem"]
    done = subprocess.run(["openssl", "verify", *arguments, *intermediate], capture_output=True)
    assert done.returncode == 0, done.stderr


@published.needed
def test_of_the_published_shape(pki):
    """What is made has every extension and every name that the published ones have."""
    for ours, theirs in (
        ("supplier-ds", "90b3d51f30010000-ds"),
        ("supplier-ka", "90b3d51f30010000-ka"),
        ("ppmid-ds", "00db1234567890a0-ds"),
        ("ppmid-ka", "00db1234567890a0-ka"),
        ("issuing", "Z1-issuing-ca"),
    ):
        one = smki.load(pki / f"{ours}.pem")
        other = smki.load(certificate(theirs))
        assert (one.kind, one.role, one.usages) == (other.kind, other.role, other.usages)
        assert one.policies == other.policies
        shapes = [
            sorted((extension.oid.dotted_string, extension.critical) for extension in each)
            for each in (one.x509.extensions, other.x509.extensions)
        ]
        assert shapes[0] == shapes[1]
        assert len(one.key_identifier) == 8
        assert one.key_identifier == one.key.kid
    # hardwareModuleName to the octet, but for the serial number
    names = [
        smki.load(path).x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        for path in (pki / "ppmid-ds.pem", certificate("00db1234567890a0-ds"))
    ]
    assert names[0].value[0].value[:-8] == names[1].value[0].value[:-8]


@published.needed
def test_show_published(run):
    ran = run("smki", "show", certificate("90b3d51f30010000-ds"), "--json")
    assert ran.document["eui"] == "90-B3-D5-1F-30-01-00-00"
    assert ran.document["role_name"] == "supplier"
    assert ran.document["common_name"] == "GITTESTSUPPLIER"
    assert ran.document["issuer"] == "CN=Z1,OU=07"
    assert ran.document["not_after"] == "2025-10-29T23:59:59Z"
    # the odd one: its role in decimal, its issuer not its own name
    ran = run("smki", "show", certificate("dsp-xml-sign-90B3D51F30000002-ds-pre-1.4.1"))
    assert ran.code == 0
    assert "0x89 (XML signing of the DSP)" in ran.out
    assert "CN=Z1,OU=07 (but self-signed)" in ran.out
    assert "writes its role as 137" in ran.err
    ran = run("smki", "show", certificate("00db1234567890a0-ka"))
    assert "00-DB-12-34-56-78-90-A0" in ran.out


@published.needed
def test_check_published(run):
    theirs = certificate("90b3d51f30010000-ds")
    chain = ("--issuer", certificate("Z1-issuing-ca"))
    ran = run("smki", "check", theirs, *chain, "--at-time", "2024-01-01", "--json")
    assert (ran.code, ran.document["passed"]) == (0, True)
    ran = run("smki", "check", theirs, *chain)
    assert ran.code == 1
    assert "expired on 2025-10-29" in ran.err
    ran = run("smki", "check", theirs, *chain, "--at-time", "2015-01-01")
    assert "is not valid before 2015-10-30" in ran.err
    # self-signed, whatever issuer it names: to be pinned
    odd = certificate("xml-sign-90B3D51F30010000-ds")
    ran = run("smki", "check", odd, *chain)
    assert ran.code == 1
    assert "signed by its own key and is not pinned" in ran.err
    assert run("smki", "check", odd, "--pinned", odd).code == 0
    device = certificate("00db1234567890a0-ds")
    assert run("smki", "check", device, *chain).code == 1
    assert run("smki", "check", device, "--pinned", device, "--usage", "signature").code == 0


def test_check(run, pki):
    supplier = pki / "supplier-ds.pem"
    trusted = ("--issuer", pki / "root.pem", "--between", pki / "issuing.pem")
    good = ("--usage", "signature", "--role", "02", "--policy", "1.2.826.0.1.8641679.1.2.1.4")
    assert run("smki", "check", supplier, *trusted, *good).code == 0
    for wrong, word in (
        (("--usage", "agreement"), "usage"),
        (("--role", "04"), "role"),
        (("--policy", "1.2.3"), "policy"),
        (("--at-time", "2010-01-01"), "validity"),
        (("--at-time", "2100-01-01T00:00:00Z"), "validity"),
    ):
        ran = run("smki", "check", supplier, *trusted, *wrong)
        assert ran.code == 1
        assert f"{word}: " in ran.err
    # the wrong authority, or one that is not trusted itself
    for missing in (
        ("--issuer", pki / "issuing-devices.pem"),
        ("--between", pki / "issuing.pem", "--between", pki / "root.pem"),
        ("--issuer", pki / "broker-ds.pem"),
        ("--pinned", pki / "supplier-ka.pem"),
        (),
    ):
        assert "chain: " in run("smki", "check", supplier, *missing).err
    assert run("smki", "check", supplier, "--role", "2").code == 2
    assert run("smki", "check", supplier, "--at-time", "yesterday").code == 2


def test_an_expired_authority(pki):
    expected = validation.Expected(NOW + datetime.timedelta(days=365 * 30))
    device = smki.load(pki / "ppmid-ds.pem")
    authorities = [smki.load(pki / "issuing-devices.pem")]
    chain, validity = validation.check(device, expected, authorities)
    assert not chain.passed
    assert chain.text.startswith("issuing-devices.pem expired on ")
    assert validity.passed


def issue(key, signer, name, issuer, **basic):
    """A certificate of an authority, or of a device where there is no `basic`."""
    subject, of = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer)
    )
    usage = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False)
    usage |= {"key_cert_sign": True} if basic else {"digital_signature": True}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(of)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if basic:
        builder = builder.add_extension(x509.BasicConstraints(**basic), critical=True)
    else:
        octets = bytes.fromhex("300d06012a0408") + bytes(8)
        eui = x509.OtherName(smki.HARDWARE_MODULE_NAME, octets)
        builder = builder.add_extension(x509.SubjectAlternativeName([eui]), critical=True)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return smki.describe(builder.sign(signer, algorithm), name)


@pytest.mark.parametrize(
    ("root", "issuing", "passed"),
    [
        ({"ca": True, "path_length": 1}, {"ca": True, "path_length": 0}, True),
        ({"ca": True, "path_length": None}, {"ca": True, "path_length": None}, True),
        # it may issue for holders alone
        ({"ca": True, "path_length": 0}, {"ca": True, "path_length": 0}, False),
        # its key is for certificates, and it is no authority
        ({"ca": True, "path_length": 1}, {"ca": False, "path_length": None}, False),
        ({"ca": False, "path_length": None}, {"ca": True, "path_length": 0}, False),
    ],
)
def test_who_may_issue(root, issuing, passed):
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    top = issue(keys[0], keys[0], "A", "A", **root)
    middle = issue(keys[1], keys[0], "B", "A", **issuing)
    holder = issue(keys[2], keys[1], "C", "B")
    found = validation.check(holder, validation.Expected(NOW), [top], [middle])
    assert found[0].passed == passed


def test_a_signature_of_another_kind(run, tmp_path):
    """A key on P-256 that an authority with Ed25519 certified: shown, and not trusted."""
    authority = ed25519.Ed25519PrivateKey.generate()
    holder = issue(ec.generate_private_key(ec.SECP256R1()), authority, "C", "B")
    file = tmp_path / "c.pem"
    file.write_bytes(holder.x509.public_bytes(serialization.Encoding.PEM))
    ran = run("smki", "show", file, "--json")
    assert (ran.code, ran.document["self_signed"]) == (0, False)
    ran = run("smki", "check", file)
    assert ran.code == 1
    assert "chain: " in ran.err


#: octets of a field in a certificate of the lab, and what an attacker or a slip makes of them
MALFORMED = {
    "a version that is none": ("a003020102", "a003020167"),
    "an issuer's name that is no text": ("06035504030c025a31", "06035504030c02ff31"),
    "an issuer's name of another kind": ("06035504030c025a31", "060355040343025a31"),
    "a name that is a bit string": ("060355042d03", "060355042e03"),
    "an extension twice": ("0603551d0e", "0603551d23"),
    "a curve that is none": ("2a8648ce3d030107", "2a8648ce3d03017f"),
}


@pytest.mark.parametrize(("right", "wrong"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_certificates(run, tmp_path, pki, right, wrong):
    """Fields are decoded late, each with its own error: none of them is an internal one."""
    octets = smki.load(pki / "supplier-ds.pem").x509.public_bytes(serialization.Encoding.DER)
    field = bytes.fromhex(right)
    assert field in octets
    file = tmp_path / "c.pem"
    text = base64.encodebytes(octets.replace(field, bytes.fromhex(wrong))).decode()
    file.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    assert_error(run("smki", "show", file), 5)
    assert_error(run("smki", "check", file, "--issuer", pki / "root.pem"), 5)
    # where a public key is wanted, too
    assert run("keys", "show", file).code in (0, 5)


def test_bad_files(run, tmp_path, pki):
    (tmp_path / "text").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("text", "empty", "missing", pki / "supplier-ds.key.pem"):
        assert_error(run("smki", "show", name), 5)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
@pytest.mark.parametrize(
    ("subject", "options", "word"),
    [
        ("/CN=x", (), "names neither an organisation nor a device"),
        ("/CN=x", ("keyUsage=",), "has no key usage"),
        ("/OU=supplier/CN=x", (), "role (OU) is 'supplier'"),
        ("/OU=999/CN=x", (), "role (OU) is '999'"),
        ("/OU=-2/CN=x", (), "role (OU) is '-2'"),
        ("/OU= 2/CN=x", (), "role (OU) is ' 2'"),
        ("/OU=02/OU=89/CN=x", (), "has 2 roles"),
        ("/CN=x", ("subjectAltName=DNS:x",), "not one hardwareModuleName"),
        ("/CN=x", ("subjectAltName=otherName:1.3.6.1.5.5.7.8.4;UTF8:x",), "holds no EUI-64"),
    ],
)
def test_certificates_of_another_shape(tmp_path, subject, options, word):
    extensions = ["keyUsage=critical,digitalSignature", *options]
    if "keyUsage=" in options:
        extensions = []
    arguments = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    arguments += [
        "-nodes",
        "-keyout",
        tmp_path / "key",
        "-out",
        tmp_path / "cert",
        "-subj",
        subject,
    ]
    for extension in extensions:
        arguments += ["-addext", extension]
    subprocess.run(arguments, check=True, capture_output=True)
    with pytest.raises(BadFile) as caught:
        smki.load(tmp_path / "cert")
    assert word in caught.value.why


def test_nothing_is_left_of_a_folder_that_fails(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lab.files, "create", full)
    with pytest.raises(BadFile):
        lab.new(tmp_path / "pki")
    assert list(tmp_path.iterdir()) == []


def test_json_of_show_is_one_document(run, pki):
    ran = run("smki", "show", pki / "root.pem", "--json")
    assert json.loads(ran.out)["kind"] == "authority"
