"""`hanboot keys` and `hanboot image`, as they are typed: output, exit codes, files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from samples import FIRST_RELEASE, RELEASE, make_release

from hanboot import cli
from hanboot.cli import image_check, output
from hanboot.image import ota_file
from hanboot.image.describe import describe
from hanboot.trust import keys

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")


@pytest.fixture
def desk(tmp_path, run):
    """A manufacturer's folder: keys, and the files of two releases."""
    for name in ("manufacturer", "supplier", "stranger"):
        assert run("keys", "new", name).exit_code == 0
    make_release(tmp_path / "1.0.0", FIRST_RELEASE)
    make_release(tmp_path / "1.1.0", RELEASE)
    return tmp_path


def check_failed(result, code, *words):
    """Three lines on stderr at the end, nothing that looks like a trace."""
    assert result.exit_code == code, result.output
    lines = result.stderr.splitlines()
    assert len(lines) >= 3
    assert [line.startswith("  ") for line in lines[-3:]] == [False, True, True]
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


def build(run, folder, output, *arguments):
    result = run(
        *("image", "build", f"{folder}/RELEASE.toml", "-o", output),
        *("--manufacturer-key", "manufacturer.pem", *arguments),
    )
    assert result.exit_code == 0, result.output
    return result


# --- the way through


