"""`hanboot library search`, `get` and `put` with a library that another process serves, and with
servers that lie: whatever they send, no file with a name appears that is not the image."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Ran, assert_error, hanboot
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from library_service import Filled, Service, serving, suppliers_own, with_library
from registries import KEY, entry_of, make_image

from hanboot.files import IMAGE_MAX_BYTES
from hanboot.image.ota_file import Image
from hanboot.trust import keys

FIRST = make_image(1, cpl_entry_id="E-1")
SECOND = make_image(2, [(1, FIRST.image_hash, "E-1")], cpl_entry_id="E-2")
ON_CPL = [entry_of(FIRST, 1), entry_of(SECOND, 2, [1])]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    made = Filled(tmp_path_factory.mktemp("served") / "library", ON_CPL)
    made.listed(FIRST, predecessors="N/A")
    made.listed(SECOND, predecessors="E-1")
    yield made
    made.library.registry.database.close()


@pytest.fixture
def token(filled: Filled) -> Path:
    return filled.token_file("south")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a registry of the supplier's own, and the manufacturer's public key."""
    return suppliers_own(tmp_path, ON_CPL, KEY.public_pem())


def get(here: Path, url: str, token: Path, *more: object, wanted: str = "E-2") -> Ran:
    options = with_library(url, token, {"--registry": here / "registry.db", "-o": here / "images"})
    return hanboot("library", "get", wanted, *options, *(more or checked(here)))


def checked(here: Path) -> tuple[object, ...]:
    return ("--manufacturer-public-key", here / "maker.pub.pem", "--acknowledge")


def image_file(here: Path, image: Image = SECOND) -> Path:
    return here / "images" / f"{image.image_hash.hex()}.ota"


def left(here: Path) -> list[str]:
    """Names of images that appeared; what a later attempt goes on from has none."""
    folder = here / "images"
    return sorted(p.name for p in folder.iterdir() if p.suffix == ".ota") if folder.exists() else []


# --- the way it should go


def test_search(service: Service, token: Path) -> None:
    found = hanboot("library", "search", "E-2", *with_library(service.url, token), "--json")
    assert found.code == 0, found.err
    (entry,) = found.document
    assert entry["image_hash"] == SECOND.image_hash.hex()
    # what is for the SSC alone does not come along
    assert "Example Radios" not in found.out
    shown = hanboot("library", "search", "", *with_library(service.url, token))
    assert [line.split()[:2] for line in shown.out.splitlines()] == [["2", "E-2"], ["1", "E-1"]]
    assert "nothing" in hanboot("library", "search", "E-9", *with_library(service.url, token)).out


def test_get(service: Service, token: Path, here: Path) -> None:
    # no terminal, where a person could say that the notes were read
    asked = get(here, service.url, token, *checked(here)[:2])
    assert asked.code == 130
    assert "Wait for the evening." in asked.err
    assert left(here) == []

    done = get(here, service.url, token)
    assert done.code == 0, done.err
    assert image_file(here).read_bytes() == SECOND.octets
    assert KEY.public.kid.hex() in done.out
    # the second time nothing is fetched: the address is wrong, and not asked
    again = get(here, "http://127.0.0.1:9", token)
    assert again.code == 0, again.err
    by_hash = get(here, service.url, token, wanted=FIRST.image_hash.hex())
    assert by_hash.code == 0, by_hash.err
    assert image_file(here, FIRST).read_bytes() == FIRST.octets


def test_get_with_a_snapshot(service: Service, token: Path, here: Path) -> None:
    (here / "key.pem").write_bytes(KEY.pem())
    (here / "key.pem").chmod(0o600)
    made = hanboot(
        *("registry", "snapshot", "--registry", here / "registry.db"),
        *("-o", here / "cpl.snapshot", "--key", here / "key.pem"),
    )
    assert made.code == 0, made.err
    (here / "registry.db").unlink()
    signed = ("--snapshot", here / "cpl.snapshot", "--snapshot-key", here / "maker.pub.pem")
    done = get(here, service.url, token, *checked(here), *signed)
    assert done.code == 0, done.err
    assert left(here) == [image_file(here).name]


