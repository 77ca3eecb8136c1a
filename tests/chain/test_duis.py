"""DUIS documents: published ones, and those that are made here, on the command line."""

from __future__ import annotations

import base64
import datetime
import json
import sys

import published
import pytest
from command_line import assert_error
from published import DUIS, SCHEMAS, SYNTHETIC, certificate

from hanboot.duis import (
    building,
    describe,
    names,
    parsing,
    precommand,
    requests,
    responses,
    signature,
)
from hanboot.duis.identifiers import RequestID
from hanboot.duis.schema import DuisSchema
from hanboot.errors import BadFile, CheckFailed, WrongUsage
from hanboot.gbcs import document
from hanboot.image import ota_file
from hanboot.trust import keys
from hanbootloader.han.gbcs import message
from hanbootloader.image import ota, writer

SUPPLIER, BROKER = "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-00-00-02"
PPMID, HCALCS = "00-DB-12-34-56-78-90-A4", "00-DB-12-34-56-78-90-A6"
AT = datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.UTC)
ASKED = RequestID.parse(f"{SUPPLIER}:{HCALCS}:1000")

USER, DSP = "xml-sign-90B3D51F30010000-ds", "dsp-xml-sign-90B3D51F30000002-ds-pre-1.4.1"
#: file, whose signature it carries
SIGNED = {
    DUIS / "11.2_response_signed_2022.xml": DSP,
    DUIS / "request_signed_acb_sample.xml": "90b3d51f30000002-ds",
    SYNTHETIC / "11.1_request_signed.xml": USER,
    SYNTHETIC / "11.3_request_signed.xml": USER,
    SYNTHETIC / "11.3_signed_precommand_request_cv5.xml": USER,
    SYNTHETIC / "11.1_response_I0.xml": DSP,
    SYNTHETIC / "11.1_response_W110101.xml": DSP,
    SYNTHETIC / "11.3_response_precommand.xml": DSP,
    SYNTHETIC / "11.3_response_service.xml": DSP,
    SYNTHETIC / "11.4_response_W110401.xml": DSP,
    SYNTHETIC / "11.x_acknowledgement_I99.xml": DSP,
    SYNTHETIC / "DCCAlert_N60_CSPFirmwareDeliveryStatus.xml": DSP,
    SYNTHETIC / "DeviceAlert_8F72_ESME.xml": DSP,
}


@pytest.fixture(scope="module")
def schema():
    if not SCHEMAS.exists():
        pytest.skip("the schemas are not here")
    return DuisSchema(SCHEMAS)


# --- what is published


