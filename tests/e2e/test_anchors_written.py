"""Trust anchors over a line that fails: the same command, again, comes to an end."""

from pathlib import Path

import pytest
from cables import SerialCable, cable
from command_line import hanboot
from rig import Bench, ReleaseImages

from hanboot.demo.bench import KeyPairs
from hanboot.device.client import Device
from hanboot.device.provisioning import anchor_key, encode_cell
from hanbootloader.link import frame, smp
from hanbootloader.trust import cell


def write_keys(pairs: KeyPairs) -> list[object]:
    """Options that name the session's public keys."""
    options: list[object] = []
    for role, key in (("manufacturer", pairs.manufacturer), ("supplier", pairs.supplier)):
        file = Path(f"{role}.pub.pem")
        file.write_bytes(key.public_pem())
        options += [f"--{role}-public-key", file]
    return options


@pytest.mark.parametrize("cut_after", [200, 350])
def test_a_cable_pulled_while_anchors_are_written(
    blank: Bench, firmware: ReleaseImages, pairs: KeyPairs, cut_after: int
) -> None:
    provision = ("board", "provision", *write_keys(pairs))
    with cable(SerialCable, blank.board.state, cut_after=cut_after) as pulled:
        assert hanboot(*provision, "--port", pulled.port).code == 4
    assert not blank.identity().provisioned
    ran = hanboot(*provision, "--port", blank.port)
    assert ran.code == 0, ran.err
    blank.install(firmware.image("ppmid/1.0.0"))


def test_half_provisioned_with_another_key(blank: Bench, pairs: KeyPairs) -> None:
    """As long as the manufacturer's anchor does not lock it, a mistake can be corrected."""
    hanboot("keys", "new", "wrong")
    with Device(blank.port) as device:
        wrong = anchor_key(cell.SUPPLIER, Path("wrong.pub.pem"))
        device.put_anchor(encode_cell(wrong))
        assert [there.kid for there in device.anchors()] == [wrong.kid]
    ran = hanboot("board", "provision", *write_keys(pairs), "--port", blank.port)
    assert ran.code == 0, ran.err
    held = hanboot("status", "--port", blank.port, "--json").document["anchors"]
    assert {found["kid"] for found in held} == {
        pairs.manufacturer.public.kid.hex(),
        pairs.supplier.public.kid.hex(),
    }
    # once more with the same keys is no mistake
    assert hanboot("board", "provision", *write_keys(pairs), "--port", blank.port).code == 0


def test_a_lost_answer_while_anchors_are_written(
    blank: Bench, pairs: KeyPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer that says that a cell was written."""
    monkeypatch.setattr("hanboot.link.serial.patience", lambda port: 0.2)
    frames, lost = frame.FrameReader(), []

    def spoil(octets: bytes, to_board: bool) -> bytes:
        for found in () if to_board else frames.feed(octets):
            header = None if isinstance(found, str) else smp.parse_header(found)
            if header and (header.operation, header.group, header.command) == (
                smp.WRITE + 1,
                smp.HANBOOT_GROUP,
                4,
            ):
                lost.append(found)
                if len(lost) == 1:
                    return b""
        return octets

    with cable(SerialCable, blank.board.state, spoil=spoil) as bad:
        ran = hanboot("board", "provision", *write_keys(pairs), "--port", bad.port)
    assert ran.code == 0, ran.err
    assert len(lost) == 3
    assert blank.identity().provisioned
    assert len(hanboot("status", "--port", blank.port, "--json").document["anchors"]) == 2
