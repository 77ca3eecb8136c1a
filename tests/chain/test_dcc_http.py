"""The service and the supplier's inbox as processes of their own, over HTTP: the way there and
back, and what is refused before a document is read."""

from __future__ import annotations

import datetime
import http.client
import http.server
import io
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import published
import pytest
from command_line import assert_error, command, hanboot
from dsp import BROKER, HCALCS, IHD, OTHER, PPMID, SUPPLIER, Dsp, ppmid_alert
from serving import Process, serving, until

from hanboot.dcc import http_client, http_server, parties
from hanboot.dcc.inbox import Inbox
from hanboot.duis import building, parsing, precommand, requests, responses, signature
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import DOCUMENT_MAX_BYTES
from hanboot.errors import WrongUsage
from hanboot.http.listen import Listen
from hanboot.trust.smki import certificate as smki

D, S, T = http_server.PATHS


@pytest.fixture
def dsp(tmp_path, pki):
    made = Dsp(tmp_path, pki)
    made.close()
    return made


def write(path: Path, octets: bytes) -> Path:
    path.write_bytes(octets)
    return path


# --- the way there and back


def test_submit(dsp, tmp_path, pki):
    asked = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    file = write(tmp_path / "r.xml", dsp.signed(asked))
    schema = ("--schema", published.SCHEMAS) if published.SCHEMAS.exists() else ()
    trusted = ("--certificate", pki / "dsp-xml.pem")
    with serving(dsp, *schema) as service:
        to = ("--to", service.url)
        ran = hanboot("dcc", "submit", file, *to, *trusted, "-o", tmp_path / "a.xml", "--json")
        assert ran.code == 0, ran.err
        device = ran.document["body"]["dsp_inventory"]["device"]
        assert device["device_firmware_version"] == "01000000"
        assert hanboot("duis", "verify", tmp_path / "a.xml", *trusted).code == 0
        # an answer by another party than the DSP is none
        ran = hanboot("dcc", "submit", file, *to, "--certificate", pki / "supplier-xml.pem")
        assert_error(ran, 1, "no such certificate")
        assert hanboot("dcc", "submit", file, *to).code == 2
        # refused
        image = write(tmp_path / "plain.ota", dsp.ppmid_image.octets)
        made = ("--originator", SUPPLIER, "--target", BROKER, "--counter", "2000")
        request = ("duis", "request", "11.4", *made, "--image", image, "--device", PPMID)
        hanboot(*request, "-o", tmp_path / "u.xml")
        signer = ("--certificate", pki / "supplier-xml.pem")
        key = ("--signing-key", pki / "supplier-xml.key.pem")
        hanboot("duis", "sign", tmp_path / "u.xml", *key, *signer, "-o", tmp_path / "s.xml")
        submit = ("dcc", "submit", tmp_path / "s.xml", *to, *trusted)
        ran = hanboot(*submit, "--hash", "00" * 32)
        assert_error_after_output(ran, "the request was refused: E110402")
        ran = hanboot(*submit, "--hash", dsp.ppmid_image.image_hash.hex())
        assert ran.code == 0, ran.err
    ran = hanboot("dcc", "submit", file, "--to", service.url, *trusted)
    assert_error(ran, 4, "was not answered")


def assert_error_after_output(ran, text):
    assert ran.code == 1
    assert text in ran.err


def test_answers_reach_the_inbox(dsp, tmp_path, pki):
    """A device's alert becomes a file of the supplier, once, although the service was killed."""
    trusted = ("--certificate", pki / "dsp-xml.pem")
    inbox = Process("dcc", "inbox", tmp_path / "in", *trusted)
    try:
        address = ("--eui", SUPPLIER, "--answers", inbox.url)
        assert hanboot("dcc", "party", "--registry", dsp.path, *address).code == 0
        # what a hub handed over before the service was killed
        dsp.open()
        octets = dsp.says(
            "ppmid",
            ppmid_alert(1, "01000000"),
        )
        assert dsp.devices.take(octets)
        dsp.close()
        for _ in range(2):
            with serving(dsp) as service:
                until(lambda: list((tmp_path / "in").glob("*.xml")), "an alert in the inbox")
                service.kill()
        kept = list((tmp_path / "in").glob("*.xml"))
        assert [path.name.split("-")[1] for path in kept] == ["DCCAlertMessage"]
    finally:
        assert "Traceback" not in inbox.stop()


