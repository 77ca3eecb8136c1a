"""The successor of a key, from the command line: named, signed, let in, and what it ends."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from command_line import Ran, assert_error, hanboot
from rig import ROOT, Bench, ReleaseImages

from hanboot.demo.bench import KeyPairs
from hanboot.trust import keys
from hanboot.trust.keys import PrivateKey


@dataclasses.dataclass
class Desk:
    """A manufacturer's desk: key files, and a device at hand."""

    bench: Bench
    pairs: KeyPairs
    folder: Path
    next: PrivateKey

    def private(self, name: str, key: PrivateKey) -> Path:
        file = self.folder / f"{name}.pem"
        file.write_bytes(key.pem())
        file.chmod(0o600)
        return file

    def successor(
        self,
        *options: object,
        sequence: int = 2,
        signer: PrivateKey | None = None,
        role: str = "manufacturer",
        signer_role: str = "manufacturer",
    ) -> Path:
        """The file that names `next`."""
        public = self.folder / "next.pub.pem"
        public.write_bytes(self.next.public_pem())
        cell = self.folder / "next.cell"
        signing = self.private("signer", signer or self.pairs.manufacturer)
        ran = hanboot(
            *("keys", "successor", public, "--role", role, "--sequence", sequence, *options),
            *(f"--{signer_role}-key", signing, "-o", cell),
        )
        assert ran.code == 0, ran.err
        return cell

    def update(self, cell: Path) -> Ran:
        return hanboot("board", "anchors", "update", cell, "--port", self.bench.port)

    def held(self) -> dict[str, tuple[str, int]]:
        """Role -> key identifier and sequence."""
        shown = hanboot("board", "anchors", "show", "--port", self.bench.port, "--json").document
        return {cell["role"]: (cell["kid"], cell["sequence"]) for cell in shown}


@pytest.fixture
def desk(ppmid: Bench, pairs: KeyPairs, tmp_path: Path) -> Desk:
    return Desk(ppmid, pairs, tmp_path, keys.generate())


def test_the_whole_way(desk: Desk, firmware: ReleaseImages) -> None:
    bench = desk.bench
    running = firmware.image("ppmid/1.0.0")
    cell = desk.successor()
    for outcome in ("written", "was there already"):
        ran = desk.update(cell)
        assert ran.code == 0, ran.err
        assert ran.out.rstrip().endswith(f"sequence 2: {outcome}")
    assert desk.held()["manufacturer"] == (desk.next.public.kid.hex(), 2)
    # what runs goes on, over power cuts
    bench.cut_power()
    assert bench.runs(running)
    # the key before it signs nothing new
    file = firmware.file(firmware.image("ppmid/1.1.0"))
    assert_error(hanboot("upload", file, "--port", bench.port), 1, "unknown-signer")
    # an older cell does not come back
    again = desk.successor(sequence=1, signer=desk.pairs.manufacturer)
    assert_error(desk.update(again), 1, "anchors-locked", desk.next.public.kid.hex())
    # and names no further one
    ran = desk.update(desk.successor(sequence=3, signer=desk.pairs.manufacturer))
    assert_error(ran, 1, "anchor-signature")
    # the successor signs what follows
    source = ROOT / "firmware" / "ppmid" / "1.1.0"
    image = firmware.build(source, running, key=desk.next)
    ran = hanboot("upgrade", firmware.file(image), "--port", bench.port)
    assert ran.code == 0, ran.err
    assert bench.runs(image)


def test_provisioning_knows_the_successor(desk: Desk) -> None:
    assert desk.update(desk.successor()).code == 0
    former = desk.folder / "former.pub.pem"
    former.write_bytes(desk.pairs.manufacturer.public_pem())
    supplier = desk.folder / "supplier.pub.pem"
    supplier.write_bytes(desk.pairs.supplier.public_pem())
    provision = [
        *("board", "provision", "--port", desk.bench.port),
        *("--supplier-public-key", supplier, "--manufacturer-public-key"),
    ]
    ran = hanboot(*provision, former)
    assert_error(ran, 1, "differs (anchors-locked)", desk.next.public.kid.hex(), "anchors update")
    ran = hanboot(*provision, desk.folder / "next.pub.pem")
    assert ran.code == 0, ran.err
    assert "was there already" in ran.err


def test_refused_successors(desk: Desk) -> None:
    before = desk.held()
    # signed by a key that the device does not hold
    assert_error(desk.update(desk.successor(signer=desk.pairs.stranger)), 1, "anchor-signature")
    # by the supplier, for the manufacturer
    cell = desk.successor(signer=desk.pairs.supplier, signer_role="supplier")
    assert_error(desk.update(cell), 1, "anchor-signature")
    # by the supplier, for a role that nothing is held of
    cell = desk.successor(
        signer=desk.pairs.supplier, signer_role="supplier", role="access-control-broker"
    )
    assert_error(desk.update(cell), 1, "anchor-signature")
    # for devices of another type, and of another manufacturer
    for option, value, theirs, own in (
        ("--image-type", 0x0006, "image type 0006", "image type 0005"),
        ("--manufacturer-code", 0xFFF1, "manufacturer FFF1", "manufacturer FFF0"),
    ):
        ran = desk.update(desk.successor(option, value))
        assert_error(ran, 1, "anchor-malformed", theirs, own)
    # not above the one that is held; so far above that none could follow
    assert_error(desk.update(desk.successor(sequence=1)), 1, "anchors-locked", "--sequence")
    assert_error(desk.update(desk.successor(sequence=70_000)), 1, "anchor-sequence")
    # a file that was cut, and one that is something else
    cell = desk.successor()
    for octets in (b"", cell.read_bytes()[:-1], cell.read_bytes() + b"\0", b"\0" * 240):
        cell.write_bytes(octets)
        assert_error(desk.update(cell), 5)
    assert desk.held() == before


@pytest.mark.parametrize("signer", ["manufacturer", "supplier"])
def test_the_supplier_likewise(desk: Desk, signer: str) -> None:
    key = getattr(desk.pairs, signer)
    cell = desk.successor(signer=key, signer_role=signer, role="supplier")
    ran = desk.update(cell)
    assert ran.code == 0, ran.err
    assert desk.held()["supplier"] == (desk.next.public.kid.hex(), 2)
    assert desk.held()["manufacturer"] == (desk.pairs.manufacturer.public.kid.hex(), 1)


def test_made_for_this_type(desk: Desk) -> None:
    cell = desk.successor("--manufacturer-code", 0xFFF0, "--image-type", 0x0005)
    assert desk.update(cell).code == 0
