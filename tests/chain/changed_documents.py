"""Documents that were changed at random: their octets, or their tree, signed again or not.

    python tests/chain/changed_documents.py SECONDS [SEED]

sends such documents to a service in this process for so long, and prints what it answers.
"""

from __future__ import annotations

import copy
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("chain", "support")]

from dsp import BROKER, HCALCS, IHD, PPMID, Dsp  # noqa: E402

from hanboot.dcc.http_server import PATHS, PERMIT_PATH, XML, Application  # noqa: E402
from hanboot.duis import parsing, precommand, requests, signature  # noqa: E402
from hanboot.duis.names import DS, SR  # noqa: E402
from hanboot.trust.smki.certificate import parse_eui  # noqa: E402

_TOKENS = [
    b"<", b">", b"&", b"]]>", b"<!--", b"-->", b"<![CDATA[", b"<?a?>", b"<!DOCTYPE a>", b"&#0;",
    b"&#x10FFFF;", b"&lt;", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b"'", b'"', b"=",
    b"xmlns=''", b"</", b"/>", b"%", b"\r", b"\xc2\x85", b" ",
]  # fmt: skip
_TEXTS = [
    "", " ", "0", "-1", "1", "8", "4", "99999999999999999999999999", "1e9", "0x10", "NaN", "true",
    "ZZ-ZZ-ZZ-ZZ-ZZ-ZZ-ZZ-ZZ", ":", "::", ",", ",,,,", "x" * 5000, "\u0660\u0661", "\u00bd",
    "11.1", "11.3", "8.2", "99.9", "AAAA", "====", "QQ==", "9999-99-99T99:99:99Z",
    "0001-01-01T00:00:00.00Z", "3000-12-31T00:00:00.00Z", "9999-12-31T23:59:59Z",
    "90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02:18446744073709551616",
    "90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02:\u0661\u0662",
    "90-B3-D5-1F-30-01-00-00", "\u202e", "\ud7ff", "\ue000", "00" * 31, "00" * 33, "fg" * 32,
]  # fmt: skip
_TAGS = [f"{{{SR}}}Request", f"{{{SR}}}ReadInventory", f"{{{DS}}}Signature", "a", f"{{{DS}}}Object",
         f"{{{SR}}}DeviceIDList", f"{{{SR}}}ExecutionDateTime", "{urn:x}Body"]  # fmt: skip


