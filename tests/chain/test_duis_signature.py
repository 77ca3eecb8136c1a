"""The rule of a DUIS signature: what it accepts, and each way to depart from it."""

from __future__ import annotations

import base64
import copy
import datetime
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from hanboot.duis import describe, parsing, requests, responses, signature
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import DOCUMENT_MAX_BYTES, DS, SR, ds, sr
from hanboot.errors import BadFile, CheckFailed
from hanboot.trust import keys
from hanboot.trust.smki import certificate as smki
from hanboot.trust.smki.authority import CertificateAuthority

ASKED = RequestID.parse("90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A6:1000")
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def user(pki):
    """(key, certificate) of the supplier's XML signer."""
    return keys.load_private(pki / "supplier-xml.key.pem"), smki.load(pki / "supplier-xml.pem")


def signed(user, root=None):
    root = root if root is not None else requests.activate_firmware(ASKED, b"\xab" * 32)
    signature.sign(root, *user)
    return signature.to_octets(root)


def verify(octets, user, at=None):
    root = parsing.parse(octets)
    return signature.verify(root, [user[1]], at)


def refused(octets, user, word, at=None):
    with pytest.raises(CheckFailed) as caught:
        verify(octets, user, at)
    assert word in caught.value.why, caught.value.why


def changed(octets, change):
    """The document after `change(root, signature)`."""
    root = etree.fromstring(octets)
    change(root, root.find(ds("Signature")))
    return etree.tostring(root)


def resigned(octets, user, change):
    """The same with SignedInfo signed anew: only its form is wrong."""

    def and_sign(root, found):
        change(root, found)
        info, value = found[0], found[1]
        canonical = etree.tostring(info, method="c14n", exclusive=True, with_comments=False)
        value.text = base64.b64encode(user[0].sign_plain(canonical)).decode()

    return changed(octets, and_sign)


def canonical(octets):
    root = parsing.parse(octets)
    found = root.find(ds("Signature"))
    if found is not None:
        signature.detach(root, found)
    return etree.tostring(root, method="c14n", with_comments=False)


# --- every change


def test_what_is_accepted_is_what_was_signed(user):
    """Each octet of a document changed: whatever still verifies says the same."""
    octets = signed(user)
    content = canonical(octets)
    survivors = 0
    for at in range(len(octets)):
        for change in (0x01, 0x20):
            wrong = bytearray(octets)
            wrong[at] ^= change
            try:
                verify(bytes(wrong), user)
            except (BadFile, CheckFailed):
                continue
            survivors += 1
            assert canonical(bytes(wrong)) == content, at
    # some octets of the declaration, and white space in tags, are not covered
    assert survivors < 60


# --- the form


def transform(root, found):
    transforms = found[0][2][0]
    etree.SubElement(transforms, ds("Transform"), Algorithm=signature.EXCLUSIVE)


def reference(root, found):
    found[0].append(etree.fromstring(etree.tostring(found[0][2])))


def set_of(path, name, value):
    def change(root, found):
        node = found
        for at in path:
            node = node[at]
        node.set(name, value)

    return change