@published.needed
@pytest.mark.parametrize(
    ("file", "signer"), SIGNED.items(), ids=lambda value: getattr(value, "name", "")
)
def test_verify_published(run, file, signer):
    certificates = ("--certificate", certificate(USER), "--certificate", certificate(signer))
    arguments = (*certificates, "--at-time", "2024-01-01", "--schema", SCHEMAS)
    ran = run("duis", "verify", file, *arguments, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["signer"]["name"] == f"{signer}.pem"
    assert ran.document["schema"] == "valid"
    # a key for messages is said to be one
    assert bool(ran.document["warnings"]) is (signer == "90b3d51f30000002-ds")


@published.needed
def test_the_names_cover_the_folder():
    unsigned = {file for file in DUIS.iterdir() if file.suffix == ".XML"}
    unsigned.add(DUIS / "11.2_response_E65_unsigned.xml")
    assert {*DUIS.iterdir(), *SYNTHETIC.iterdir()} == {*SIGNED, *unsigned}


@published.needed
def test_placeholders_and_no_signature(run):
    for file in DUIS.iterdir():
        if file in SIGNED:
            continue
        ran = run("duis", "verify", file, "--certificate", certificate(USER))
        assert_error(ran, 1, "signature is refused")


@published.needed
def test_an_expired_certificate(run):
    file = DUIS / "request_signed_acb_sample.xml"
    signer = ("--certificate", certificate("90b3d51f30000002-ds"))
    ran = run("duis", "verify", file, *signer)
    assert ran.code == 0
    assert "expired on 2025-10-29" in ran.err
    ran = run("duis", "verify", file, *signer, "--at-time", "2026-01-01")
    assert_error(ran, 1, "expired on 2025-10-29")


@published.needed
def test_show_published(run):
    shown = run("duis", "show", SYNTHETIC / "11.1_request_signed.xml", "--json").document
    assert (shown["document"], shown["kind"]) == ("request", "UpdateFirmware")
    assert (shown["service"], shown["command_variant"]) == ("Update Firmware", 8)
    assert shown["request_id"]["counter"] == 1000
    assert shown["body"]["firmware_image"]["hash"].startswith("7542f475")
    assert shown["body"]["device_id_list"] == ["00-DB-12-34-56-78-90-A0"]
    shown = run("duis", "show", DUIS / "11.2_response_signed_2022.xml", "--json").document
    message = shown["body"]["gbcs_payload"]
    assert (message["use_case"], message["payload"]["version"]) == ("ECS52", "0C230000")
    assert message["remote_party"] == SUPPLIER
    assert message["remote_counter"] == shown["request_id"]["counter"]
    shown = run("duis", "show", DUIS / "11.2_response_E65_unsigned.xml", "--json").document
    assert (shown["response_code"], shown["signature"]) == ("E65", None)
    assert "no public source" in shown["response"]
    for file in (*DUIS.iterdir(), *SYNTHETIC.iterdir()):
        ran = run("duis", "show", file)
        assert ran.code == 0, ran.err
        assert len(ran.out) < 3000


# --- what is made here


@pytest.fixture
def image(tmp_path, run):
    """(unsigned, signed): images that are not ours."""
    run("keys", "new", "supplier")
    payload = b"an image" * 40
    header = ota.Header(0xFFF0, 5, 0x01020000, ota.HEADER_BYTES + len(payload), (0x0100, 0x01FF))
    (tmp_path / "plain.ota").write_bytes(writer.encode_header(header) + payload)
    run("image", "sign", "plain.ota", "--supplier-key", "supplier.pem", "-o", "signed.ota")
    return tmp_path / "plain.ota", tmp_path / "signed.ota"


def made(tmp_path):
    """Arguments of every request, and its body element."""
    both = ("--originator", SUPPLIER, "--counter", "1000")
    to_dcc = (*both, "--target", BROKER)
    to_device = (*both, "--device", HCALCS)
    digest = ("--hash", "ab" * 32)
    return [
        (("8.2", *to_dcc, "--device", PPMID), "ReadInventory"),
        (("8.2", *to_dcc, "--mpxn", "1234567890123"), "ReadInventory"),
        (("8.2", *to_dcc, "--uprn", "100"), "ReadInventory"),
        (("11.1", *to_dcc, "--image", "signed.ota", "--device", HCALCS), "UpdateFirmware"),
        (
            ("11.4", *to_dcc, "--image", "plain.ota", "--device", PPMID, "--devices", "list"),
            "UpdatePPMIDFirmware",
        ),
        (("11.2", *to_device), "ReadFirmwareVersion"),
        (("11.2", *to_device, "--command-variant", "3"), "ReadFirmwareVersion"),
        (("11.2", *to_device, "--execution-time", "2026-03-01"), "ReadFirmwareVersion"),
        (("11.3", *to_device, *digest), "ActivateFirmware"),
        (("11.3", *to_device, "--image", "plain.ota", "--cancel"), "ActivateFirmware"),
        (
            ("11.3", *to_device, *digest, "--execution-time", "2026-03-01T10:00:00Z"),
            "ActivateFirmware",
        ),
    ]


@published.needed
def test_requests(run, tmp_path, pki, image):
    (tmp_path / "list").write_text(
        "00DB1234567890A7\n00-DB-12-34-56-78-90-A8,00-db-12-34-56-78-90-a9"
    )
    key = ("--signing-key", pki / "supplier-xml.key.pem")
    signer = ("--certificate", pki / "supplier-xml.pem")
    for arguments, kind in made(tmp_path):
        assert run("duis", "request", *arguments, "-o", "r.xml").code == 0
        # the root declares what it uses and nothing else
        assert (tmp_path / "r.xml").read_text().count("xmlns") == 1
        assert run("duis", "sign", "r.xml", *key, *signer, "-o", "s.xml").code == 0
        ran = run("duis", "verify", "s.xml", *signer, "--schema", SCHEMAS, "--json")
        assert ran.code == 0, (arguments, ran.err)
        assert ran.document["kind"] == kind
        # no newline at the end, and none between: what is shown is what is signed
        shown = run("duis", "show", "s.xml", "--json").document
        assert shown["service_reference"] == arguments[0]
    assert run("duis", "request", *made(tmp_path)[0][0]).out.startswith("<?xml")


@published.needed
def test_templates_are_signed_anew(run, tmp_path, pki):
    """The DCC's templates, whose signatures are placeholders, go through with ours."""
    key = ("--signing-key", pki / "supplier-xml.key.pem")
    signer = ("--certificate", pki / "supplier-xml.pem")
    templates = [file for file in DUIS.iterdir() if file.suffix == ".XML"]
    assert len(templates) == 5
    for file in templates:
        assert_error(run("duis", "sign", file, *key, *signer), 1, "signed already")
        ran = run("duis", "sign", file, *key, *signer, "--replace", "-o", "s.xml")
        if file.name.startswith("CS08"):
            # it names the broker as originator
            assert_error(ran, 1, "the signer is 90-B3-D5-1F-30-01-00-00")
            continue
        assert ran.code == 0, ran.err
        assert run("duis", "verify", "s.xml", *signer, "--schema", SCHEMAS).code == 0


def test_bad_requests(run, tmp_path, image):
    def fails(code, *arguments, word=""):
        ran = run("duis", "request", *arguments)
        assert ran.code == code, (arguments, ran.err)
        assert word in ran.err

    to_dcc = ("--originator", SUPPLIER, "--target", BROKER)
    to_device = ("--originator", SUPPLIER, "--device", HCALCS)
    fails(2, "8.2", *to_dcc)
    fails(2, "8.2", *to_dcc, "--mpxn", "1", "--uprn", "1")
    fails(2, "8.2", *to_dcc, "--device", "12", word="is no EUI-64")
    fails(2, "11.1", *to_dcc, "--image", "plain.ota", "--device", HCALCS, word="no supplier's")
    fails(2, "11.4", *to_dcc, "--image", "signed.ota", "--device", PPMID, word="ends with a")
    fails(2, "11.4", *to_dcc, "--image", "plain.ota", word="--devices")
    twice = ("--device", PPMID, "--device", PPMID.lower())
    fails(2, "11.4", *to_dcc, "--image", "plain.ota", *twice, word="named twice")
    fails(5, "11.4", *to_dcc, "--image", "missing", "--device", PPMID)
    (tmp_path / "list").write_text(f"{PPMID}\nno device\n")
    fails(5, "11.4", *to_dcc, "--image", "plain.ota", "--devices", "list", word="entry 2")
    fails(2, "11.2", *to_device, "--counter", "0")
    fails(2, "11.3", *to_device)
    fails(2, "11.3", *to_device, "--hash", "ab")
    fails(2, "11.3", *to_device, "--hash", "ab" * 32, "--cancel", "--execution-time", "2026-01-01")
    fails(2, "11.3", "--hash", "ab" * 32)
    fails(2, "11.3", "--request", "x")


def test_without_lxml(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "lxml", None)
    assert_error(run("duis", "show", "x"), 2, "pip install 'hanboot[chain]'")


# --- responses


def device_answer():
    """A CS06 response, "accepted", with a signature that is not checked."""
    sent = message.Message(2, 0x0012, 1, ASKED.target, ASKED.originator, b"\x05\x00")
    sent.signature = bytes(64)
    return sent.encode()


def delivery_report(code, success):
    alert = responses.hub_delivery(
        ASKED, ASKED.originator, ASKED.target, 0xACDCACDC, AT.replace(hour=11), success
    )
    return responses.dcc_alert(ASKED.reply, code, alert, AT)


RESPONSES = {
    "acknowledgement": lambda: responses.response(ASKED, "11.3", responses.ACKNOWLEDGED, AT),
    "success": lambda: responses.response(ASKED, "11.1", "I0", AT),
    "error": lambda: responses.response(ASKED, "11.3", "E5", AT),
    "pre-command": lambda: responses.response(
        ASKED, "11.3", "I0", AT, responses.pre_command("4.3", b"\xdf"), from_device=True
    ),
    "answer": lambda: responses.response(
        ASKED, "11.3", "I0", AT, responses.gbcs_payload(device_answer()), from_device=True
    ),
    "local": lambda: responses.response(
        ASKED, "11.3", "I0", AT, responses.local_command(device_answer()), from_device=True
    ),
    "warning": lambda: responses.response(
        ASKED, "11.1", "W110101", AT,
        responses.warning("11.1", {name: [ASKED.target] for name in responses.WARNING_LISTS}),
    ),
    "warning of 11.4": lambda: responses.response(
        ASKED, "11.4", "W110401", AT,
        responses.warning("11.4", {"NotCommissionedDeviceIDList": [ASKED.target] * 2}),
    ),
    "inventory": lambda: responses.response(
        ASKED, "8.2", "I0", AT,
        responses.inventory(
            [
                [
                    ("DeviceID", HCALCS),
                    ("DeviceType", "HCALCS"),
                    ("DeviceStatus", "Commissioned"),
                    ("DeviceManufacturer", "121D"),
                    ("DeviceModel", "00010001"),
                    ("DeviceFirmwareVersion", "01020000"),
                ]
            ]
            * 17
        ),
    ),
    "future dated": lambda: responses.response(
        ASKED, "11.3", "I0", AT, responses.future_dated_alert(0x8F66, device_answer()),
        from_device=True,
    ),
    "device alert": lambda: responses.device_alert(ASKED.reply, 0x8F72, device_answer(), AT),
    "PPMID": lambda: responses.dcc_alert(
        ASKED.reply, "N999", responses.ppmid_alert(ASKED.target, 0x8F8B, AT, 0x01020000, True), AT
    ),
    "hub": lambda: responses.dcc_alert(
        ASKED.reply, "N999",
        responses.hub_alert(ASKED.target, 0x8F8A, AT, ASKED.target, 0x01020000, 3, ASKED), AT,
    ),
    "delivered to the hub": lambda: delivery_report("N60", True),
    "not delivered to the hub": lambda: delivery_report("N61", False),
    "not distributed": lambda: responses.dcc_alert(
        ASKED.reply, "N999", responses.distribution_failure(ASKED, [ASKED.target] * 2), AT
    ),
    "mismatch": lambda: responses.dcc_alert(
        ASKED.reply, "N999",
        responses.version_mismatch(ASKED.target, "PPMID", 0x01020000, 0x01000000), AT,
    ),
}  # fmt: skip


@published.needed
def test_a_delivery_report_is_as_the_sample_has_it():
    sample = parsing.load(SYNTHETIC / "DCCAlert_N60_CSPFirmwareDeliveryStatus.xml")
    theirs, ours = sample[1], delivery_report("N60", True)[1]
    assert [one.tag for one in ours.iter()] == [one.tag for one in theirs.iter()]
    assert describe.describe(sample)["body"]["dcc_alert_code"]["code"] == "N60"
    for root in (theirs, ours):
        assert root.findtext(".//{*}FirmwareVersion") == "ACDCACDC"
        assert root.findtext(".//{*}CommsHubTransferStatus") == "Success"


@pytest.mark.parametrize("make", RESPONSES.values(), ids=RESPONSES)
def test_responses(run, tmp_path, pki, schema, make):
    root = make()
    schema.check(root, "the response")
    (tmp_path / "r.xml").write_bytes(signature.to_octets(root))
    signer = ("--certificate", pki / "dsp-xml.pem")
    ran = run("duis", "sign", "r.xml", "--signing-key", pki / "dsp-xml.key.pem", *signer, "-o", "s")
    assert ran.code == 0, ran.err
    assert run("duis", "verify", "s", *signer, "--schema", SCHEMAS).code == 0
    shown = run("duis", "show", "s", "--json").document
    assert shown["document"] == "response"
    # a user's key does not sign responses
    user = (
        "--signing-key",
        pki / "supplier-xml.key.pem",
        "--certificate",
        pki / "supplier-xml.pem",
    )
    assert_error(run("duis", "sign", "r.xml", *user), 1, "the DSP signs responses")


# --- the pre-command


@published.needed
def test_activation_by_hand(run, tmp_path, pki):
    """Request, pre-command, signed pre-command: as published, but for the keys."""
    asked, answer = (
        SYNTHETIC / "11.3_request_signed.xml",
        SYNTHETIC / "11.3_response_precommand.xml",
    )
    given = ("--request", asked, "--answer", answer, "--signing-key", pki / "supplier-ds.key.pem")
    ran = run("duis", "request", "11.3", *given, "-o", "second.xml")
    assert ran.code == 0, ran.err
    shown = run("duis", "show", "second.xml", "--json").document
    theirs = SYNTHETIC / "11.3_signed_precommand_request_cv5.xml"
    known = run("duis", "show", theirs, "--json").document
    for one in (shown, known):
        one["body"]["gbcs_payload"].pop("signature")
        one.pop("signature")
    assert shown == known
    # the command in it verifies
    command = describe.command_of(parsing.load(tmp_path / "second.xml"))
    (tmp_path / "command").write_bytes(command.message.encode())
    assert run("gbcs", "verify", "command", "--certificate", pki / "supplier-ds.pem").code == 0


def exchange(change_request=None, change_command=None):
    """A request and the DSP's answer to it, one of them changed."""
    hashed, when = b"\xab" * 32, AT
    asked = requests.activate_firmware(ASKED, hashed, when)
    command = {
        "use_case": "CS06",
        "kind": "command",
        "originator": SUPPLIER,
        "recipient": HCALCS,
        "counter": 1000,
        "payload": {
            "image_hash": hashed.hex(),
            "counter": 1000,
            "execution_time": "2026-03-01T10:00:00Z",
        },
    }
    if change_command:
        change_command(command)
    octets = document.from_document(command, "c").message.encode() + b"\0"
    content = responses.pre_command("4.3", octets)
    answered = RequestID(ASKED.originator, ASKED.target, 1000)
    answer = responses.response(answered, "11.3", "I0", AT, content, from_device=True)
    if change_request:
        asked, answer = change_request(asked, answer)
    return asked, answer


def test_a_pre_command_that_was_asked_for(pki):
    asked, answer = exchange()
    command = precommand.compare(asked, answer)
    key = keys.load_private(pki / "supplier-ds.key.pem")
    second = precommand.sign(asked, command, 5, key)
    precommand.check_signed(second)
    assert describe.describe(second)["command_variant"] == 5


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.update(originator=BROKER), "originator"),
        (lambda c: c.update(recipient=PPMID), "recipient"),
        (lambda c: c.update(counter=1001), "originator counter"),
        (lambda c: c["payload"].update(counter=1001), "counter of the payload"),
        (lambda c: c["payload"].update(image_hash="cd" * 32), "hash"),
        (lambda c: c["payload"].update(execution_time="2026-03-01T10:00:01Z"), "execution time"),
        (lambda c: c["payload"].pop("execution_time"), "execution time"),
        (lambda c: c["payload"].update(execution_time="9999-12-31T23:59:59Z"), "execution time"),
        (lambda c: c.update(remote_party=SUPPLIER, remote_counter=1), "remote party"),
    ],
)
def test_another_pre_command_than_was_asked_for(change, word):
    with pytest.raises(CheckFailed) as caught:
        precommand.compare(*exchange(change_command=change))
    assert caught.value.why.startswith(word)