def test_the_records_by_hand(dsp, pki):
    registry = ("--registry", dsp.path)
    ran = hanboot("dcc", "party", *registry, "--json")
    assert [one["eui"] for one in ran.document] == [SUPPLIER, "90-B3-D5-1F-30-02-00-00"]
    wrong = ("--eui", SUPPLIER, "--certificate", pki / "broker-ds.pem")
    assert_error(hanboot("dcc", "party", *registry, *wrong), 2, "is not of")
    held = ("--certificate", pki / "hcalcs-ds.pem", "--certificate", pki / "hcalcs-ka.pem")
    ran = hanboot(
        "dcc", "assign", HCALCS, *registry, "--supplier", SUPPLIER, "--hub", "/run/hub", *held
    )
    assert ran.code == 0, ran.err
    # a hub of this folder stays it, wherever the service is started
    relative = ("--supplier", SUPPLIER, "--hub", "hub.sock")
    ran = hanboot("dcc", "assign", HCALCS, *registry, *relative)
    assert f"hub {Path.cwd() / 'hub.sock'}" in ran.out
    ran = hanboot("dcc", "trust", *registry, pki / "hub-ds.pem", pki / "hub-ka.pem")
    assert "hub-ds.pem: device 00-DB-12-34-56-78-90-A1" in ran.out
    assert_error(hanboot("dcc", "trust", *registry, pki / "root.pem"), 2, "is an authority's")
    unknown = ("dcc", "assign", "00-DB-12-34-56-78-90-FF", *registry)
    assert_error(hanboot(*unknown, "--supplier", SUPPLIER, "--hub", "/x"), 2)


# --- before a document is read


@pytest.fixture(scope="module")
def service(tmp_path_factory, pki):
    made = Dsp(tmp_path_factory.mktemp("dsp"), pki)
    made.close()
    with serving(made) as process:
        yield process, made


def send(process, method, path, body=None, headers=None, kind="application/xml"):
    parts = urlsplit(process.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    try:
        connection.request(method, path, body, {"Content-Type": kind, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_http_refuses(service):
    process, dsp = service
    document = dsp.signed(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))
    assert send(process, "GET", D)[0] == 405
    assert send(process, "PUT", D, document)[0] == 405
    for path in ("/", "/api/v1/serviceX", "/api/v1/serviceD/..", "/api/v1"):
        assert send(process, "POST", path, document)[0] == 404
    for kind in ("text/xml", "application/json", "", "application/xml-dtd"):
        assert send(process, "POST", D, document, kind=kind)[0] == 415
    assert send(process, "POST", D, document, kind="Application/XML; charset=utf-8")[0] == 200
    headers = {http_server.HASH_HEADER: "xyz"}
    assert send(process, "POST", D, document, headers)[0] == 400
    for body in (b"", b"hello", b"<a/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"):
        status, text = send(process, "POST", D, body)
        assert status == 400
        assert text.count(b"\n") == 1
        assert b"Traceback" not in text


def test_a_body_that_is_too_long(service):
    """Refused by its length alone: nothing of it is read."""
    process, _ = service
    parts = urlsplit(process.url)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        head = f"POST {D} HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"
        line.sendall(f"{head}Content-Length: {DOCUMENT_MAX_BYTES + 1}\r\n\r\n".encode())
        assert line.recv(100).split()[1] == b"413"
    # one that does not say how long it is
    with socket.create_connection((parts.hostname, parts.port)) as line:
        line.sendall(f"{head}\r\n".encode())
        assert line.recv(100).split()[1] in (b"411", b"413")


def test_each_variant_has_its_path(service):
    process, dsp = service
    asked = {
        D: requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID),
        S: requests.read_firmware_version(dsp.request_id(PPMID), 1),
        T: requests.activate_firmware(dsp.request_id(HCALCS), bytes(32)),
    }
    for right, root in asked.items():
        octets = dsp.signed(root)
        for path in (D, S, T):
            if path != right:
                status, answer = send(process, "POST", path, octets)
                assert (status, dsp.read(answer)["response_code"]) == (200, "E11")
        status, answer = send(process, "POST", right, octets)
        assert dsp.read(answer)["response_code"] in ("I0", "I99")


def test_at_once(service):
    """Several clients at a time: each gets its own answer, and no counter is taken twice."""
    process, dsp = service
    octets = dsp.signed(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))
    answers: list[bytes] = []

    def ask():
        answers.append(send(process, "POST", D, octets)[1])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