FORMS = {
    "a second transform": (transform, "Transforms has 2 elements"),
    "a second reference": (reference, "SignedInfo has 4 elements"),
    "a reference to a part": (set_of((0, 2), "URI", "#body"), "attributes of Reference"),
    "a reference without URI": (lambda r, s: s[0][2].attrib.clear(), "attributes of Reference"),
    "a type": (set_of((0, 2), "Type", "x"), "attributes of Reference"),
    "inclusive C14N": (
        set_of((0, 0), "Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        "attributes of CanonicalizationMethod",
    ),
    "C14N with comments": (
        set_of((0, 0), "Algorithm", signature.EXCLUSIVE + "WithComments"),
        "attributes of CanonicalizationMethod",
    ),
    "RSA": (
        set_of((0, 1), "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
        "attributes of SignatureMethod",
    ),
    "HMAC": (
        set_of((0, 1), "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        "attributes of SignatureMethod",
    ),
    "SHA-1": (
        set_of((0, 2, 1), "Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1"),
        "attributes of DigestMethod",
    ),
    "an identifier": (set_of((), "Id", "x"), "attributes of Signature"),
    "an object": (lambda r, s: etree.SubElement(s, ds("Object")), "Signature has 4 elements"),
    "no KeyInfo": (lambda r, s: s.remove(s[2]), "Signature has 2 elements"),
    "a key in KeyInfo": (
        lambda r, s: etree.SubElement(s[2], ds("KeyValue")),
        "KeyInfo has 2 elements",
    ),
    "XSLT": (
        set_of((0, 2, 0, 0), "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        "attributes of Transform",
    ),
    "another order": (lambda r, s: s.insert(0, s[1]), "in its signature stands SignatureValue"),
    "another serial number": (
        lambda r, s: setattr(s[2][0][0][1], "text", "1"),
        "serial number 1, and no such certificate",
    ),
    "another issuer": (
        lambda r, s: setattr(s[2][0][0][0], "text", "CN=Z9,OU=07"),
        "issuer CN=Z9,OU=07",
    ),
    "a value cut short": (
        lambda r, s: setattr(s[1], "text", s[1].text[:-4]),
        "SignatureValue is not 64 octets",
    ),
    "a value that is no base64": (
        lambda r, s: setattr(s[1], "text", "!" + s[1].text[1:]),
        "SignatureValue is not 64 octets",
    ),
    "a digest cut short": (
        lambda r, s: setattr(s[0][2][2], "text", "AAAA"),
        "DigestValue is not 32 octets",
    ),
}


@pytest.mark.parametrize(("change", "word"), FORMS.values(), ids=FORMS)
def test_another_form(user, change, word):
    octets = signed(user)
    wrong = changed(octets, change) if "value" in word.lower() else resigned(octets, user, change)
    if "SignatureValue is not" in word:
        wrong = changed(octets, change)
    refused(wrong, user, word)


def test_in_der(user):
    octets = signed(user)

    def change(root, found):
        info = etree.tostring(found[0], method="c14n", exclusive=True)
        r_s = user[0].sign_plain(info)
        numbers = [int.from_bytes(half, "big") for half in (r_s[:32], r_s[32:])]
        found[1].text = base64.b64encode(encode_dss_signature(*numbers)).decode()

    refused(changed(octets, change), user, "SignatureValue is not 64 octets")


def test_line_ends_in_base64(user):
    """Some writers break lines with a carriage return, written as a character reference."""
    octets = signed(user)
    text = etree.fromstring(octets).find(ds("Signature"))[1].text.encode()
    broken = text[:40] + b"&#13;\n" + text[40:] + b"\n  "
    assert verify(octets.replace(text, broken), user).signer is user[1]


@pytest.mark.parametrize("space", ["&#160;", "&#x2028;", "&#x3000;"])
def test_other_spaces_are_text(user, space):
    octets = signed(user)
    text = etree.fromstring(octets).find(ds("Signature"))[1].text.encode()
    for at in (0, 40, len(text)):
        wrong = octets.replace(text, text[:at] + space.encode() + text[at:])
        refused(wrong, user, "SignatureValue is not 64 octets")


def test_spaces_in_the_issuers_name(user):
    octets = signed(user)
    assert b"CN=Z1,OU=07" in octets
    assert verify(octets.replace(b"CN=Z1,OU=07", b"CN=Z1, OU=07"), user)


# --- where it stands


def test_no_signature(user):
    root = requests.activate_firmware(ASKED, b"\xab" * 32)
    refused(signature.to_octets(root), user, "has no signature")


def test_signatures_elsewhere(user):
    octets = signed(user)

    def second(root, found):
        root.append(etree.fromstring(etree.tostring(found)))

    refused(changed(octets, second), user, "there are 2 signatures")

    def in_body(root, found):
        root[1].append(found)

    refused(changed(octets, in_body), user, "not the last element of the root")

    def before_body(root, found):
        root.insert(1, found)

    refused(changed(octets, before_body), user, "not the last element of the root")

    def hidden(root, found):
        # a second one, deep inside what is signed
        etree.SubElement(root[1][0], ds("Signature"))

    refused(changed(octets, hidden), user, "there are 2 signatures")


def test_a_wrapped_document(user):
    """The signed request inside another: what was signed is no longer what is read."""
    octets = signed(user)
    inner = octets.split(b"?>", 1)[1]
    outer = requests.activate_firmware(ASKED, b"\xcd" * 32)
    outer[1].append(etree.fromstring(inner))
    refused(etree.tostring(outer), user, "not the last element of the root")
    # and its signature moved out
    found = outer[1][-1].find(ds("Signature"))
    outer.append(found)
    refused(etree.tostring(outer), user, "its digest is another")


def test_content_changed(user):
    octets = signed(user)
    refused(octets.replace(b"ABAB", b"ABAC", 1), user, "its digest is another")
    refused(octets.replace(b":1000<", b":1001<"), user, "its digest is another")
    refused(octets.replace(b"<sr:Body>", b"<sr:Body> "), user, "its digest is another")
    # the name space of the root is signed too, even where nothing uses it
    wrong = octets.replace(b"<sr:Request ", b'<sr:Request xmlns:x="urn:x" ')
    refused(wrong, user, "its digest is another")


def test_comments_hide_nothing(user):
    """A comment is in no digest, so it must not split what is read."""
    octets = signed(user).replace(b"ABABABAB", b"ABAB<!-- x -->ABAB", 1)
    assert verify(octets, user)
    root = parsing.parse(octets)
    assert parsing.text_of(root[1][0][0]) == "AB" * 32


# --- the digest


def test_inclusive_and_exclusive_differ(user):
    """With a namespace on the root that it does not use, as the DCC's documents have."""
    octets = signature.to_octets(requests.activate_firmware(ASKED, b"\xab" * 32))
    octets = octets.replace(b"<sr:Request ", b'<sr:Request xmlns:ra="urn:ra" ')
    right = signed(user, parsing.parse(octets))
    assert verify(right, user)

    def exclusive(root, found):
        copy = etree.fromstring(etree.tostring(root))
        copy.remove(copy.find(ds("Signature")))
        digest = hashlib.sha256(etree.tostring(copy, method="c14n", exclusive=True)).digest()
        found[0][2][2].text = base64.b64encode(digest).decode()

    refused(resigned(right, user, exclusive), user, "its digest is another")


def test_text_around_the_signature_is_signed(user):
    root = requests.activate_firmware(ASKED, b"\xab" * 32)
    root[-1].tail = "\n  "
    octets = signed(user, root)
    assert verify(octets, user)
    assert verify(octets, user)
    refused(octets.replace(b"\n  <ds:Sig", b"\n <ds:Sig"), user, "its digest is another")
    refused(octets.replace(b"</ds:Signature>", b"</ds:Signature>\n"), user, "its digest is another")
    # parsed, signed anew: the text stays where it was
    again = parsing.parse(octets)
    signature.detach(again, signature.signature_of(again))
    assert again[-1].tail == "\n  "


# --- who


def test_who_may_sign(pki, user):
    request = signature.to_octets(requests.activate_firmware(ASKED, b"\xab" * 32))
    answer = signature.to_octets(responses.response(ASKED, "11.3", responses.ACKNOWLEDGED, NOW))

    def signs(name, octets):
        key = keys.load_private(pki / f"{name}.key.pem")
        root = parsing.parse(octets)
        signature.sign(root, key, smki.load(pki / f"{name}.pem"))
        return signature.to_octets(root)

    def refuses(name, octets, word):
        with pytest.raises(CheckFailed) as caught:
            signs(name, octets)
        assert word in caught.value.why

    signs("supplier-xml", request)
    signs("dsp-xml", answer)
    # a key for messages of the same party: in older data, and with a warning
    for name, octets in (("supplier-ds", request), ("broker-ds", answer)):
        held = [smki.load(pki / f"{name}.pem")]
        found = signature.verify(parsing.parse(signs(name, octets)), held, None)
        assert len(found.warnings) == 1
    refuses("other-supplier-xml", request, "the signer is 90-B3-D5-1F-30-02-00-00")
    refuses("dsp-xml", request, "a user signs requests")
    refuses("supplier-xml", answer, "the DSP signs responses")
    refuses("supplier-ds", answer, "the DSP signs responses")
    refuses("hcalcs-ds", request, "a user signs requests")
    refuses("supplier-ka", request, "is not for signatures")
    refuses("issuing", request, "is not for signatures")
    # the certificate of another key
    with pytest.raises(CheckFailed, match="is not of this key"):
        signature.sign(parsing.parse(request), user[0], smki.load(pki / "dsp-xml.pem"))
    # signed already
    with pytest.raises(CheckFailed, match="signed already"):
        signature.sign(parsing.parse(signs("supplier-xml", request)), *user)


def test_another_key_with_the_same_name_and_number(user):
    """The signature counts, not what KeyInfo says."""
    octets = signed(user)
    other = CertificateAuthority("Z1", 0x07, None, NOW).organisation(
        "x", 0x87, ASKED.originator, "signature"
    )
    stranger = smki.describe(smki.x509.load_pem_x509_certificate(other.certificate), "stranger.pem")

    def claims(root, found):
        found[2][0][0][1].text = str(stranger.serial)

    root = parsing.parse(changed(octets, claims))
    with pytest.raises(CheckFailed, match="not by stranger"):
        signature.verify(root, [stranger], None)


def test_times(user):
    octets = signed(user)
    year = datetime.timedelta(days=366)
    refused(octets, user, "expired on", NOW + 11 * year)
    refused(octets, user, "is not valid before", NOW - year)
    assert verify(octets, user, NOW + year)


# --- what is no document


BAD = {
    "nothing": b"",
    "no XML": b"hello",
    "cut short": b'<sr:Request xmlns:sr="' + SR.encode() + b'"><sr:Header>',
    "another root": b"<Request/>",
    "another namespace": b'<sr:Request xmlns:sr="urn:other"/>',
    "a document type": b"<!DOCTYPE a><a/>",
    "entities": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "a document type in small letters": b"<!doctype a><a/>",
    "an undefined entity": b'<sr:Request xmlns:sr="' + SR.encode() + b'">&x;</sr:Request>',
    "UTF-16": f'<?xml version="1.0" encoding="utf-16"?><sr:Request xmlns:sr="{SR}"/>'.encode(
        "utf-16"
    ),
    "no UTF-8": b'<sr:Request xmlns:sr="' + SR.encode() + b'">\xff</sr:Request>',
    "declared as Latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?><sr:Request xmlns:sr="'
    + SR.encode()
    + b'"/>',
    "declared as UTF-16, and none": b"\xef\xbb\xbf<?xml version='1.0' encoding = 'utf-16'?>"
    + b"<sr:Request xmlns:sr='"
    + SR.encode()
    + b"'/>",
    "a processing instruction": b'<?x y?><sr:Request xmlns:sr="' + SR.encode() + b'"/>',
    "deep": b"<a>" * 100_000,
    "deep and closed": b"<a>" * 40 + b"</a>" * 40,
    "many": b"<a>" + b"<b/>" * 6000 + b"</a>",
    "large": b" " * (DOCUMENT_MAX_BYTES + 1),
    "two roots": (b'<sr:Request xmlns:sr="' + SR.encode() + b'"/>') * 2,
}


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_no_documents(octets):
    with pytest.raises(BadFile):
        parsing.parse(octets)


def test_an_encoding_that_lies():
    """Declared as UTF-7, a document type could hide from a search; it is read as UTF-8."""
    text = '<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE a+AD4-<a/>'
    with pytest.raises(BadFile):
        parsing.parse(text.encode())


def test_a_file_that_is_too_large(tmp_path):
    file = tmp_path / "large.xml"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 30)
    with pytest.raises(BadFile, match="more than 16000000 octets"):
        parsing.load(file)


def test_names(user):
    root = etree.fromstring(signed(user))
    assert root.find(ds("Signature")).prefix == "ds"
    assert DS.encode() in signed(user)


@pytest.mark.parametrize(
    "declaration",
    [
        b"",
        b'<?xml version="1.0"?>',
        b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>",
        b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n',
    ],
)
def test_declarations(user, declaration):
    octets = signed(user).split(b"?>", 1)[1].lstrip()
    assert verify(declaration + octets, user)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_other_versions_of_xml(user, version):
    """libxml2 reads them by the rules of 1.0; Canonical XML 1.0, and so the signature, has no form
    for them."""
    octets = signed(user).split(b"?>", 1)[1]
    declaration = f"\ufeff<?xml version = '{version}' encoding='utf-8'?>".encode()
    with pytest.raises(BadFile, match=f"it declares XML {version}, and must be XML 1.0"):
        verify(declaration + octets, user)


AMBIGUOUS = {
    "two RequestIDs": (
        lambda header: header.insert(0, copy.deepcopy(header[0])),
        "2 elements RequestID",
    ),
    "the variant of another service": (
        lambda header: setattr(header.find(sr("ServiceReference")), "text", "11.1"),
        "ServiceReference '11.1'",
    ),
    "two references": (
        lambda header: header.append(copy.deepcopy(header.find(sr("ServiceReference")))),
        "2 elements ServiceReference",
    ),
    "no reference at all": (
        lambda header: setattr(header.find(sr("ServiceReferenceVariant")), "text", "x" * 100_000),
        "'xxxx",
    ),
}


@pytest.mark.parametrize(("change", "word"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_headers_that_can_be_read_in_two_ways(user, change, word):
    root = requests.activate_firmware(ASKED, b"\xab" * 32)
    change(root.find(sr("Header")))
    with pytest.raises(BadFile) as caught:
        describe.describe(root)
    assert word in caught.value.why
    assert len(caught.value.why) < 300


def test_a_position_is_said_once():
    with pytest.raises(BadFile) as caught:
        parsing.parse(b"<a>\n<b c></b></a>")
    assert caught.value.why.startswith("line 2, column ")
    assert caught.value.why.count("line 2") == 1
