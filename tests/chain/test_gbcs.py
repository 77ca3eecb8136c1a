"""`hanboot gbcs`: published messages, every changed bit of them, and messages made here."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess

import published
import pytest
from command_line import assert_error
from cryptography.hazmat.primitives import serialization
from published import GBCS, THEN, certificate

from hanboot.errors import BadFile
from hanboot.gbcs import codec, document, host_use_cases, protection
from hanboot.gbcs.protection import Secret
from hanboot.trust import keys
from hanboot.trust.smki import certificate as smki
from hanbootloader.han.gbcs import message
from hanbootloader.reasons import Refused
from hanbootloader.trust import private_key

SUPPLIER, DEVICE = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"

CS06 = "CS06_11.3_IMMEDIATE_SUCCESS_COMMAND_GBCS"
#: message, its signer, where its MAC was computed step by step
MESSAGES = [
    (CS06, "90b3d51f30010000-ds", "CS06_IMMEDIATE_SUCCESS"),
    ("CS06_11.3_IMMEDIATE_SUCCESS_RESPONSE_GBCS", "00db1234567890a0-ds", None),
    ("FDRA-DLMS_NA_8F72_ALERT_GBCS", "00db1234567890a0-ds", None),
    ("ECS52_11.2_SUCCESS_COMMAND_GBCS", None, "ECS52_COMMAND"),
    ("ECS52_11.2_SUCCESS_RESPONSE_GBCS", None, "ECS52_RESPONSE"),
]
each_message = pytest.mark.parametrize(("name", "signer", "answers"), MESSAGES)


def shared_secret(answers):
    known = json.loads((GBCS / f"{answers}.kat.json").read_text())
    return bytes.fromhex(known["Z_x_coordinate"])


def arguments(signer, answers):
    found = []
    if signer:
        found += ["--certificate", certificate(signer)]
    if answers:
        found += ["--shared-secret", shared_secret(answers).hex()]
    return found


# --- what is published


@published.needed
def test_show(run):
    ran = run("gbcs", "show", GBCS / f"{CS06}.HEX", "--json")
    shown = ran.document
    assert (shown["use_case"], shown["message_code"], shown["kind"]) == ("CS06", "0012", "command")
    assert (shown["originator"], shown["recipient"]) == (SUPPLIER, DEVICE)
    assert (shown["counter"], shown["payload"]["counter"]) == (1000, 1000)
    assert shown["payload"]["image_hash"].startswith("aa758690")
    assert shown["mac"] == "9f872c379f4fe0e370440625"
    assert shown["form"] == "final"
    text = run("gbcs", "show", GBCS / f"{CS06}.HEX").out
    for word in ("CS06 command", SUPPLIER, DEVICE, "aa758690", shown["mac"]):
        assert word in text
    forms = {}
    for name, kind, use_case in (
        ("CS06_11.3_IMMEDIATE_SUCCESS_PRECOMMAND_GBCS", "command", "CS06"),
        ("CS06_11.3_IMMEDIATE_SUCCESS_RESPONSE_GBCS", "response", "CS06"),
        ("ECS52_11.2_SUCCESS_RESPONSE_GBCS", "response", "ECS52"),
        ("FDRA-DLMS_NA_8F72_ALERT_GBCS", "alert", "FDRA"),
    ):
        forms[name] = run("gbcs", "show", GBCS / f"{name}.HEX", "--json").document
        assert (forms[name]["kind"], forms[name]["use_case"]) == (kind, use_case)
    precommand, response, version, receipt = forms.values()
    assert precommand["form"].startswith("pre-command")
    assert response["payload"] == {
        "response_code": 0,
        "response": "success",
        "version": "0123ABCE",
    }
    assert version["payload"]["version"] == "0123ABCD"
    assert receipt["payload"]["alert_code"] == "8F72"


@published.needed
@each_message
def test_verify(run, name, signer, answers):
    file = GBCS / f"{name}.HEX"
    ran = run(
        "gbcs", "verify", file, *arguments(signer, answers), "--at-time", "2024-01-01", "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.document["verified"] is True
    assert ran.document["signature"] == ("verified" if signer else "none")
    assert ran.document["mac"] == ("verified" if answers else "none")
    assert ran.document["warnings"] == []


@published.needed
@each_message
def test_every_changed_bit(name, signer, answers):
    octets = codec.read(GBCS / f"{name}.HEX")
    held = [smki.load(certificate(signer))] if signer else []
    secrets = [None] if not answers else [Secret(shared=shared_secret(answers))]
    if signer and answers:
        # the signature alone, as the supplier's side sees it: all but the MAC and what is around
        secrets.append(None)
    for secret in secrets:
        accepted = []
        for bit in range(8 * len(octets)):
            changed = bytearray(octets)
            changed[bit >> 3] ^= 0x80 >> (bit & 7)
            try:
                decoded = codec.decode(bytes(changed))
            except BadFile:
                continue
            if not protection.verify(decoded, held, secret, THEN).failures:
                accepted.append(bit)
        mac_bits = (
            [] if secret or not answers else list(range(8 * (len(octets) - 12), 8 * len(octets)))
        )
        assert accepted == mac_bits


@published.needed
@each_message
def test_encoded_to_the_same(name, signer, answers):
    octets = codec.read(GBCS / f"{name}.HEX")
    decoded = codec.decode(octets)
    assert decoded.message.encode() == octets
    again = document.from_document(document.to_document(decoded), name)
    again.message.signature, again.message.mac = decoded.message.signature, decoded.message.mac
    assert again.message.encode() == octets


@published.needed
def test_nothing_published_is_left_out():
    """The pre-command has no protection that a changed bit could break: it is what is signed."""
    there = {file.stem for file in GBCS.glob("*.HEX")}
    precommand = "CS06_11.3_IMMEDIATE_SUCCESS_PRECOMMAND_GBCS"
    assert there == {name for name, _, _ in MESSAGES} | {precommand}
    octets = codec.read(GBCS / f"{precommand}.HEX")
    decoded = codec.decode(octets)
    assert decoded.message.encode() == octets
    final = codec.decode(codec.read(GBCS / f"{CS06}.HEX"))
    assert decoded.message.signed_octets() == final.message.signed_octets()


@published.needed
def test_what_is_not_checked_is_reported(run):
    file = GBCS / f"{CS06}.HEX"
    signer = ("--certificate", certificate("90b3d51f30010000-ds"))
    ran = run("gbcs", "verify", file, *signer, "--json")
    assert ran.code == 0
    assert (ran.document["signature"], ran.document["mac"]) == ("verified", "not checked")
    # a warning while no time is asked for, a failure when one is
    assert "expired on 2025-10-29" in ran.err
    ran = run("gbcs", "verify", file, *signer, "--at-time", "2026-01-01")
    assert ran.code == 1
    assert "expired on 2025-10-29" in ran.err
    # nothing but a MAC, and no key
    ran = run("gbcs", "verify", GBCS / "ECS52_11.2_SUCCESS_COMMAND_GBCS.HEX", *signer)
    assert ran.code == 1
    assert "a MAC is all that protects this message" in ran.err
    # a certificate, but not the originator's; none; one that is for key agreement
    for wrong in ("90b3d51f30000002-ds", None, "90b3d51f30010000-ka"):
        more = ("--certificate", certificate(wrong)) if wrong else ()
        ran = run("gbcs", "verify", file, *more)
        assert ran.code == 1
        assert "the originator is 90-B3-D5-1F-30-01-00-00" in ran.err
    # neither signed nor MACed
    ran = run("gbcs", "verify", GBCS / "CS06_11.3_IMMEDIATE_SUCCESS_PRECOMMAND_GBCS.HEX", *signer)
    assert ran.code == 1
    ran = run("gbcs", "verify", GBCS / f"{CS06}.HEX", *signer, "--shared-secret", "00" * 32)
    assert ran.code == 1
    assert "the MAC is not the one of this secret" in ran.err


# --- files


@published.needed
def test_forms_of_a_file(run, tmp_path):
    octets = codec.read(GBCS / f"{CS06}.HEX")
    (tmp_path / "octets").write_bytes(octets)
    spaced = "\n".join(octets.hex(" ")[at : at + 48] for at in range(0, 3 * len(octets), 48))
    (tmp_path / "lower").write_text(spaced + "\n")
    shown = [run("gbcs", "show", name, "--json").document for name in ("octets", "lower")]
    assert shown[0] == shown[1]


def test_no_messages(run, tmp_path):
    cases = {
        "empty": b"",
        "odd": b"DD0",
        "text": b"this is no message",
        "zeros": bytes(100),
        "long": b"\xdf" * 2000,
    }
    for name, octets in cases.items():
        (tmp_path / name).write_bytes(octets)
        for command in ("show", "verify"):
            assert_error(run("gbcs", command, name), 5)
    assert_error(run("gbcs", "show", "missing"), 5)


def test_another_use_case(run, tmp_path):
    sent = message.Message(1, 0x0101, 1, bytes(8), bytes(8), b"\x05\x00", signature=b"")
    (tmp_path / "m").write_bytes(sent.encode())
    assert_error(run("gbcs", "show", "m"), 5, "message code 0x0101 as a command")


# --- what is made here


def described(use_case, kind, payload, originator=SUPPLIER, recipient=DEVICE, **more):
    return {
        "use_case": use_case,
        "kind": kind,
        "originator": originator,
        "recipient": recipient,
        "counter": 1001,
        "payload": payload,
        **more,
    }


TIME = "2026-03-01T10:00:00Z"
OUTCOME = {"response_code": 3, "version": "0123ABCF"}
DATE_TIME = "07df0101ff000000008000ff"
#: document, payload as it goes out
MADE = [
    (
        described(
            "CS06",
            "command",
            {"image_hash": "11" * 32, "counter": 1001, "execution_time": document.CANCELLED},
        ),
        "30370420" + "11" * 32 + "020203e9" + "180f" + b"99991231235959Z".hex(),
    ),
    (described("CS06", "response", {}), "0500"),
    (
        described(
            "CS06",
            "alert",
            {"alert_code": "8F66", "time": TIME, "counter": 1001, "outcome": OUTCOME},
        ),
        "30250203008f66180f" + b"20260301100000Z".hex() + "020203e93009020103" + "04040123abcf",
    ),
    (described("CS08", "command", {}), "0500"),
    (
        described("CS08", "response", {"version": "0C230000", "response_code": 1}),
        "300904040c230000020101",
    ),
    (
        described(
            "CS09",
            "alert",
            {"alert_code": "8F8B", "time": TIME, "version": "01020000", "response_code": 0},
        ),
        "301f0203008f8b180f" + b"20260301100000Z".hex() + "040401020000020100",
    ),
    (
        described(
            "CCS08",
            "alert",
            {
                "alert_code": "8F8A",
                "time": TIME,
                "target": DEVICE,
                "version": "01020000",
                "response_code": 3,
            },
        ),
        "30290203008f8a180f" + b"20260301100000Z".hex() + "040800db1234567890a0"
        "040401020000020103",
    ),
    (
        described("ECS52", "command", {"invocation": 1000}),
        "d9200003e8000101" "00010000000201ff02" "0100",
    ),
    (
        described("ECS52", "response", {"invocation": 1000, "version": None}),
        "da200003e800000100010101",
    ),
    (described("GCS38", "command", {}), "010901010702000500000006" "02"),
    (
        described("GCS38", "response", {"version": "0123ABCD"}),
        "010901010702000c08000106020041040123abcd",
    ),
    (
        described("GCS38", "response", {"version": None}),
        "0109010107020006080001" "0602c0",
    ),
    (
        described(
            "FDRA",
            "alert",
            {"alert_code": "8F1C", "seconds": "2000-01-01T00:01:00Z", "image_hash": "22" * 32},
            message_code="00CF",
        ),
        "0109018f1c0000003c0920" + "22" * 32,
    ),
    (
        described(
            "Generic Critical Alert",
            "alert",
            {"invocation": 1001, "alert_code": "8F1B", "date_time": DATE_TIME},
        ),
        "0f200003e9000202128f1b090c" + DATE_TIME,
    ),
    (
        described(
            "Generic Non-Critical Alert",
            "alert",
            {"alert_code": "81AD", "seconds": "2000-01-01T00:00:01Z"},
        ),
        "01090081ad00000001",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("made", "payload"), MADE)
def test_documents_both_ways(made, payload):
    decoded = document.from_document(made, "m")
    assert decoded.message.payload.hex() == payload
    octets = decoded.message.encode()
    again = document.to_document(codec.decode(octets))
    for key, value in made.items():
        if key != "payload":
            assert again[key] == value, key
    for key, value in made["payload"].items():
        if isinstance(value, dict):
            assert again["payload"][key].items() >= value.items()
        else:
            assert again["payload"][key] == value, key


def test_payloads_have_one_encoding():
    """A host-side payload with any octet changed is refused, or is another value's own encoding."""
    for made, _ in MADE:
        decoded = document.from_document(made, "m")
        payload = bytes(decoded.message.payload)
        wrongs = [payload[:length] for length in range(len(payload))] + [payload + b"\0"]
        for at in range(len(payload)):
            for change in (1, 0x10, 0x80, 0xFF):
                changed = bytearray(payload)
                changed[at] ^= change
                wrongs.append(bytes(changed))
        for wrong in wrongs:
            decoded.message.payload = wrong
            try:
                values = decoded.use_case.decode(decoded.message)
            except Refused:
                continue
            assert decoded.use_case.encode(values) == wrong