def test_keys_new(run, tmp_path):
    result = run("keys", "new", "maker", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["kid"] == keys.load_public(tmp_path / "maker.pub.pem").kid.hex()
    assert (tmp_path / document["private_key"]).stat().st_mode & 0o777 == 0o600
    check_failed(run("keys", "new", "maker"), 5, "maker.pem is there already")
    check_failed(run("keys", "new", "."), 2)
    check_failed(run("keys", "new", "nowhere/maker"), 5)


def test_build_verify_sign(run, desk):
    build(run, "1.0.0", "a.ota")
    built = build(run, "1.1.0", "b.ota", "--predecessor", "a.ota", "--json")
    document = json.loads(built.stdout)
    assert document["hash"] == ota_file.load(desk / "b.ota").image_hash.hex()
    assert document["file_version_hex"] == "01010000"
    (predecessor,) = ota_file.load(desk / "b.ota").manifest.predecessors
    assert predecessor[1] == ota_file.load(desk / "a.ota").image_hash

    verify = ("image", "verify", "b.ota", "--manufacturer-public-key", "manufacturer.pub.pem")
    assert run(*verify).exit_code == 0
    check_failed(run(*verify, "--supplier-public-key", "supplier.pub.pem"), 1, "supplier-missing")

    assert run("image", "sign", "b.ota", "--supplier-key", "supplier.pem", "-o", "c.ota")
    signed = ("image", "verify", "c.ota", *verify[3:], "--supplier-public-key")
    result = run(*signed, "supplier.pub.pem", "--json")
    assert json.loads(result.stdout) == {
        "verified": True,
        "manufacturer_signature": "valid",
        "supplier_signature": "valid",
        "file_version": 0x01010000,
        "file_version_hex": "01010000",
        "hash": document["hash"],
    }
    check_failed(run(*signed, "stranger.pub.pem"), 1, "supplier-signature")

    both = ("--supplier-key", "supplier.pem", "--predecessor", "a.ota")
    build(run, "1.1.0", "d.ota", *both)
    assert len(ota_file.read(desk / "d.ota")) == len(ota_file.read(desk / "c.ota"))


def test_refusal_as_json(run, desk):
    build(run, "1.0.0", "a.ota")
    octets = bytearray(ota_file.read(desk / "a.ota"))
    octets[-1] ^= 1
    (desk / "a.ota").write_bytes(octets)
    key = ("--manufacturer-public-key", "manufacturer.pub.pem")
    result = run("image", "verify", "a.ota", *key, "--json")
    check_failed(result, 1, "a.ota does not verify: payload-hash")
    document = json.loads(result.stdout)
    assert document["reason"] == {"code": 20, "name": "payload-hash"}
    assert document["offered"]["file_version_hex"] == "01000000"
    assert set(document) == {"reason", "offered", "running", "accepts", "detail"}
    check_failed(run("image", "sign", "a.ota", "--supplier-key", "supplier.pem", "-o", "b"), 1)
    assert not (desk / "b").exists()


def test_inspect(run, desk):
    build(run, "1.1.0", "b.ota")
    result = run("image", "inspect", "b.ota", "--json")
    assert json.loads(result.stdout) == describe(ota_file.load(desk / "b.ota"))
    text = run("image", "inspect", "b.ota").stdout
    for word in ("01010000 (1.1.0.0)", "TEST-0002", "01000000 (1.0.0.0) TEST-0001", "0xFFF0"):
        assert word in text
    assert "\x1b" not in text


def test_a_manifest_cannot_move_the_cursor(run, desk):
    evil = RELEASE.replace('label = "1.1.0"', 'label = "\\u001b[2J\\u202e1.1.0"')
    evil = evil.replace("a test's image", "a \\u001b[2Jtest")
    make_release(desk / "evil", evil)
    build(run, "evil", "evil.ota")
    text = run("image", "inspect", "evil.ota").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\ufffd[2J\ufffd1.1.0" in text


def test_published_image(run, dcc):
    result = run("image", "inspect", dcc / "dcc-esme-signed.ota")
    assert result.exit_code == 0
    assert "ACDCACDC" in result.stdout
    assert "not made by hanboot" in result.stderr
    verify = ("image", "verify", dcc / "dcc-esme-signed.ota")
    supplier = ("--supplier-public-key", dcc / "dcc-supplier-cert.pem")
    result = run(*verify, *supplier)
    assert result.exit_code == 0
    assert "dcc-supplier-cert.pem has expired" in result.stderr
    result = run(*verify, *supplier, "--at-time", "2020-02-02", "--json")
    assert result.exit_code == 0
    assert "expired" not in result.stderr
    assert json.loads(result.stdout)["supplier_signature"] == "valid"
    check_failed(run(*verify, *supplier, "--at-time", "2030-02-02"), 1, "not valid on 2030")
    check_failed(run(*verify), 2, "--supplier-public-key")


# --- keys that are elsewhere


@needs_openssl
def test_signatures_by_openssl(run, desk):
    def openssl(key, signature, message):
        arguments = ("openssl", "dgst", "-sha256", "-sign", key, "-out", signature, message)
        subprocess.run(arguments, check=True, cwd=desk)

    public = ("--manufacturer-public-key", "manufacturer.pub.pem")
    result = run("image", "build", "1.0.0", "--to-sign", "m.bin", *public, "-o", "unsigned.ota")
    assert result.exit_code == 0, result.output
    verify = ("image", "verify", "--manufacturer-public-key", "manufacturer.pub.pem")
    check_failed(run(*verify, "unsigned.ota"), 1, "it is not signed yet")
    openssl("manufacturer.pem", "m.der", "m.bin")
    attach = ("image", "attach", "unsigned.ota", "--signature", "m.der", "-o", "signed.ota")
    check_failed(
        run(*attach, "--manufacturer-public-key", "stranger.pub.pem"), 1, "m.der does not match"
    )
    assert not (desk / "signed.ota").exists()
    assert run(*attach, "--manufacturer-public-key", "manufacturer.pub.pem").exit_code == 0
    assert run(*verify, "signed.ota").exit_code == 0

    assert run("image", "sign", "signed.ota", "--to-sign", "s.bin").exit_code == 0
    openssl("supplier.pem", "s.der", "s.bin")
    attach = ("image", "attach", "signed.ota", "--signature", "s.der", "-o", "both.ota")
    assert run(*attach, "--supplier-public-key", "supplier.pub.pem").exit_code == 0
    assert run(*verify, "both.ota", "--supplier-public-key", "supplier.pub.pem").exit_code == 0


def test_key_identifier_of_another_key(run, desk):
    result = run("image", "build", "1.0.0", "--to-sign", "m.bin", "--kid", "00" * 8)
    assert result.exit_code == 0
    signature = keys.load_private(desk / "manufacturer.pem").sign((desk / "m.bin").read_bytes())
    (desk / "m.sig").write_bytes(signature)
    attach = ("image", "attach", "m.bin.unsigned", "--signature", "m.sig", "-o", "signed.ota")
    result = run(*attach, "--manufacturer-public-key", "manufacturer.pub.pem")
    check_failed(result, 1, "unknown-signer")
    assert not (desk / "signed.ota").exists()


# --- where keys come from


def test_flag_before_environment_before_file(run, desk, monkeypatch):
    build(run, "1.0.0", "a.ota")
    verify = ("image", "verify", "a.ota")
    check_failed(run(*verify), 2, "'--manufacturer-public-key' or '--supplier-public-key'")
    (desk / "hanboot.toml").write_text('manufacturer_public_key = "manufacturer.pub.pem"\n')
    assert run(*verify).exit_code == 0
    monkeypatch.setenv("HANBOOT_MANUFACTURER_PUBLIC_KEY", "stranger.pub.pem")
    check_failed(run(*verify), 1, "unknown-signer")
    assert run(*verify, "--manufacturer-public-key", "manufacturer.pub.pem").exit_code == 0
    # a key that is not on the command line demands nothing
    monkeypatch.delenv("HANBOOT_MANUFACTURER_PUBLIC_KEY")
    monkeypatch.setenv("HANBOOT_SUPPLIER_PUBLIC_KEY", "supplier.pub.pem")
    assert run(*verify).exit_code == 0
    (desk / "hanboot.toml").write_text('manufacturer_public_kee = "manufacturer.pub.pem"\n')
    check_failed(run(*verify), 5, "hanboot.toml", "did you mean manufacturer_public_key?")


def test_passphrase(run, desk):
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key((desk / "manufacturer.pem").read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    (desk / "manufacturer.pem").write_bytes(encrypted)
    (desk / "passphrase").write_text("open sesame\n")
    build(run, "1.0.0", "a.ota", "--passphrase-file", "passphrase")
    command = ("image", "build", "1.0.0", "-o", "b", "--manufacturer-key", "manufacturer.pem")
    check_failed(run(*command), 5, "manufacturer.pem is encrypted")
    (desk / "passphrase").write_text("guess\n")
    check_failed(run(*command, "--passphrase-file", "passphrase"), 5, "passphrase is wrong")
    (desk / "passphrase").write_text("")
    check_failed(run(*command, "--passphrase-file", "passphrase"), 5, "is empty")
    assert not (desk / "b").exists()


# --- wrong usage, bad files


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["--bogus"],
        ["image", "bogus"],
        ["image", "inspect"],
        ["image", "inspect", "a", "b"],
        ["image", "build", "1.0.0"],
        ["image", "build", "1.0.0", "-o", "x"],
        ["image", "build", "1.0.0", "--manufacturer-key", "manufacturer.pem"],
        ["image", "build", "1.0.0", "-o", "x", "--manufacturer-key", "m", "--kid", "00" * 8],
        ["image", "build", "1.0.0", "--to-sign", "x"],
        ["image", "build", "1.0.0", "--to-sign", "x", "--kid", "xx"],
        ["image", "build", "1.0.0", "--to-sign", "x", "--kid", "00" * 7],
        ["image", "build", "1.0.0", "--to-sign", "x", "--kid", "00" * 8, "--supplier-key", "s"],
        ["image", "verify", "a", "--at-time", "yesterday", "--manufacturer-public-key", "m"],
        ["image", "attach", "a", "--signature", "s", "-o", "x"],
        ["image", "sign", "manufacturer.pem"],
    ],
)
def test_wrong_usage(run, desk, arguments):
    (desk / "a").write_bytes(b"")
    if arguments == ["image", "sign", "manufacturer.pem"]:
        build(run, "1.0.0", "manufacturer.ota")
        arguments = ["image", "sign", "manufacturer.ota"]
    check_failed(run(*arguments), 2, "--help tells more")
    assert not (desk / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["image", "inspect", "nothing"], ["cannot read nothing", "no such file"]),
        (["image", "inspect", "."], ["cannot read .", "is a directory"]),
        (["image", "inspect", "manufacturer.pem"], ["octet 0, OTA upgrade file identifier"]),
        (["image", "verify", "nothing", "--supplier-public-key", "s"], ["cannot read nothing"]),
        (["image", "build", "nothing", "-o", "x"], ["nothing"]),
        (["image", "build", "1.0.0", "-o", "nowhere/x"], ["cannot write nowhere/x"]),
        (["image", "build", "1.0.0", "-o", "."], ["cannot write ."]),
        (["image", "build", "manufacturer.pem", "-o", "x"], ["at line 1, column"]),
        (["image", "build", "1.0.0", "-o", "x", "--predecessor", "nothing"], ["nothing"]),
        (
            ["image", "build", "1.0.0", "-o", "x", "--supplier-key", "stranger.pub.pem"],
            ["private"],
        ),
    ],
)
def test_bad_files(run, desk, monkeypatch, arguments, words):
    monkeypatch.setenv("HANBOOT_MANUFACTURER_KEY", "manufacturer.pem")
    check_failed(run(*arguments), 5, *words)
    assert not (desk / "x").exists()
    assert not list(desk.rglob(".hanboot-*"))