def test_cancellation_in_both_notations():
    hashed = b"\xab" * 32

    def cancelled(command):
        command["payload"]["execution_time"] = "9999-12-31T23:59:59Z"

    _, answer = exchange(change_command=cancelled)
    precommand.compare(requests.activate_firmware(ASKED, hashed, cancel=True), answer)


def test_documents_that_are_no_exchange():
    asked, answer = exchange()
    with pytest.raises(BadFile, match="no request for an activation"):
        precommand.compare(requests.read_firmware_version(ASKED, 1), answer)
    with pytest.raises(BadFile, match="holds no pre-command"):
        precommand.compare(asked, responses.response(ASKED, "11.3", responses.ACKNOWLEDGED, AT))
    signed = responses.pre_command("4.3", device_answer())
    with pytest.raises(BadFile, match="no unsigned CS06 command"):
        precommand.compare(asked, responses.response(ASKED, "11.3", "I0", AT, signed))


@published.needed
def test_a_signed_pre_command_in_another_request():
    root = parsing.load(SYNTHETIC / "11.3_signed_precommand_request_cv5.xml")
    precommand.check_signed(root)
    root.find(f".//{names.sr('RequestID')}").text = str(ASKED)
    with pytest.raises(CheckFailed, match="not of this request"):
        precommand.check_signed(root)