def test_every_use_case_is_made_once():
    made = {(document.from_document(each, "m").use_case.code, each["kind"]) for each, _ in MADE} | {
        (0x00CE, "alert")
    }
    assert made == {(one.code, codec.KINDS[one.kind]) for one in host_use_cases.ALL}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"use_case": "CS07"}, "there is no command of CS07"),
        ({"kind": "alert", "message_code": "0012"}, "there is no alert of CS06"),
        ({"originator": "90-B3"}, "has 2 octets"),
        ({"counter": -1}, "is no counter"),
        ({"counter": True}, "is no counter"),
        ({"payload": {"counter": 1}}, ""),
        ({"payload": {"image_hash": "11" * 31, "counter": 1}}, ""),
        ({"payload": {"image_hash": "xx", "counter": 1}}, ""),
        ({"payload": None}, ""),
        ({"date_time": "00"}, "date_time has 12 octets"),
    ],
)
def test_bad_documents(run, tmp_path, change, word):
    good = described("CS06", "command", {"image_hash": "11" * 32, "counter": 1001})
    (tmp_path / "m.json").write_text(json.dumps({**good, **change}))
    assert_error(run("gbcs", "sign", "m.json", "--to-sign", "g"), 5, word)
    assert not (tmp_path / "g").exists()


