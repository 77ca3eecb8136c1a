"""Programs of others agree: xmlsec on signatures, xmlschema on validity, the DCC's packages on
documents."""

from __future__ import annotations

from pathlib import Path

import dsp
import published
import pytest
import test_duis
import witness
from lxml import etree

from hanboot.duis import building, describe, parsing, requests, signature
from hanboot.duis.names import SERVICES, ds, sr
from hanboot.duis.schema import DuisSchema
from hanboot.trust import keys
from hanboot.trust.smki import certificate as smki

SCRIPTS = Path(__file__).parent / "witnesses"

REQUESTS = {
    "8.2": lambda: requests.read_inventory(test_duis.ASKED, "DeviceID", test_duis.PPMID),
    "11.2": lambda: requests.read_firmware_version(test_duis.ASKED, 1),
    "11.3": lambda: requests.activate_firmware(test_duis.ASKED, b"\xab" * 32, test_duis.AT),
    "11.3 cancelled": lambda: requests.activate_firmware(
        test_duis.ASKED, b"\xab" * 32, cancel=True
    ),
    "11.4": lambda: building.request(
        SERVICES["11.4"],
        test_duis.ASKED,
        8,
        (
            "UpdatePPMIDFirmware",
            [
                ("FirmwareImage", "AAAA"),
                ("FirmwareVersion", "01020000"),
                ("DeviceIDList", f"{test_duis.PPMID},{test_duis.HCALCS}"),
            ],
        ),
    ),
}
DOCUMENTS = {**REQUESTS, **test_duis.RESPONSES}


def signer_of(root, pki):
    name = "dsp-xml" if etree.QName(root).localname == "Response" else "supplier-xml"
    return (
        keys.load_private(pki / f"{name}.key.pem"),
        smki.load(pki / f"{name}.pem"),
        pki / f"{name}.pem",
        pki / f"{name}.key.pem",
    )


# --- xmlsec


def xmlsec_verifies(octets, certificate):
    xmlsec = witness.package("xmlsec")
    root = etree.fromstring(octets)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(certificate), xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(xmlsec.tree.find_node(root, "Signature"))
    except xmlsec.Error:
        return False
    return True


@pytest.mark.parametrize("name", DOCUMENTS)
def test_xmlsec_verifies_what_we_sign(pki, name):
    root = DOCUMENTS[name]()
    key, certificate, file, _ = signer_of(root, pki)
    signature.sign(root, key, certificate)
    octets = signature.to_octets(root)
    assert xmlsec_verifies(octets, file)
    assert not xmlsec_verifies(octets, pki / "other-supplier-xml.pem")
    assert not xmlsec_verifies(octets.replace(b"sr:Body>", b"sr:Body> ", 1), file)


def xmlsec_signs(root, key_file, certificate):
    xmlsec = witness.package("xmlsec")
    constants = xmlsec.constants
    found = xmlsec.template.create(
        root, constants.TransformExclC14N, constants.TransformEcdsaSha256, ns="ds"
    )
    root.append(found)
    reference = xmlsec.template.add_reference(found, constants.TransformSha256, uri="")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(key_file), constants.KeyDataFormatPem)
    context.sign(found)
    # xmlsec puts in line breaks, and leaves KeyInfo to its caller
    serial = etree.SubElement(
        etree.SubElement(etree.SubElement(found, ds("KeyInfo")), ds("X509Data")),
        ds("X509IssuerSerial"),
    )
    etree.SubElement(serial, ds("X509IssuerName")).text = certificate.issuer
    etree.SubElement(serial, ds("X509SerialNumber")).text = str(certificate.serial)
    return etree.tostring(root)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_we_verify_what_xmlsec_signs(pki, name):
    root = DOCUMENTS[name]()
    # with namespaces that the root does not use, as the DCC's documents have them
    octets = etree.tostring(root).replace(b" schemaVersion", b' xmlns:ra="urn:ra" schemaVersion')
    _, certificate, _, key_file = signer_of(root, pki)
    signed = xmlsec_signs(etree.fromstring(octets), key_file, certificate)
    assert signature.verify(parsing.parse(signed), [certificate], None).signer is certificate


@published.needed
def test_xmlsec_on_published_documents():
    for file, signer in test_duis.SIGNED.items():
        assert xmlsec_verifies(file.read_bytes(), published.certificate(signer)), file.name
    for file in published.DUIS.iterdir():
        if file not in test_duis.SIGNED and file.suffix == ".XML":
            assert not xmlsec_verifies(file.read_bytes(), published.certificate(test_duis.USER))


# --- xmlschema


@published.needed
def test_xmlschema_agrees_on_validity():
    """libxml2 and xmlschema on what is valid, and on one change of each document."""
    schema = witness.package("xmlschema").XMLSchema(str(published.SCHEMAS / "DUIS-5.4.xsd"))
    ours = DuisSchema(published.SCHEMAS)
    changes = (
        lambda root: root.set("schemaVersion", "x"),
        lambda root: root.remove(root[1]),
        lambda root: etree.SubElement(root[1][0], "{urn:other}Other"),
        lambda root: setattr(root[0][0], "text", "x"),
        lambda root: root[0].append(etree.fromstring(etree.tostring(root[0][0]))),
    )
    for make in DOCUMENTS.values():
        root = make()
        ours.check(root, "it")
        assert schema.is_valid(etree.tostring(root).decode())
        for change in changes:
            wrong = make()
            change(wrong)
            assert not schema.is_valid(etree.tostring(wrong).decode())
            with pytest.raises(test_duis.BadFile):
                ours.check(wrong, "it")