# --- limits


def test_the_largest_request(schema):
    """50,000 devices and 10,240,000 octets are taken, one more is not, by us as by the schema."""
    devices = [(0x00DB000000000000 + n).to_bytes(8, "big") for n in range(names.DEVICES_MAX + 1)]
    room = names.IMAGE_MAX_BYTES - ota.HEADER_BYTES
    header = writer.encode_header(ota.Header(0xFFF0, 5, 1, names.IMAGE_MAX_BYTES, (0, 1)))
    largest = ota_file.load(header + bytes(room), "unsigned")
    asked = RequestID.parse(f"{SUPPLIER}:{BROKER}:1")
    root = requests.update_ppmid_firmware(asked, largest, devices[:-1])
    schema.check(root, "the largest")
    octets = signature.to_octets(root)
    assert len(octets) < names.DOCUMENT_MAX_BYTES
    shown = describe.describe(parsing.parse(octets))
    assert len(shown["body"]["device_id_list"]) == names.DEVICES_MAX
    with pytest.raises(WrongUsage, match="50001 devices"):
        requests.update_ppmid_firmware(asked, largest, devices)
    longer = root.find(f".//{names.sr('DeviceIDList')}")
    longer.text += f",{HCALCS}"
    with pytest.raises(BadFile):
        schema.check(root, "one more")
    with pytest.raises(BadFile, match="50001 devices"):
        describe.describe(root)