def test_help_and_version(run):
    for arguments in (["--help"], ["image", "--help"], ["image", "build", "-h"], ["--version"]):
        result = run(*arguments)
        assert result.exit_code == 0
        assert not result.stderr
    # every command can be imported
    assert all(name in run("--help").stdout for name in cli.COMMANDS)
    assert run().exit_code == 2
    assert run("image").exit_code == 2


def test_a_fault_of_our_own(run, desk, monkeypatch):
    build(run, "1.0.0", "a.ota")

    def fail(image):
        raise RuntimeError("a\nb")

    monkeypatch.setattr(image_check, "describe", fail)
    result = run("image", "inspect", "a.ota")
    check_failed(result, 70, "internal error", "RuntimeError: a b", "--debug")
    result = run("--debug", "image", "inspect", "a.ota")
    assert isinstance(result.exception, RuntimeError)


def test_interrupted(run, monkeypatch):
    def interrupt(source, layout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(ota_file, "load", interrupt)
    result = run("image", "inspect", "a.ota")
    assert result.exit_code == 130
    assert result.stderr.strip() == "stopped"


def test_progress_where_nobody_watches(capsys):
    with output.progress(output.Out(False), "image.ota", 4000) as advance:
        for done in range(0, 4001, 10):
            advance(done, 4000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "image.ota: 4000 of 4000 octets"


def test_start_is_not_slowed_by_what_is_not_needed():
    code = "import sys, hanboot.cli; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"rich", "cryptography", "serial"} & set(result.stdout.split())


def test_asking_a_device_loads_neither_images_nor_what_runs_on_it():
    code = "import sys, hanboot.cli.device, hanboot.cli.connection; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(result.stdout.split())
    assert "hanboot.device.client" in loaded, result.stderr
    served = {"device", "install", "store.ledger", "link.groups.hanboot", "link.groups.image"}
    assert not {f"hanbootloader.{name}" for name in served} & loaded
    assert not {"hanboot.image.ota_file", "rich", "cryptography", "getpass"} & loaded