def test_sign_and_verify(run, tmp_path, pki):
    made = described(
        "CS06", "command", {"image_hash": "11" * 32, "counter": 1001, "execution_time": TIME}
    )
    (tmp_path / "m.json").write_text(json.dumps(made))
    ran = run(
        "gbcs", "sign", "m.json", "--signing-key", pki / "supplier-ds.key.pem", "-o", "signed"
    )
    assert ran.code == 0, ran.err
    # a signed pre-command verifies, and says what it lacks
    signer = ("--certificate", pki / "supplier-ds.pem")
    ran = run("gbcs", "verify", "signed", *signer, "--json")
    assert ran.code == 0
    assert ran.document["mac"] == "none"
    assert "signed pre-command" in ran.document["warnings"][0]
    # the broker adds the MAC
    broker = ("--key-agreement-key", pki / "broker-ka.key.pem")
    device = ("--certificate", pki / "esme-ka.pem")
    assert run("gbcs", "sign", "signed", *broker, *device, "-o", "final", "--binary").code == 0
    # the broker's side, and the device's
    for secret in (
        (*broker, *device),
        ("--key-agreement-key", pki / "esme-ka.key.pem", "--certificate", pki / "broker-ka.pem"),
    ):
        ran = run("gbcs", "verify", "final", *signer, *secret, "--json")
        assert (ran.code, ran.document["mac"]) == (0, "verified"), ran.err
    # another device's key; no certificate for the key
    wrong = (
        "--key-agreement-key",
        pki / "hcalcs-ka.key.pem",
        "--certificate",
        pki / "broker-ka.pem",
    )
    assert run("gbcs", "verify", "final", *signer, *wrong).code == 1
    assert run("gbcs", "verify", "final", *signer, *broker).code == 2
    # nothing is signed twice
    key = ("--signing-key", pki / "supplier-ds.key.pem")
    for name in ("signed", "final"):
        assert_error(run("gbcs", "sign", name, *key), 1, "protected already")
    assert_error(run("gbcs", "sign", "final", *broker, *device), 1, "has a MAC already")
    assert_error(run("gbcs", "sign", "m.json", *broker, *device), 1, "not signed yet")
    assert run("gbcs", "sign", "m.json").code == 2
    assert run("gbcs", "sign", "m.json", *key, "--binary").code == 2