# --- where it listens


def test_only_with_tls_beyond_this_machine(dsp, pki):
    arguments = ("dcc", "serve", "--registry", dsp.path, "--keys", pki)
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.com:80"):
        ran = hanboot(*arguments, "--listen", address)
        assert_error(ran, 2, "does not listen at", "--behind-proxy")
    for address in ("127.0.0.1", "127.0.0.1:x", ":80", "127.0.0.1:65536"):
        assert_error(hanboot(*arguments, "--listen", address), 2, "no address to listen at")
    assert hanboot(*arguments, "--tls-certificate", pki / "root.pem").code == 2
    for listen in (
        Listen("127.0.0.1", 0),
        Listen("::1", 0),
        Listen("localhost", 0),
        Listen("0.0.0.0", 0, behind_proxy=True),
    ):
        listen.check()


def test_tls(dsp, tmp_path, pki):
    arguments = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    arguments += ["-nodes", "-keyout", "tls.key", "-out", "tls.pem", "-subj", "/CN=localhost"]
    arguments += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(arguments, check=True, cwd=tmp_path, capture_output=True)
    tls = ("--tls-certificate", tmp_path / "tls.pem", "--tls-key", tmp_path / "tls.key")
    asked = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    file = write(tmp_path / "r.xml", dsp.signed(asked))
    with serving(dsp, *tls) as service:
        assert service.url.startswith("https://")
        submit = ("dcc", "submit", file, "--to", service.url, "--certificate", pki / "dsp-xml.pem")
        # a certificate without an issuer that is trusted is not taken
        assert_error(hanboot(*submit), 4, "certificate")
        done = subprocess.run(
            command(*submit),
            env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "tls.pem")},
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr


def test_bad_keys(dsp, tmp_path, pki):
    (tmp_path / "empty").mkdir()
    ran = hanboot("dcc", "serve", "--registry", dsp.path, "--keys", tmp_path / "empty")
    assert_error(ran, 5, "dsp-xml.pem")


