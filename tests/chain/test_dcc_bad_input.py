"""What strangers send: a DUIS response or one line comes back, and nothing is half done."""

from __future__ import annotations

import datetime
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import published
import pytest
import sqlalchemy as sa
from changed_documents import Mutants, check
from changed_documents import send as send_here
from dsp import BROKER, HCALCS, IHD, PPMID, SUPPLIER, Dsp
from lxml import etree
from rig import wait_for
from serving import Process, post, serving

from hanboot.dcc import parties
from hanboot.dcc.http_server import PATHS, PERMIT_PATH, Application
from hanboot.dcc.schema import COUNTER, REQUEST, TASK
from hanboot.duis import parsing, requests, signature
from hanboot.duis.names import DEVICES_MAX, DOCUMENT_MAX_BYTES, SR
from hanboot.http import listen
from hanboot.registry.storage.database_errors import DatabaseFailed
from hanboot.trust import keys
from hanboot.trust.smki import certificate as smki
from hanboot.trust.smki import lab
from hanboot.trust.smki.authority import CertificateAuthority
from hanboot.trust.smki.certificate import USER_XML, parse_eui

D = "/api/v1/serviceD"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, pki: Path) -> Iterator[tuple[Process, Dsp]]:
    """A process that checks requests against the schema, too, where it is here."""
    made = Dsp(tmp_path_factory.mktemp("dsp"), pki)
    made.close()
    schema = ("--schema", published.SCHEMAS) if published.SCHEMAS.exists() else ()
    with serving(made, *schema) as process:
        made.open()
        yield process, made
        made.close()


def rows(dsp: Dsp) -> list[int]:
    """How many requests, tasks and counters there are."""
    with dsp.registry.database.reading() as connection:
        tables = (REQUEST, TASK, COUNTER)
        counts = (sa.select(sa.func.count()).select_from(table) for table in tables)
        return [connection.execute(count).scalar_one() for count in counts]


def ppmid_request(dsp: Dsp) -> etree._Element:
    return requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)


def signed(dsp: Dsp, root: etree._Element) -> bytes:
    return dsp.signed(root)


def other_namespace(dsp: Dsp) -> bytes:
    return signed(dsp, ppmid_request(dsp)).replace(SR.encode(), b"urn:another")


def nested(dsp: Dsp) -> bytes:
    root = ppmid_request(dsp)
    inner = root
    for _ in range(100):
        inner = etree.SubElement(inner, f"{{{SR}}}Body")
    return bytes(etree.tostring(root))


def namespaces(count: int) -> bytes:
    declared = " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(count))
    return f'<sr:Request xmlns:sr="{SR}" {declared}/>'.encode()


def wrapped(dsp: Dsp) -> bytes:
    """The signed document inside another, which asks for something else."""
    inner = parsing.parse(signed(dsp, ppmid_request(dsp)))
    outer = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", HCALCS)
    found = inner.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    outer.append(found)
    etree.SubElement(found, "{http://www.w3.org/2000/09/xmldsig#}Object").append(inner)
    return bytes(etree.tostring(outer))


def too_many(dsp: Dsp) -> bytes:
    """One device more than the schema takes."""
    devices = ",".join(n.to_bytes(8, "big").hex("-").upper() for n in range(1, DEVICES_MAX + 2))
    whole = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), dsp.ppmid_image, [parse_eui(PPMID)]
    )
    whole.find(f".//{{{SR}}}DeviceIDList").text = devices
    return signed(dsp, whole)


def used_twice(dsp: Dsp) -> bytes:
    """Another document with a counter that was taken."""
    request_id = dsp.request_id(BROKER)
    first = requests.read_inventory(request_id, "DeviceID", PPMID)
    answer = dsp.service.answer(signed(dsp, first))
    assert dsp.read(answer)["response_code"] == "I0"
    return signed(dsp, requests.read_inventory(request_id, "DeviceID", IHD))


def version(text: str) -> Callable[[Dsp], bytes]:
    def make(dsp: Dsp) -> bytes:
        root = ppmid_request(dsp)
        root.set("schemaVersion", text)
        return signed(dsp, root)

    return make


def changed_after_signing(dsp: Dsp) -> bytes:
    return signed(dsp, ppmid_request(dsp)).replace(PPMID.encode(), IHD.encode())