def test_roles(run, tmp_path, pki):
    """A valid signature by a party that may not send such a message."""
    made = described(
        "CS06",
        "command",
        {"image_hash": "11" * 32, "counter": 1001},
        originator="90-B3-D5-1F-30-00-00-02",
    )
    (tmp_path / "broker.json").write_text(json.dumps(made))
    run("gbcs", "sign", "broker.json", "--signing-key", pki / "broker-ds.key.pem", "-o", "broker")
    ran = run("gbcs", "verify", "broker", "--certificate", pki / "broker-ds.pem")
    assert ran.code == 1
    assert "a CS06 command is a supplier's" in ran.err
    response = described("CS06", "response", OUTCOME)
    (tmp_path / "r.json").write_text(json.dumps(response))
    run("gbcs", "sign", "r.json", "--signing-key", pki / "supplier-ds.key.pem", "-o", "r")
    ran = run("gbcs", "verify", "r", "--certificate", pki / "supplier-ds.pem")
    assert ran.code == 1
    assert "a device signs this" in ran.err
    # two counters
    made["payload"]["counter"] = 1000
    made["originator"] = SUPPLIER
    (tmp_path / "m.json").write_text(json.dumps(made))
    run("gbcs", "sign", "m.json", "--signing-key", pki / "supplier-ds.key.pem", "-o", "m")
    ran = run("gbcs", "verify", "m", "--certificate", pki / "supplier-ds.pem")
    assert ran.code == 1
    assert "the payload has the counter 1000, the header 1001" in ran.err