def test_a_larger_image(schema):
    octets = base64.b64encode(bytes(names.IMAGE_MAX_BYTES + 1)).decode()
    body = (
        "UpdatePPMIDFirmware",
        [("FirmwareImage", octets), ("FirmwareVersion", "0" * 8), ("DeviceIDList", PPMID)],
    )
    root = building.request(names.SERVICES["11.4"], ASKED, 8, body)
    with pytest.raises(BadFile) as caught:
        schema.check(root, "it")
    assert len(caught.value.why) < 400


def test_an_identifier():
    assert str(RequestID.parse(str(ASKED).lower())) == str(ASKED)
    assert RequestID.parse(f"{SUPPLIER}:{HCALCS}:{(1 << 64) - 1}").counter == (1 << 64) - 1
    for text in (
        "",
        f"{SUPPLIER}:{HCALCS}",
        f"{SUPPLIER}:{HCALCS}:01",
        f"{SUPPLIER}:{HCALCS}:-1",
        f"{SUPPLIER}:{HCALCS}:{1 << 64}",
        f"{SUPPLIER.replace('-', '')}:{HCALCS}:1",
    ):
        with pytest.raises(ValueError, match="is no identifier"):
            RequestID.parse(text)


def test_schema_folders(run, tmp_path):
    (tmp_path / "r.xml").write_text(f'<sr:Request xmlns:sr="{names.SR}"/>')
    ran = run("duis", "verify", "r.xml", "--schema", tmp_path)
    assert_error(ran, 5, "does not hold the schema of DUIS")
    (tmp_path / "DUIS.xsd").write_text("<a/>")
    assert_error(run("duis", "verify", "r.xml", "--schema", tmp_path), 5, "cannot be loaded")