class Mutants:
    """Makes them, the same for one seed.

    Args:
        dsp: whose requests they are made of.
        seed: of the choices.
    """

    def __init__(self, dsp: Dsp, seed: int) -> None:
        self._dsp = dsp
        self._random = random.Random(seed)

    def _whole(self) -> Any:
        dsp = self._dsp
        kinds: list[Callable[[], Any]] = [
            lambda: requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID),
            lambda: requests.update_ppmid_firmware(
                dsp.request_id(BROKER), dsp.ppmid_image, [parse_eui(PPMID), parse_eui(IHD)]
            ),
            lambda: requests.update_firmware(
                dsp.request_id(BROKER), dsp.signed_image, [parse_eui(HCALCS)]
            ),
            lambda: requests.read_firmware_version(dsp.request_id(PPMID), 1),
            lambda: requests.activate_firmware(
                dsp.request_id(HCALCS),
                dsp.signed_image.image_hash,
                cancel=self._random.random() < 0.3,
            ),
            self._signed_pre_command,
        ]
        return self._random.choice(kinds)()

    def _signed_pre_command(self) -> Any:
        dsp = self._dsp
        first = requests.activate_firmware(dsp.request_id(HCALCS), dsp.signed_image.image_hash)
        answer = parsing.parse(dsp.service.answer(dsp.signed(first)))
        command = precommand.compare(first, answer)
        return precommand.sign(first, command, 5, dsp.key("supplier-ds"))

    def next(self) -> bytes:
        root = self._whole()
        if self._random.random() < 0.7:
            root = copy.deepcopy(root)
            for _ in range(self._random.choice((1, 1, 1, 2, 4))):
                self._change_tree(root)
            octets = self._sign(root) if self._random.random() < 0.85 else etree.tostring(root)
        else:
            octets = self._dsp.signed(root)
        if self._random.random() < 0.3:
            octets = self._change_octets(octets)
        return octets

    def _sign(self, root: Any) -> bytes:
        """Signed as it is, though `signature.sign` would refuse to."""
        dsp = self._dsp
        try:
            return dsp.signed(root)
        except Exception:
            return bytes(etree.tostring(root))

    def _change_tree(self, root: Any) -> None:
        every = [one for one in root.iter() if isinstance(one.tag, str)]
        one = self._random.choice(every)
        parent = one.getparent()
        way = self._random.randrange(11)
        if way == 0 and parent is not None:
            parent.remove(one)
        elif way == 1 and parent is not None:
            parent.insert(self._random.randrange(len(parent) + 1), copy.deepcopy(one))
        elif way == 2:
            one.tag = self._random.choice(_TAGS)
        elif way == 3:
            one.tag = f"{{urn:x}}{etree.QName(one).localname}"
        elif way in (4, 5, 6):
            leaves = [leaf for leaf in every if len(leaf) == 0]
            self._random.choice(leaves).text = self._random.choice(_TEXTS)
        elif way == 7:
            one.set(self._random.choice(("a", "schemaVersion", "Id")), self._random.choice(_TEXTS))
        elif way == 8:
            inner = one
            for _ in range(self._random.choice((1, 5, 29, 40))):
                inner = etree.SubElement(inner, self._random.choice(_TAGS))
        elif way == 9:
            one.tail = self._random.choice(_TEXTS)
        else:
            other = self._random.choice(every)
            one.text, other.text = other.text, one.text

    def _change_octets(self, octets: bytes) -> bytes:
        changed = bytearray(octets)
        for _ in range(self._random.choice((1, 1, 3))):
            at = self._random.randrange(len(changed) + 1)
            way = self._random.randrange(5)
            if way == 0 and at < len(changed):
                changed[at] ^= 1 << self._random.randrange(8)
            elif way == 1:
                del changed[at : at + self._random.choice((1, 10, 1000))]
            elif way == 2:
                changed[at:at] = self._random.choice(_TOKENS)
            elif way == 3:
                changed[at:at] = changed[at : at + self._random.choice((1, 50, 500))]
            else:
                del changed[at:]
        return bytes(changed)


def send(application: Application, path: str, octets: bytes) -> tuple[str, bytes]:
    """Status and body of what is answered."""
    seen: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": XML,
        "CONTENT_LENGTH": str(len(octets)),
        "wsgi.input": io.BytesIO(octets),
    }
    body = b"".join(application(environ, lambda status, headers: seen.append(status)))
    return seen[0], body


def check(dsp: Dsp, status: str, body: bytes) -> str:
    """A document of the DSP's or one line; what it is, in a word.

    Raises:
        AssertionError: it is neither.
    """
    if status.startswith("200"):
        if not body.startswith(b"<"):
            return "permit"
        root = parsing.parse(body)
        signature.verify(root, [dsp.certificate("dsp-xml")], None)
        return str(dsp.read(body)["response_code"])
    assert status.startswith("4"), (status, body)
    assert body.count(b"\n") == 1, body
    assert body.endswith(b"\n"), body
    assert len(body) < 400, body
    return status.split()[0]


def main(arguments: list[str]) -> int:
    from hanboot.trust.smki import lab

    seconds, seed = float(arguments[0]), int((arguments[1:] or ["1"])[0])
    found: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        lab.new(Path(folder) / "pki")
        dsp = Dsp(Path(folder), Path(folder) / "pki")
        application, choose = Application(dsp.service), random.Random(seed)
        mutants = Mutants(dsp, seed)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            octets = mutants.next()
            began = time.process_time()
            path = choose.choice((*PATHS, *PATHS, *PATHS, PERMIT_PATH))
            status, body = send(application, path, octets)
            slowest = max(slowest, time.process_time() - began)
            try:
                found[check(dsp, status, body)] += 1
            except AssertionError:
                print(octets.decode("utf-8", "backslashreplace")[:1500], file=sys.stderr)
                raise
        dsp.close()
    print(f"seed {seed}: {found.total()} documents, the slowest {slowest:.2f} s of processor time")
    print(", ".join(f"{word} {count}" for word, count in found.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