def test_a_message_with_a_mac_alone(run, tmp_path, pki):
    made = described("CS08", "response", {"version": "01020000", "response_code": 0},
                     originator="00-DB-12-34-56-78-90-A4", recipient="90-B3-D5-1F-30-00-00-02",
                     remote_party=SUPPLIER, remote_counter=7)  # fmt: skip
    (tmp_path / "m.json").write_text(json.dumps(made))
    device = (
        "--key-agreement-key",
        pki / "ppmid-ka.key.pem",
        "--certificate",
        pki / "broker-ka.pem",
    )
    assert run("gbcs", "sign", "m.json", *device, "-o", "m").code == 0
    broker = (
        "--key-agreement-key",
        pki / "broker-ka.key.pem",
        "--certificate",
        pki / "ppmid-ka.pem",
    )
    assert run("gbcs", "verify", "m", *broker).code == 0
    shown = run("gbcs", "show", "m", "--json").document
    assert (shown["remote_party"], shown["remote_counter"]) == (SUPPLIER, 7)
    assert_error(
        run("gbcs", "sign", "m.json", "--signing-key", pki / "ppmid-ds.key.pem"),
        1,
        "not to be signed",
    )


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_signed_elsewhere(run, tmp_path, pki):
    made = described("CS06", "command", {"image_hash": "11" * 32, "counter": 1001})
    (tmp_path / "m.json").write_text(json.dumps(made))
    assert run("gbcs", "sign", "m.json", "--to-sign", "g").code == 0
    for key, name in (("supplier", "good"), ("broker", "bad")):
        subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", pki / f"{key}-ds.key.pem", "-out", name, "g"],
            check=True,
            cwd=tmp_path,
        )
    signer = ("--certificate", pki / "supplier-ds.pem")
    assert run("gbcs", "sign", "m.json", "--signature", "good", *signer, "-o", "signed").code == 0
    assert run("gbcs", "verify", "signed", *signer).code == 0
    assert_error(run("gbcs", "sign", "m.json", "--signature", "bad", *signer), 1)
    assert run("gbcs", "sign", "m.json", "--signature", "good").code == 2


def test_secrets_from_a_file(run, tmp_path, pki):
    made = described("CS08", "command", {})
    (tmp_path / "m.json").write_text(json.dumps(made))
    (tmp_path / "z").write_text("ab" * 32 + "\n")
    assert run("gbcs", "sign", "m.json", "--shared-secret", "@z", "-o", "m").code == 0
    assert run("gbcs", "verify", "m", "--shared-secret", "ab" * 32).code == 0
    assert run("gbcs", "verify", "m", "--shared-secret", "ab" * 31).code == 2
    assert run("gbcs", "verify", "m", "--shared-secret", "@missing").code == 5


def test_device_and_host_agree(pki):
    """The device's private-key arithmetic and OpenSSL's give one signature and one secret."""
    loaded = keys.load_private(pki / "hcalcs-ds.key.pem")
    octets = serialization.load_pem_private_key(loaded.pem(), None).private_numbers()
    scalar = octets.private_value.to_bytes(32, "big")
    assert private_key.public_key(scalar) == loaded.public.point
    digest = hashlib.sha256(b"message").digest()
    signature = private_key.sign(scalar, loaded.public.point, digest)
    assert loaded.public.is_signature(b"message", signature)
    peer = keys.load_private(pki / "broker-ka.key.pem")
    assert private_key.agree(scalar, peer.public.point) == peer.agree(loaded.public)