def test_another_manufacturers_key(service: Service, token: Path, here: Path) -> None:
    (here / "maker.pub.pem").write_bytes(keys.generate().public_pem())
    refused = get(here, service.url, token)
    assert_error(refused, 1, "does not verify")
    assert left(here) == []
    # without a key nothing is taken, unless it is said that the device will check
    assert_error(get(here, service.url, token, "--acknowledge"), 2, "cannot be checked")
    assert get(here, service.url, token, "--acknowledge", "--hash-only").code == 0


def test_put(service: Service, filled: Filled, here: Path) -> None:
    maker = with_library(service.url, filled.token_file("volt"))
    third = make_image(3, [(2, SECOND.image_hash, "E-2")], cpl_entry_id="E-3")
    (here / "3.ota").write_bytes(third.octets)
    (here / "notes.txt").write_text("Line one.\nLine two.\n")
    said = ("--field", "device_type=PPMID", "--field", "join_option=2.4 GHz Only")
    said += ("--note", f"release_notes=@{here / 'notes.txt'}", "--extra", "colour=blue")

    wrong = hanboot("library", "put", here / "3.ota", *said, "--field", "predecessors=N/A", *maker)
    assert_error(wrong, 1, "the library refused")
    assert "E-2" in wrong.err
    checked = hanboot("library", "put", here / "3.ota", *said, "--check", *maker)
    assert checked.code == 0, checked.err
    done = hanboot("library", "put", here / "3.ota", *said, *maker, "--json")
    assert done.code == 0, done.err
    shown = hanboot("library", "search", "E-3", "--state", "any", *maker, "--json").document
    assert shown[0]["number"] == done.document["number"]
    assert shown[0]["extra"] == {"colour": "blue"}
    assert shown[0]["notes"]["release_notes"].splitlines() == ["Line one.", "Line two."]
    # it waits for its review: another party does not see it
    other = with_library(service.url, filled.token_file("metering"))
    assert hanboot("library", "search", "E-3", "--state", "any", *other, "--json").document == []


# --- tokens and addresses


def test_a_token_that_others_can_read(service: Service, token: Path, here: Path) -> None:
    shared = here / "token"
    shared.write_text(token.read_text())
    shared.chmod(0o640)
    refused = get(here, service.url, shared)
    assert_error(refused, 5, "is not safe")
    assert "chmod 600" in refused.err
    assert token.read_text().strip() not in refused.err + refused.out


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "no token"),
        (b"a b\n", "no token"),
        (b"x" * 300, "no token"),
        (b"\xff\xfe", "no token"),
    ],
)
def test_a_file_without_a_token(octets: bytes, why: str, here: Path) -> None:
    path = here / "token"
    path.touch(0o600)
    path.write_bytes(octets)
    assert_error(get(here, "http://127.0.0.1:9", path), 5, "no token")


def test_a_token_that_is_not_known(service: Service, here: Path) -> None:
    path = here / "token"
    path.touch(0o600)
    path.write_text("hbl_wrong")
    assert_error(get(here, service.url, path), 1, "not known")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://library.example", "without TLS"),
        ("http://192.0.2.1:8080", "without TLS"),
        ("ftp://127.0.0.1", "not https"),
        ("library.example", "https://HOST"),
        ("https://user:secret@library.example", "nothing else"),
        ("https://library.example?x=1", "nothing else"),
        ("https://library.example:port", "no number"),
    ],
)
def test_addresses_that_are_refused(url: str, why: str, token: Path, here: Path) -> None:
    refused = get(here, url, token)
    assert_error(refused, 2, "cannot be used")
    assert why in refused.err
    assert "secret" not in refused.err


def test_nobody_listens(token: Path, here: Path) -> None:
    assert_error(get(here, "http://127.0.0.1:9", token), 4, "does not answer")


# --- TLS


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 or another host by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def test_tls_is_verified(filled: Filled, token: Path, here: Path) -> None:
    own, key = certificate(here / "own", "127.0.0.1")
    other, _ = certificate(here / "other", "127.0.0.1")
    with serving(filled, "--tls-certificate", own, "--tls-key", key) as service:
        assert service.url.startswith("https://")
        assert_error(get(here, service.url, token), 4, "cannot be trusted", "--library-ca")
        refused = get(here, service.url, token, *checked(here), "--library-ca", other)
        assert_error(refused, 4, "cannot be trusted")
        done = get(here, service.url, token, *checked(here), "--library-ca", own)
        assert done.code == 0, done.err
    # a certificate that is trusted, and of another host
    own, key = certificate(here / "elsewhere", "127.0.0.2")
    image_file(here).unlink()
    with serving(filled, "--tls-certificate", own, "--tls-key", key) as service:
        refused = get(here, service.url, token, *checked(here), "--library-ca", own)
        assert_error(refused, 4, "cannot be trusted")
    no_certificate = get(here, "https://127.0.0.1:9", token, *checked(here), "--library-ca", token)
    assert_error(no_certificate, 5, "cannot be used to check certificates")