# --- callbacks


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Redirects, or answers with an error, or never."""

    def do_POST(self):
        server = self.server
        server.asked.append(self.path)
        if self.path == "/redirect":
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/other")
        elif self.path == "/error":
            self.send_response(400)
        else:
            self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def elsewhere():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_callbacks_follow_nothing(elsewhere, monkeypatch):
    base = f"http://127.0.0.1:{elsewhere.server_port}"
    http_client.post(f"{base}/answers", b"<a/>")
    for path, word in (("/redirect", "307"), ("/error", "400")):
        with pytest.raises(http_client.Undelivered, match=word):
            http_client.post(base + path, b"<a/>")
    assert elsewhere.asked == ["/answers", "/redirect", "/error"]
    # a proxy that the environment names is not asked
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    http_client.post(f"{base}/answers", b"<a/>")
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "no address"):
        with pytest.raises(http_client.Undelivered):
            http_client.post(url, b"<a/>")
        with pytest.raises(WrongUsage):
            parties.check_url(url)


def test_an_address_that_redirects_gets_nothing_elsewhere(dsp, elsewhere):
    """The document waits, whole, until its party has an address that takes it."""
    base = f"http://127.0.0.1:{elsewhere.server_port}"

    def answers_to(url):
        party = parties.ServiceParty(SUPPLIER, "supplier", smki.SUPPLIER, url)
        parties.add_party(dsp.registry.database, party, [])

    dsp.open()
    answers_to(f"{base}/redirect")
    alert = ppmid_alert(1, "01000000")
    assert dsp.devices.take(dsp.says("ppmid", alert))
    dsp.dispatcher.work()
    assert elsewhere.asked == ["/redirect"]
    waiting = dsp.outgoing()
    assert [party for party, _ in waiting] == [SUPPLIER]
    # nothing listens there: it waits on
    answers_to("http://127.0.0.1:9/answers")
    dsp.time += datetime.timedelta(minutes=1)
    dsp.dispatcher.work()
    assert dsp.outgoing() == waiting
    answers_to(f"{base}/answers")
    dsp.time += datetime.timedelta(minutes=1)
    dsp.dispatcher.work()
    assert elsewhere.asked == ["/redirect", "/answers"]
    assert dsp.outgoing() == []
    dsp.close()


def test_callbacks_do_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(http_client.Undelivered, match="timed out"):
            http_client.post(f"http://127.0.0.1:{port}/", b"<a/>")


def test_addresses_that_no_document_can_go_to():
    """None of them may stop what is due to others: each is a document that was not delivered."""
    for url in (
        "http://a..b/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:9/with space",
        "http://127.0.0.1:9/\u00e4",
        "http://127.0.0.1:9/\r\nX: y",
        f"http://{'a' * 70}.example/",
        "http://@127.0.0.1/",
    ):
        with pytest.raises(http_client.Undelivered):
            http_client.post(url, b"<a/>")
        with pytest.raises(WrongUsage, match="cannot take answers"):
            parties.check_url(url)
    for url in ("http://127.0.0.1:9000/", "https://example.com/a?b=c", "http://[::1]:9/"):
        parties.check_url(url)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_an_answer_that_drips_is_cut(monkeypatch, start):
    """An octet now and then: no time-out of a single step ends that."""
    monkeypatch.setattr(http_client, "EXCHANGE_S", 0.5)
    is_over = threading.Event()

    def drip(listener):
        line, _ = listener.accept()
        with line:
            try:
                line.sendall(start)
                while not is_over.wait(0.05):
                    line.sendall(b"H")
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises(http_client.Undelivered, match="took longer than"):
                http_client.post(url, b"<a/>")
        finally:
            is_over.set()
            thread.join()


# --- answers to something else


class Kept(http.server.BaseHTTPRequestHandler):
    """Replays an answer."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def kept():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kept)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_answer_to_another_request_is_none(dsp, tmp_path, pki, kept):
    dsp.open()
    first, second = (
        dsp.signed(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))
        for _ in range(2)
    )
    kept.answer = dsp.service.answer(first)
    url = f"http://127.0.0.1:{kept.server_port}"
    output = tmp_path / "answer.xml"
    submit = ("--to", url, "--certificate", pki / "dsp-xml.pem", "-o", output)
    ran = hanboot("dcc", "submit", write(tmp_path / "second.xml", second), *submit)
    assert_error(ran, 1, "is not to this request")
    assert not output.exists()
    assert hanboot("dcc", "submit", write(tmp_path / "first.xml", first), *submit).code == 0
    assert output.read_bytes() == kept.answer
    for nothing in (b"", b"hello", b"<html/>", first):
        kept.answer = nothing
        ran = hanboot("dcc", "submit", tmp_path / "first.xml", *submit)
        assert ran.code == (1 if nothing == first else 4), ran.err
        assert output.read_bytes() != nothing
    dsp.close()


