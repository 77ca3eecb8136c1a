"""A device's keys for GBCS messages, from the command line: made, written, refused once locked; and
`hanboot board network`."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import assert_error, hanboot
from cryptography import x509
from rig import Bench, States

from hanboot.boards.esp32.model import Esp32Board
from hanboot.demo.bench import KeyPairs
from hanboot.device import network
from hanboot.device.client import Device
from hanboot.trust import keys


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab") / "pki"
    ran = hanboot("smki", "new-test-pki", folder)
    assert ran.code == 0, ran.err
    return folder


@pytest.fixture
def arguments(pairs: KeyPairs, pki: Path, tmp_path: Path) -> list[object]:
    manufacturer = tmp_path / "manufacturer.pub.pem"
    manufacturer.write_bytes(pairs.manufacturer.public_pem())
    return [
        *("--manufacturer-public-key", manufacturer),
        *("--supplier-public-key", pki / "supplier-ds.pem"),
        *("--broker-public-key", pki / "broker-ka.pem"),
    ]


def provision(bench: Bench, *arguments: object):
    return hanboot("board", "provision", *arguments, "--port", bench.port)


def public_keys(bench: Bench) -> tuple[bytes | None, bytes | None]:
    with Device(bench.port) as device:
        return network.public_keys(device)


def test_made_on_the_device(blank: Bench, arguments: list[object], tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    ran = provision(blank, *arguments, "--make-device-keys", "--requests", folder)
    assert ran.code == 0, ran.err
    made = public_keys(blank)
    serial = blank.identity().serial
    # what the manufacturer has certified is what the device holds
    for usage, point in zip(("ds", "ka"), made, strict=True):
        file = folder / f"{serial.hex()}-{usage}.csr"
        assert f"certificate request written: {file}" in ran.err
        request = x509.load_der_x509_csr(file.read_bytes())
        assert request.is_signature_valid
        assert keys.point_of(request.public_key()) == point
    # locked: they are neither made nor written again, and stay over a power cut
    again = provision(blank, *arguments, "--make-device-keys")
    assert_error(again, 1, "keys-locked", "made or written once")
    blank.cut_power()
    assert public_keys(blank) == made


def test_written_once(blank: Bench, arguments: list[object], pki: Path) -> None:
    files = pki / "ppmid-ds.key.pem", pki / "ppmid-ka.key.pem"
    ran = provision(blank, *arguments, "--device-keys", *files)
    assert ran.code == 0, ran.err
    given = tuple(keys.load_private(file, lambda path: b"").public.point for file in files)
    assert public_keys(blank) == given
    others = pki / "ihd-ds.key.pem", pki / "ihd-ka.key.pem"
    assert_error(provision(blank, *arguments, "--device-keys", *others), 1, "keys-locked")
    assert public_keys(blank) == given
    # neither a key nor its scalar is in what the commands print
    scalar = keys.load_private(files[0], lambda path: b"").scalar.hex()
    assert scalar not in ran.out + ran.err


def test_the_broker_is_known_by_its_certificate(
    blank: Bench, arguments: list[object], pki: Path
) -> None:
    """Its EUI-64 is in the cell: messages name their parties by it."""
    assert provision(blank, *arguments, "--make-device-keys").code == 0
    shown = hanboot("board", "anchors", "show", "--port", blank.port, "--json")
    (broker,) = [cell for cell in shown.document if cell["role"] == "access-control-broker"]
    assert broker["entity"].replace("-", "").lower() == "90b3d51f30000002"


@pytest.mark.parametrize(
    ("options", "code", "holds"),
    [
        (("--make-device-keys", "--device-keys", "a.pem", "b.pem"), 2, ("exclude each other",)),
        (("--device-keys", "nowhere.pem", "nowhere.pem"), 5, ("nowhere.pem",)),
        (("--device-keys", "{pki}/ppmid-ds.pem", "{pki}/ppmid-ka.pem"), 5, ("ppmid-ds.pem",)),
        (("--broker-public-key", "{pki}/broker-ds.pem"), 5, ("is not for key agreement",)),
        (("--supplier-public-key", "{pki}/supplier-ka.pem"), 5, ("supplier-ka.pem",)),
    ],
)
def test_bad_arguments(
    options: tuple[str, ...],
    code: int,
    holds: tuple[str, ...],
    blank: Bench,
    arguments: list[object],
    pki: Path,
) -> None:
    """One clear error, and nothing is written."""
    given = [option.format(pki=pki) for option in options]
    ran = provision(blank, *arguments[:2], *given)
    assert ran.code == code, ran.err
    for text in holds:
        assert text in ran.err
    assert not blank.identity().provisioned
    assert public_keys(blank) == (None, None)


class TestNetwork:
    """`hanboot board network`."""

    def test_before_and_after_provisioning(self, blank: Bench, arguments: list[object]) -> None:
        def shown() -> dict[str, str]:
            ran = hanboot("board", "network", "--port", blank.port)
            assert ran.code == 0, ran.err
            return dict(line.split("  ", 1) for line in ran.out.splitlines())

        before = {name: value.strip() for name, value in shown().items()}
        assert before["hub"] == "none heard yet"
        assert before["time"] == "not known"
        assert before["MAC of CS06"] == "not checked"
        assert provision(blank, *arguments, "--make-device-keys").code == 0
        # the broker's key and the device's own: from now on, without a restart
        assert shown()["MAC of CS06"].strip() == "checked"

    def test_json(self, ppmid: Bench) -> None:
        found = hanboot("board", "network", "--port", ppmid.port, "--json").document
        assert found["status"] == "normal"
        assert found["activation"] is None
        assert found["last_reason"] == {"code": 0, "name": "accepted"}
        assert found["mac"] == "not checked"

    def test_a_device_without_a_network(self, states: States) -> None:
        """A board with neither a radio nor a tier that carries frames over its console."""
        with Bench(states.fresh(), "ppmid", kind=Esp32Board) as bench:
            assert_error(
                hanboot("board", "network", "--port", bench.port), 4, "no Home Area Network"
            )