# --- servers that lie


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers as a library with one entry does, but for what a test replaces."""

    protocol_version = "HTTP/1.1"
    entry: dict[str, Any]
    send_image: Callable[[Liar], None]
    send_entry: Callable[[Liar], None] | None = None
    asked: list[tuple[str, str | None]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Range")))
        with contextlib.suppress(ConnectionError):
            if "/image" in self.path:
                type(self).send_image(self)
            elif type(self).send_entry is not None:
                type(self).send_entry(self)
            elif "?" in self.path:
                self.document({"entries": [self.entry], "page": 1, "more": False})
            else:
                self.document({**self.entry, "decisions": [], "download": "ready", "why_not": None})

    def document(self, document: object) -> None:
        octets = json.dumps(document).encode()
        self.head(200, len(octets))
        self.wfile.write(octets)

    def head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()

    def octets(self, octets: bytes) -> None:
        self.head(200, len(octets))
        self.wfile.write(octets)


def described(image: Image) -> dict[str, Any]:
    return {
        "number": 1,
        "revision": 1,
        "state": "listed",
        "party": "Liar",
        "cpl_entry_id": "E-2",
        "device_type": "PPMID",
        "model": "FFF000050100",
        "firmware_version": "00000002",
        "image_hash": image.image_hash.hex(),
        "image_sha256": "00" * 32,
        "is_commercial": False,
        "notes": {},
        "delivery": {},
    }


@contextlib.contextmanager
def lying(
    send_image: Callable[[Liar], None] = lambda liar: liar.octets(SECOND.octets),
    send_entry: Callable[[Liar], None] | None = None,
    **entry: Any,
) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    made = type(
        "Made",
        (Liar,),
        {
            "entry": described(SECOND) | entry,
            "send_image": send_image,
            "send_entry": send_entry,
            "asked": [],
        },
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", made.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def changed(at: int) -> bytes:
    octets = bytearray(SECOND.octets)
    octets[at] ^= 1
    return bytes(octets)


def endless(liar: Liar) -> None:
    """No length; more than any image has, then on for as long as it is read."""
    liar.head(200, None)
    piece = bytes(64 * 1024)
    for _ in range(4 * IMAGE_MAX_BYTES // len(piece)):
        liar.wfile.write(piece)


def longer_than_said(liar: Liar) -> None:
    liar.head(206, None, Content_Range=f"bytes 0-{len(SECOND.octets) - 1}/{len(SECOND.octets)}")
    liar.wfile.write(SECOND.octets + bytes(100))


LIES: dict[str, tuple[Callable[[Liar], None], str]] = {
    "a byte of the payload": (
        lambda liar: liar.octets(changed(len(SECOND.octets) - 1)),
        "is not the image",
    ),
    "a byte of the version in the header": (
        lambda liar: liar.octets(changed(14)),
        "E-2",
    ),
    "truncated": (lambda liar: liar.octets(SECOND.octets[:-10]), "is not the image"),
    "another image, with its right hash": (
        lambda liar: liar.octets(FIRST.octets),
        "is not the image",
    ),
    "nothing": (lambda liar: liar.octets(b""), "is not the image"),
    "no image": (lambda liar: liar.octets(b"<html>" * 100), "is not the image"),
    "redirected": (
        lambda liar: liar.head(302, 0, Location="http://127.0.0.1:9/elsewhere"),
        "sends elsewhere",
    ),
    "redirected for good": (
        lambda liar: liar.head(308, 0, Location="https://library.example/"),
        "sends elsewhere",
    ),
    "endless": (endless, "is not its image"),
    "too much announced": (
        lambda liar: liar.head(200, IMAGE_MAX_BYTES + 1),
        "is not its image",
    ),
    "more than was said": (longer_than_said, "is not its image"),
    "an error without words": (lambda liar: liar.head(500, 0), "refused"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_about_the_image(lie: str, token: Path, here: Path) -> None:
    send, words = LIES[lie]
    with lying(send) as (url, asked):
        refused = get(here, url, token)
    assert_error(refused, 1, words)
    assert left(here) == []
    assert any("/image" in path for path, _ in asked)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"entries": 1},
        {"entries": [{}], "more": False},
        {"entries": [{"number": "x"}], "more": False},
        "text",
    ],
)
def test_answers_of_no_library(answer: Any, token: Path, here: Path) -> None:
    with lying(send_entry=lambda liar: liar.document(answer)) as (url, _):
        assert_error(get(here, url, token), 4, "does not answer as a library does")


def test_an_answer_without_end(token: Path, here: Path) -> None:
    with lying(send_entry=endless) as (url, _):
        refused = get(here, url, token)
    assert_error(refused, 4, "longer than")


def test_the_hash_is_never_the_servers(token: Path, here: Path) -> None:
    """It says that another image has the hash that is looked for, and hands that out."""
    with lying(lambda liar: liar.octets(FIRST.octets)) as (url, _):
        assert_error(get(here, url, token), 1, SECOND.image_hash.hex())
    # and an entry that is of another hash is passed by
    with lying(image_hash=FIRST.image_hash.hex()) as (url, asked):
        assert_error(get(here, url, token), 1, "has no image")
    assert not any("/image" in path for path, _ in asked)


# --- resumed


def breaking(pieces: list[int]) -> Callable[[Liar], None]:
    """Sends so many bytes of what is asked for, then breaks off; then all."""

    def send(liar: Liar) -> None:
        wanted = liar.headers.get("Range", "bytes=0-")
        first = int(wanted.removeprefix("bytes=").rstrip("-"))
        octets, total = SECOND.octets[first:], len(SECOND.octets)
        span = f"bytes {first}-{total - 1}/{total}"
        liar.head(206 if first else 200, len(octets), **({"Content_Range": span} if first else {}))
        liar.wfile.write(octets[: pieces.pop(0)] if pieces else octets)
        liar.close_connection = True

    return send


def test_a_download_goes_on_after_a_break(token: Path, here: Path) -> None:
    with lying(breaking([100, 50, 20])) as (url, asked):
        done = get(here, url, token)
    assert done.code == 0, done.err
    assert image_file(here).read_bytes() == SECOND.octets
    assert [each for path, each in asked if "/image" in path] == [
        None,
        "bytes=100-",
        "bytes=150-",
        "bytes=170-",
    ]


def test_a_download_goes_on_with_the_next_command(token: Path, here: Path) -> None:
    with lying(breaking([100, 0, 0, 0, 0])) as (url, _):
        broken = get(here, url, token)
    assert_error(broken, 4, "broke off")
    assert left(here) == []
    with lying(breaking([])) as (url, asked):
        assert get(here, url, token).code == 0
    assert "bytes=100-" in [each for _, each in asked]
    assert image_file(here).read_bytes() == SECOND.octets


def test_a_first_part_of_something_else(token: Path, here: Path) -> None:
    """What an earlier attempt left may be anything: it costs one more attempt, and nothing else."""
    (here / "images").mkdir()
    partial = here / "images" / f".{SECOND.image_hash.hex()}.partial"
    partial.write_bytes(b"x" * 100)
    with lying(breaking([])) as (url, _):
        assert get(here, url, token).code == 0
    assert image_file(here).read_bytes() == SECOND.octets


def test_a_part_from_another_place(token: Path, here: Path) -> None:
    """A server that answers a Range with another one is not believed."""
    (here / "images").mkdir()
    (here / "images" / f".{SECOND.image_hash.hex()}.partial").write_bytes(SECOND.octets[:100])

    def elsewhere(liar: Liar) -> None:
        total = len(SECOND.octets)
        liar.head(206, total - 50, Content_Range=f"bytes 50-{total - 1}/{total}")
        liar.wfile.write(SECOND.octets[50:])

    with lying(elsewhere) as (url, _):
        assert_error(get(here, url, token), 1, "is not its image")
    assert left(here) == []