def test_a_permit_of_another_request_is_none(dsp, tmp_path, pki, kept):
    dsp.open()

    def asking(*devices, originator=SUPPLIER, name="supplier-xml"):
        request_id = dsp.request_id(BROKER, originator)
        euis = [smki.parse_eui(device) for device in devices]
        return dsp.signed(requests.update_ppmid_firmware(request_id, dsp.ppmid_image, euis), name)

    one, two = asking(PPMID), asking(PPMID, IHD)
    url = f"http://127.0.0.1:{kept.server_port}"
    file = tmp_path / "a.permit"
    submit = ("--to", url, "--certificate", pki / "dsp-xml.pem", "--permit", file)
    kept.answer = dsp.service.answer(one, for_permit=True)
    ran = hanboot("dcc", "submit", write(tmp_path / "one.xml", one), *submit)
    assert ran.code == 0, ran.err
    assert file.read_bytes() == kept.answer
    other = asking(PPMID, originator=OTHER, name="other-supplier-xml")
    ran = hanboot("dcc", "submit", write(tmp_path / "other.xml", other), *submit)
    assert_error(ran, 1, "is not for this request", "party")
    kept.answer = dsp.service.answer(two, for_permit=True)
    ran = hanboot("dcc", "submit", tmp_path / "one.xml", *submit)
    assert_error(ran, 1, "is not for this request", IHD)
    assert file.read_bytes() != kept.answer
    dsp.close()


def test_a_permit_from_before_is_none(dsp, tmp_path, pki, kept):
    dsp.open()
    dsp.service._permit_valid = datetime.timedelta(seconds=-1)
    asked = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), dsp.ppmid_image, [smki.parse_eui(PPMID)]
    )
    octets = dsp.signed(asked)
    kept.answer = dsp.service.answer(octets, for_permit=True)
    file, url = tmp_path / "a.permit", f"http://127.0.0.1:{kept.server_port}"
    submit = ("--to", url, "--certificate", pki / "dsp-xml.pem", "--permit", file)
    request = write(tmp_path / "request.xml", octets)
    assert_error(hanboot("dcc", "submit", request, *submit), 1, "is not valid now")
    assert not file.exists()
    # nor is one to a request that is for no image
    other = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    ran = hanboot("dcc", "submit", write(tmp_path / "other.xml", dsp.signed(other)), *submit)
    assert_error(ran, 1, "is not for this request")
    assert not file.exists()
    dsp.close()


def test_a_request_for_a_permit_that_was_led_to_a_distribution(dsp, tmp_path, pki, kept):
    dsp.open()
    asked = requests.update_ppmid_firmware(
        dsp.request_id(BROKER), dsp.ppmid_image, [smki.parse_eui(PPMID)]
    )
    octets = dsp.signed(asked)
    kept.answer = dsp.service.answer(octets)
    file, url = tmp_path / "a.permit", f"http://127.0.0.1:{kept.server_port}"
    submit = ("--to", url, "--certificate", pki / "dsp-xml.pem", "--permit", file)
    ran = hanboot("dcc", "submit", write(tmp_path / "request.xml", octets), *submit)
    assert_error(ran, 1, "was taken for a distribution", "I0")
    assert not file.exists()
    dsp.close()


def test_an_answer_to_another_step_is_none(dsp, tmp_path, pki, kept):
    """Both steps of an activation have one RequestID: the first one's answer sends nothing."""
    dsp.open()
    url = f"http://127.0.0.1:{kept.server_port}"
    submit = ("--to", url, "--certificate", pki / "dsp-xml.pem")
    asked = requests.activate_firmware(dsp.request_id(HCALCS), dsp.signed_image.image_hash)
    first = dsp.signed(asked)
    pre_command = dsp.service.answer(first)
    signing = dsp.key("supplier-ds")
    command = precommand.compare(asked, parsing.parse(pre_command))
    second = dsp.signed(precommand.sign(asked, command, 5, signing))
    acknowledged = dsp.service.answer(second)
    for number, octets, right, other in (
        (1, first, pre_command, acknowledged),
        (2, second, acknowledged, pre_command),
    ):
        file = write(tmp_path / f"step-{number}.xml", octets)
        kept.answer = other
        assert_error(hanboot("dcc", "submit", file, *submit), 1, "another step of this request")
        kept.answer = right
        ran = hanboot("dcc", "submit", file, *submit)
        assert ran.code == 0, ran.err
    dsp.close()