@published.needed
def test_schema_and_content(run, tmp_path):
    """Valid XML that is no valid DUIS: 5, with the schema and without."""
    text = (SYNTHETIC / "11.3_request_signed.xml").read_text()
    for old, new in (
        ("<sr:CommandVariant>4</sr:CommandVariant>", ""),
        ("sr:Body", "sr:Corpus"),
        (":1000<", ":x<"),
        ("<sr:CommandVariant>4<", "<sr:CommandVariant>four<"),
    ):
        (tmp_path / "bad.xml").write_text(text.replace(old, new))
        for more in ((), ("--schema", SCHEMAS)):
            assert_error(run("duis", "verify", "bad.xml", *more), 5)
        assert_error(run("duis", "show", "bad.xml"), 5)


def test_json_is_json(run, tmp_path):
    asked = requests.read_firmware_version(ASKED, 1)
    (tmp_path / "r.xml").write_bytes(signature.to_octets(asked))
    assert json.loads(run("duis", "show", "r.xml", "--json").out)["kind"] == "ReadFirmwareVersion"


def test_xml_1_1(run, tmp_path, pki):
    """Whatever reads a document refuses it."""
    octets = signature.to_octets(requests.read_firmware_version(ASKED, 1))
    (tmp_path / "r.xml").write_bytes(octets.replace(b"'1.0'", b"'1.1'"))
    held = ("--certificate", pki / "supplier-xml.pem")
    for command in (
        ("duis", "show", "r.xml"),
        ("duis", "verify", "r.xml", *held),
        ("duis", "sign", "r.xml", *held, "--signing-key", pki / "supplier-xml.key.pem",
         "-o", "s.xml"),
        ("dcc", "submit", "r.xml", *held, "--to", "http://127.0.0.1:9"),
    ):  # fmt: skip
        assert_error(run(*command), 5, "is no DUIS document", "declares XML 1.1", "must be XML 1.0")