@published.needed
def test_xmlschema_agrees_on_published_documents():
    schema = witness.package("xmlschema").XMLSchema(str(published.SCHEMAS / "DUIS-5.4.xsd"))
    ours = DuisSchema(published.SCHEMAS)
    valid = {}
    for file in published.documents():
        octets = file.read_bytes()
        try:
            ours.check(parsing.parse(octets), file.name)
            valid[file.name] = True
        except test_duis.BadFile:
            valid[file.name] = False
        assert schema.is_valid(octets.decode()) == valid[file.name], file.name
    assert len(valid) >= 19
    assert sum(valid.values()) >= 15


# --- the DCC's packages


def test_the_dccs_parser_reads_our_documents():
    compare_with_the_dccs_parser({name: make() for name, make in DOCUMENTS.items()})


@published.needed
def test_the_dccs_parser_reads_published_documents_as_we_do():
    compare_with_the_dccs_parser({file.name: parsing.load(file) for file in published.documents()})


def compare_with_the_dccs_parser(documents):
    names, roots = list(documents), list(documents.values())
    parsed = witness.node(SCRIPTS / "parse.cjs", [etree.tostring(root).decode() for root in roots])
    for name, root, found in zip(names, roots, parsed, strict=True):
        ours = describe.describe(root)
        header = found["duis"]["header"]
        assert header["type"] == ours["document"], name
        for key in ("request_id", "response_id"):
            theirs = header.get(f"{key.split('_')[0]}Id")
            if key in ours:
                assert theirs["originatorId"].upper() == ours[key]["originator"]
                assert theirs["targetId"].upper() == ours[key]["target"]
                assert int(theirs["counter"]) == ours[key]["counter"]
            else:
                assert theirs is None
        assert list(found["duis"]["body"]) == [ours["kind"]]
        if ours["document"] == "request":
            assert header["commandVariant"]["number"] == ours["command_variant"]
            service = header["serviceReferenceVariant"]
            theirs = service["Service Request Name"]
            assert theirs.startswith(ours["service"]) or ours["service_reference"] == "11.4"
            # what their writer makes of it, we read as the same
            again = describe.describe(parsing.parse(found["again"].encode()))
            for key in ("request_id", "command_variant", "service_reference", "kind", "body"):
                assert again[key] == ours[key], (name, key)
        else:
            assert header["responseCode"] == ours["response_code"]


@published.needed
def test_the_dccs_templates_go_through(pki):
    """Each template of a firmware service: read, signed, verified, valid."""
    schema = DuisSchema(published.SCHEMAS)
    key, certificate = (
        keys.load_private(pki / "supplier-xml.key.pem"),
        smki.load(pki / "supplier-xml.pem"),
    )
    templates = witness.node(SCRIPTS / "templates.cjs")
    assert len(templates) >= 7
    for name, xml in templates.items():
        root = parsing.parse(xml.encode())
        if name.startswith("CS08"):
            # it names the broker as originator
            with pytest.raises(test_duis.CheckFailed):
                signature.sign(root, key, certificate)
            continue
        signature.sign(root, key, certificate)
        octets = signature.to_octets(root)
        schema.check(parsing.parse(octets), name)
        signature.verify(parsing.parse(octets), [certificate], None)
        assert xmlsec_verifies(octets, pki / "supplier-xml.pem")


@published.needed
def test_the_dccs_templates_go_through_the_service(pki, tmp_path):
    """Sent as they are, but for signature and counter: those of the npm package, and those for 11.1
    and 11.4 of the DCC's test material."""
    made = dsp.Dsp(tmp_path, pki)
    templates = witness.node(SCRIPTS / "templates.cjs")
    for file in published.documents():
        if file.name.startswith(("11.1_UPDATE", "11.4_UPDATE")):
            templates[file.name[:4]] = file.read_text()
    answered = {}
    for name, xml in templates.items():
        root = parsing.parse(xml.encode())
        if name.startswith("CS08"):
            # it names the broker as originator, for whom no supplier can sign
            continue
        for placeholder in root.findall(ds("Signature")):
            root.remove(placeholder)
        found = root.find(f"{sr('Header')}/{sr('RequestID')}")
        counter = str(made.request_id(dsp.BROKER)).rpartition(":")[2]
        found.text = f"{found.text.rpartition(':')[0]}:{counter}"
        answered[name] = made.ask(root)["response_code"]
        # and the DCC's parser reads the answer as we do
        compare_with_the_dccs_parser({name: parsing.parse(made.last)})
    made.close()
    assert answered == {
        "CS06_11.3_CANCELLATION": "I0",
        "CS06_11.3_FUTURE_DATED": "I0",
        "CS06_11.3_IMMEDIATE": "I0",
        "ECS52_11.2": "I99",
        # about devices that are in no inventory here
        "8.2_READ_INVENTORY": "E4",
        "GCS38_11.2": "E4",
        # their images are on no CPL here
        "11.1": "E110101",
        "11.4": "E110401",
    }


def test_a_missing_witness_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        witness.package("no_such_package")
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception):
        witness.package("no_such_package")