@pytest.mark.parametrize("body", [("DeviceAlertMessage", []), ("ResponseMessage", "words")])
def test_an_answer_with_nothing_in_it(dsp, tmp_path, pki, kept, body):
    """Signed by the DSP all the same."""
    dsp.open()
    asked = requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID)
    header = [
        ("RequestID", str(RequestID.of(asked))),
        ("ResponseCode", "I0"),
        ("ResponseDateTime", "2026-03-01T10:00:00Z"),
    ]
    kept.answer = dsp.service.sign(building.document("Response", header, body))
    url = f"http://127.0.0.1:{kept.server_port}"
    submit = ("--to", url, "--certificate", pki / "dsp-xml.pem")
    ran = hanboot("dcc", "submit", write(tmp_path / "r.xml", dsp.signed(asked)), *submit)
    assert_error(ran, 1, "is not to this request")
    dsp.close()


# --- the inbox


def ask_inbox(inbox, octets, method="POST", kind="application/xml"):

    found = []
    environ = {
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(octets)),
        "wsgi.input": io.BytesIO(octets),
    }
    inbox(environ, lambda status, headers: found.append(status))
    return found[0].split()[0]


def test_the_inbox(tmp_path, pki, dsp):
    inbox = Inbox(tmp_path, [smki.load(pki / "dsp-xml.pem")])
    asked = RequestID.parse(f"{SUPPLIER}:{PPMID}:1")
    root = responses.response(asked, "11.2", responses.ACKNOWLEDGED, dsp.time)
    unsigned = signature.to_octets(root)
    signature.sign(root, dsp.key("dsp-xml"), dsp.certificate("dsp-xml"))
    octets = signature.to_octets(root)
    assert ask_inbox(inbox, octets) == "204"
    assert ask_inbox(inbox, octets) == "204"
    assert len(list(tmp_path.glob("*.xml"))) == 1
    request = dsp.signed(requests.read_firmware_version(asked, 1))
    for wrong in (unsigned, octets.replace(b"I99", b"I0"), b"", b"<a/>", request):
        assert ask_inbox(inbox, wrong) == "400"
    assert ask_inbox(inbox, octets, "GET") == "405"
    assert ask_inbox(inbox, octets, kind="text/plain") == "415"
    assert len(list(tmp_path.glob("*.xml"))) == 1


def test_the_inbox_goes_on_where_it_was(tmp_path, pki, dsp):
    """Numbers follow the last one, also where its owner has taken documents away."""

    def document(counter):
        asked = RequestID.parse(f"{SUPPLIER}:{PPMID}:{counter}")
        root = responses.response(asked, "11.2", "I0", dsp.time)
        return dsp.signed(root, "dsp-xml")

    documents = [document(counter) for counter in range(1, 5)]
    held = [smki.load(pki / "dsp-xml.pem")]
    for octets in documents[:3]:
        Inbox(tmp_path, held).keep(octets)
    numbers = lambda: sorted(path.name[:5] for path in tmp_path.glob("*.xml"))  # noqa: E731
    assert numbers() == ["00001", "00002", "00003"]
    (tmp_path / "note-of-its-owner.xml").write_text("")
    next(tmp_path.glob("00001-*")).unlink()
    inbox = Inbox(tmp_path, held)
    inbox.keep(documents[2])
    inbox.keep(documents[3])
    (tmp_path / "note-of-its-owner.xml").unlink()
    assert numbers() == ["00002", "00003", "00004"]


def test_help_is_quick_to_load():
    """The commands load nothing of lxml, cheroot or SQLAlchemy before they run."""
    code = (
        "import sys; import hanboot.cli.dcc, hanboot.cli.duis, hanboot.cli.gbcs, "
        "hanboot.cli.deliver, hanboot.cli.smki; "
        "print([name for name in ('lxml', 'cheroot', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_database_is_not_made_by_serving(tmp_path, pki):
    ran = hanboot("dcc", "serve", "--registry", tmp_path / "none.db", "--keys", pki)
    assert_error(ran, 5, "there is no registry")
    assert not (tmp_path / "none.db").exists()