def others_device(dsp: Dsp) -> bytes:
    other = "90-B3-D5-1F-30-02-00-00"
    root = requests.read_inventory(dsp.request_id(BROKER, other), "DeviceID", PPMID)
    return dsp.signed(root, "other-supplier-xml")


#: what is sent, and the response code that it is answered with; None: one line, and 400
BAD: dict[str, tuple[Callable[[Dsp], bytes], str | None]] = {
    "nested deeply": (nested, None),
    "nested more deeply than libxml2 takes": (lambda dsp: b"<a>" * 1_000_000, None),
    "many elements": (lambda dsp: b"<a>" + b"<b/>" * 1_000_000, None),
    "many namespaces": (lambda dsp: namespaces(60_000), None),
    "a relative namespace": (
        lambda dsp: signed(dsp, ppmid_request(dsp)).replace(b":Request ", b':Request xmlns:n="u" '),
        "E100",
    ),
    "a long text": (lambda dsp: f'<sr:Request xmlns:sr="{SR}">'.encode() + b"a" * 15_000_000, None),
    "another namespace": (other_namespace, None),
    "an older major version": (version("4.9"), None),
    "no version": (version("new"), None),
    "a document type": (lambda dsp: b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/'><a/>", None),
    "an entity": (lambda dsp: b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///x'>]><a>&b;</a>", None),
    "XML 1.1": (lambda dsp: signed(dsp, ppmid_request(dsp)).replace(b"1.0", b"1.1", 1), None),
    "UTF-16": (lambda dsp: signed(dsp, ppmid_request(dsp)).decode().encode("utf-16"), None),
    "a response": (lambda dsp: dsp.service.answer(signed(dsp, ppmid_request(dsp))), None),
    "changed after signing": (changed_after_signing, "E100"),
    "a signature over something else": (wrapped, "E100"),
    "no signature": (lambda dsp: bytes(etree.tostring(ppmid_request(dsp))), "E100"),
    "a counter used before": (used_twice, "E17"),
    "another supplier's device": (others_device, "E4"),
    "50,001 devices": (too_many, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def expired_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate of the supplier's whose ten years are over, and its key."""
    folder = tmp_path_factory.mktemp("expired")
    then = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    authority = CertificateAuthority("Z9", lab.ROOT, None, then - datetime.timedelta(days=11 * 366))
    issued = authority.organisation("expired", USER_XML, parse_eui(SUPPLIER), "signature")
    (folder / "expired.pem").write_bytes(issued.certificate)
    (folder / "expired.key.pem").touch(0o600)
    (folder / "expired.key.pem").write_bytes(issued.private_key)
    return folder


def expired(dsp: Dsp, folder: Path) -> bytes:
    root = ppmid_request(dsp)
    held = smki.load(folder / "expired.pem")
    parties.trust(dsp.registry.database, [held])
    signature.sign(root, keys.load_private(folder / "expired.key.pem"), held)
    return signature.to_octets(root)


# --- over HTTP


@pytest.mark.parametrize("name", BAD)
def test_bad_documents(service: tuple[Process, Dsp], name: str) -> None:
    process, dsp = service
    make, code = BAD[name]
    octets = make(dsp)
    before = rows(dsp)
    status, body = post(process.url, D, octets)
    assert check(dsp, str(status), body) == (code or "400"), body[:300]
    assert rows(dsp) == before
    # and the next one is served
    status, body = post(process.url, D, signed(dsp, ppmid_request(dsp)))
    assert dsp.read(body)["response_code"] == "I0"


def test_an_expired_certificate_has_its_own_word(
    service: tuple[Process, Dsp], expired_certificate: Path
) -> None:
    process, dsp = service
    octets = expired(dsp, expired_certificate)
    before = rows(dsp)
    _, body = post(process.url, D, octets)
    answer = dsp.read(body)
    assert answer["response_code"] == "E3"
    assert "expired" in answer["response"]
    assert rows(dsp) == before


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 1000000000",
        f"Content-Length: {DOCUMENT_MAX_BYTES + 1}",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: -1",
        "Content-Length: ten",
        "Transfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        " continues no line",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        f"X: {'a' * 100_000}",
    ],
    ids=lambda head: head[:40],
)
def test_a_body_of_1_gb_is_refused_by_its_length(service: tuple[Process, Dsp], head: str) -> None:
    """Before any of it is read: nothing more than the head is ever sent."""
    process, _ = service
    parts = urlsplit(process.url)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        start = f"POST {D} HTTP/1.1\r\n"
        if not head.startswith(" "):
            start += "Host: x\r\nContent-Type: application/xml\r\n"
        line.sendall(f"{start}{head}\r\n\r\n".encode())
        if head.startswith("Transfer"):
            line.sendall(b"5\r\n<a/>\n\r\n0\r\n\r\n")
        elif head.startswith(("Content-Length: 5", "Content-Length: 6")):
            line.sendall(b"<a/>\n\n")
        status = line.recv(100).split()[1]
    assert status[:1] == b"4"


def test_of_another_type(service: tuple[Process, Dsp]) -> None:
    process, dsp = service
    document = signed(dsp, ppmid_request(dsp))
    for kind in ("text/plain", "multipart/form-data; boundary=a", "application/json", "a" * 5000):
        status, body = post(process.url, D, document, kind)
        assert (status, body.count(b"\n")) == (415, 1)


def test_nothing_is_fetched(service: tuple[Process, Dsp]) -> None:
    """A document that names a place for its schema, its entities or a style sheet asks in vain."""
    process, dsp = service
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.listen()
        place.settimeout(1)
        url = f"http://127.0.0.1:{place.getsockname()[1]}/"
        root = ppmid_request(dsp)
        instance = "http://www.w3.org/2001/XMLSchema-instance"
        root.set(f"{{{instance}}}schemaLocation", f"{SR} {url}")
        for octets in (
            signed(dsp, root),
            f'<!DOCTYPE a SYSTEM "{url}"><a/>'.encode(),
            f'<!DOCTYPE a [<!ENTITY % b SYSTEM "{url}"> %b;]><a/>'.encode(),
            f'<?xml-stylesheet href="{url}"?><a/>'.encode(),
            f'<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{url}"/></a>'.encode(),
        ):
            post(process.url, D, octets)
        with pytest.raises(TimeoutError):
            place.accept()


def test_it_listens_at_this_machine_by_default() -> None:
    from hanboot.cli.dcc import serve

    default = next(one.default for one in serve.params if one.name == "address")
    host, _ = listen.parse_listen(str(default))
    assert listen.is_local(host)


def test_a_client_that_is_too_slow_is_cut(monkeypatch: pytest.MonkeyPatch, dsp: Dsp) -> None:
    """It sends an octet now and then, so that no time-out of the line ends it."""
    monkeypatch.setattr(listen, "_REQUEST_MAX_S", 0.5)
    server = listen.open_server(
        listen.Listen("127.0.0.1", 0), Application(dsp.service), DOCUMENT_MAX_BYTES
    )
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        address = server.bind_addr
        head = f"POST {D} HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n".encode()
        for start in (head, head + b"Content-Length: 100000\r\n\r\n"):
            with socket.create_connection(address) as line:
                line.sendall(start)
                line.settimeout(0.1)

                def is_cut(line: socket.socket = line) -> bool:
                    try:
                        line.sendall(b"a")
                        return line.recv(1000) == b""
                    except TimeoutError:
                        return False
                    except OSError:
                        return True

                wait_for(is_cut, "the client to be cut", 60.0)
    finally:
        server.stop()
        thread.join()


def test_a_database_that_fails_is_no_bad_request(dsp: Dsp, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> bytes:
        raise DatabaseFailed("cannot use the registry", "another process is writing to it", "wait")

    monkeypatch.setattr(dsp.service, "answer", fails)
    status, body = send_here(Application(dsp.service), D, b"<a/>")
    assert status.startswith("503")
    assert body.count(b"\n") == 1
    assert b"registry" not in body


def test_many_at_once_all_get_their_answer(service: tuple[Process, Dsp]) -> None:
    """None is left waiting for the database while others pass it."""
    process, dsp = service
    documents = [signed(dsp, ppmid_request(dsp)) for _ in range(60)]
    found = []

    def ask(octets: bytes) -> None:
        found.append(post(process.url, D, octets)[0])

    threads = [threading.Thread(target=ask, args=(octets,)) for octets in documents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * len(documents)


# --- at random


def test_changed_documents(dsp: Dsp) -> None:
    application, mutants, choose = Application(dsp.service), Mutants(dsp, 20), random.Random(20)
    seen = set()
    for _ in range(250):
        octets = mutants.next()
        status, body = send_here(application, choose.choice((*PATHS, PERMIT_PATH)), octets)
        seen.add(check(dsp, status, body))
    # they get past the parser, and past the signature
    assert {"400", "E11", "E100", "I0"} <= seen
