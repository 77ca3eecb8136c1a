"""Every command of the command line against a device: what it does, prints and returns."""

import json
from pathlib import Path

import pytest
from command_line import RunningBoard, hanboot, run
from rig import ROOT, SILENT, Bench, ReleaseImages, States, wait_for

from hanboot.demo.bench import KeyPairs
from hanboot.device.client import Device

FIRMWARE = {"file_version", "file_version_hex", "hash"}
REFUSAL = {"reason", "offered", "running", "accepts", "detail"}


def accepted(document: dict) -> bool:
    return document["reason"] == {"code": 0, "name": "accepted"}


# --- the whole way by hand


def test_the_whole_way_from_a_key_to_a_confirmed_release(blank: Bench, tmp_path: Path) -> None:
    def step(*arguments: object) -> dict:
        ran = hanboot(*arguments, "--json")
        assert ran.code == 0, ran.err
        return ran.document

    def talk(*arguments: object) -> dict:
        return step(*arguments, "--port", blank.port)

    made = step("keys", "new", "manufacturer")
    assert set(made) == {"private_key", "public_key", "kid"}

    built = step(
        *("image", "build", ROOT / "firmware/ppmid/1.0.0", "-o", "1.0.0.ota"),
        *("--manufacturer-key", made["private_key"]),
    )
    inspected = step("image", "inspect", "1.0.0.ota")
    assert set(inspected) >= {"header", "manufacturer_image", "trailer", "manifest"}
    assert set(inspected["manufacturer_image"]) == {"offset", "length", "sha256"}
    assert inspected["manufacturer_image"]["sha256"] == built["hash"]
    assert inspected["trailer"] is None
    step("image", "verify", "1.0.0.ota", "--manufacturer-public-key", made["public_key"])

    shown = step("keys", "show", made["public_key"])
    (anchor,) = talk("board", "provision", "--manufacturer-public-key", made["public_key"])[
        "provisioned"
    ]
    assert anchor["outcome"] == "written"
    assert (anchor["kid"], anchor["fingerprint"]) == (made["kid"], shown["fingerprint"])
    offered = talk("upload", "1.0.0.ota")
    assert set(offered) == REFUSAL
    assert accepted(offered)
    assert offered["offered"]["hash"] == built["hash"]
    assert offered["running"] is None
    assert [slot["state"] for slot in talk("status")["slots"]] == ["staged", "empty"]

    assert talk("activate", built["hash"], "--no-reset") == {
        "activated": built["hash"],
        "reset": False,
    }
    assert [slot["state"] for slot in talk("status")["slots"]] == ["pending", "empty"]
    assert talk("reset") == {"reset": True}

    wait_for(lambda: talk("status")["running"], "the first release")
    status = wait_for(
        lambda: (s := talk("status"))["slots"][0]["state"] == "confirmed" and s, "its self-test"
    )
    assert status["running"]["hash"] == built["hash"]
    events = talk("history")
    assert [(event["index"], event["event"]) for event in events] == [(0, "confirmed")]
    assert accepted(talk("verdict"))


def test_status(ppmid: Bench, firmware: ReleaseImages, pairs: KeyPairs) -> None:
    ran = hanboot("status", "--port", ppmid.port, "--json")
    status = ran.document
    assert ran.code == 0
    assert status.keys() == {
        *("board", "serial", "manufacturer_code", "image_type", "hardware_version"),
        *("device_type", "slot_bytes", "security_counter", "provisioned", "running", "slots"),
        *("anchors", "verdict", "event", "tier", "role", "versions"),
    }
    assert status["running"].keys() == FIRMWARE | {"feature_version"}
    assert status["running"]["hash"] == firmware.image("ppmid/1.0.0").image_hash.hex()
    assert status["running"]["file_version_hex"] == "01000000"
    assert status["slots"] == [
        {"state": "confirmed", "firmware": status["running"]},
        {"state": "empty", "firmware": None},
    ]
    assert {anchor["role"]: anchor["kid"] for anchor in status["anchors"]} == {
        "manufacturer": pairs.manufacturer.public.kid.hex(),
        "supplier": pairs.supplier.public.kid.hex(),
    }
    assert status["anchors"][0].keys() == {
        *("role", "usage", "kid", "sequence", "development", "label"),
        *("manufacturer_code", "image_type", "entity", "fingerprint"),
    }
    assert status["verdict"].keys() == REFUSAL
    assert (status["image_type"], status["provisioned"]) == (5, True)

    text = hanboot("status", "--port", ppmid.port).out
    assert "PPMID" in text
    assert "1.0.0" in text
    assert "DEVELOPMENT KEY" in text


def test_a_blank_device(blank: Bench) -> None:
    ran = hanboot("status", "--port", blank.port)
    assert ran.code == 0
    assert "board provision" in ran.err
    assert hanboot("verdict", "--port", blank.port, "--json").document is None
    assert "no image" in hanboot("verdict", "--port", blank.port).out
    assert hanboot("history", "--port", blank.port, "--json").document == []
    assert "nothing" in hanboot("history", "--port", blank.port).out


def test_trust_anchors_are_written_once(ppmid: Bench, firmware: ReleaseImages) -> None:
    hanboot("keys", "new", "other")
    ran = hanboot(
        *("board", "provision", "--manufacturer-public-key", "other.pub.pem", "--port", ppmid.port),
        "--json",
    )
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "anchors-locked"
    assert len(ran.error) == 3
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))
    assert len(hanboot("status", "--port", ppmid.port, "--json").document["anchors"]) == 2


def test_upgrade_takes_a_path(ppmid: Bench, firmware: ReleaseImages) -> None:
    first, second = firmware.image("ppmid/1.1.0"), firmware.image("ppmid/2.0.0")
    files = firmware.files("ppmid/1.1.0", "ppmid/2.0.0")
    ran = hanboot("upgrade", *files, "--port", ppmid.port, "--json")
    assert ran.code == 0, ran.err
    assert ran.document == {
        "confirmed": [
            {
                "file_version": image.header.file_version,
                "file_version_hex": f"{image.header.file_version:08X}",
                "hash": image.image_hash.hex(),
            }
            for image in (first, second)
        ]
    }
    # plain lines where there is no bar
    assert f"ppmid-1.1.0.ota: {len(first.octets)} of {len(first.octets)} octets" in ran.err

    history = hanboot("history", "--port", ppmid.port, "--json").document
    assert [event.keys() for event in history] == 3 * [
        {"index", "event", "reason", "from", "to", "chain"}
    ]
    assert [event["to"]["file_version_hex"] for event in history] == [
        *("01000000", "01010000", "02000000")
    ]
    assert history[0]["chain"] == bytes(32).hex()
    text = hanboot("history", "--port", ppmid.port).out.splitlines()
    assert len(text) == 3
    assert "2.0.0" in text[2]


def test_an_upgrade_that_was_done_is_done(ppmid2: Bench, firmware: ReleaseImages) -> None:
    """The same path again, after it was interrupted at its very end."""
    files = firmware.files("ppmid/1.1.0", "ppmid/2.0.0")
    ran = hanboot("upgrade", *files, "--port", ppmid2.port, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["confirmed"][-1]["file_version_hex"] == "02000000"
    assert len(hanboot("history", "--port", ppmid2.port, "--json").document) == 3


def test_activation_of_what_is_held(ppmid: Bench, firmware: ReleaseImages) -> None:
    image = firmware.image("ppmid/1.1.0")
    ran = hanboot("upload", firmware.file(image), "--port", ppmid.port)
    assert ran.code == 0
    assert "activate" in ran.out
    ran = hanboot("activate", "--port", ppmid.port, "--json")
    assert ran.document == {"activated": image.image_hash.hex(), "reset": True}
    with Device(ppmid.port) as device:
        device.wait_outcome(image.image_hash)


def test_confirmation_by_a_person(states: States, firmware: ReleaseImages) -> None:
    image = firmware.own("silent", 0x01000000, app=SILENT)
    with states.bench(states.provisioned("ppmid"), trial_ms=60_000) as bench:
        ran = hanboot("confirm", "--port", bench.port)
        assert ran.code == 1
        assert "nothing to confirm" in ran.error[0]

        with Device(bench.port) as device:
            device.upload(image.octets)
            device.wait_verified()
        hanboot("activate", "--port", bench.port)
        wait_for(lambda: bench.identity().slot("trial"), "a trial")
        assert hanboot("confirm", "--port", bench.port, "--json").document == {"confirmed": True}
        assert bench.runs(image)
        # what is confirmed is not on trial any more
        assert hanboot("confirm", "--port", bench.port).code == 1


# --- boards


def test_ports_of_this_machine() -> None:
    ran = hanboot("board", "list", "--json")
    assert ran.code == 0
    for port in ran.document:
        assert port.keys() == {
            *("port", "name", "by_id", "by_path", "volume", "usb_id", "serial", "description")
        }
    assert hanboot("board", "list").code == 0


def test_a_board_announces_itself_as_json(states: States) -> None:
    state = states.provisioned("ihd")
    with RunningBoard(state, "--json") as board:
        # the document is written over several lines: the first was taken for the port
        board.await_line("}")
        document = json.loads("\n".join([board.port, *board.lines]))
        assert document.keys() == {"port", "role", "state"}
        assert (document["role"], document["state"]) == ("ihd", str(state))
        assert hanboot("status", "--port", document["port"], "--json").code == 0


def test_a_board_prints_its_port_and_then_what_it_shows(states: States) -> None:
    with RunningBoard(states.installed("ppmid/1.0.0")) as board:
        board.await_line("| PPMID 1.0.0")
        assert hanboot("status", "--port", board.port).code == 0


# --- where a setting comes from


def test_the_port_comes_from_flag_then_environment_then_file(
    ppmid: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hanboot.toml"
    file.write_text(f'port = "{ppmid.port}"\n')
    assert hanboot("status").code == 0
    monkeypatch.setenv("HANBOOT_PORT", "virtual:nowhere")
    assert hanboot("status").code == 3
    assert hanboot("status", "--port", ppmid.port).code == 0
    file.write_text('port = "virtual:nowhere"\n')
    monkeypatch.setenv("HANBOOT_PORT", ppmid.port)
    assert hanboot("status").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("upload", "--port", "virtual:x"),
        ("upgrade", "--port", "virtual:x"),
        ("activate", "not-hexadecimal", "--port", "virtual:x"),
        ("activate", "abcd", "--port", "virtual:x"),
        ("board", "provision", "--port", "virtual:x"),
        ("board", "run", "virtual", "--role", "toaster"),
        ("board", "run", "virtual", "--trial-ms", "0"),
        ("frobnicate",),
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    ran = hanboot(*arguments)
    assert ran.code == 2
    assert ran.out == ""


def test_commands_as_processes(ppmid: Bench, firmware: ReleaseImages) -> None:
    """Exit codes and streams as a shell sees them."""
    good, wrong = firmware.files("ppmid/1.1.0", "ppmid/2.0.0")
    ran = run("upload", wrong, "--port", ppmid.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "not-a-predecessor"
    assert "2.0.0" in ran.error[0]
    ran = run("upload", good, "--port", ppmid.port, "--json")
    assert ran.code == 0
    assert accepted(ran.document)
    assert run("status", "--port", "virtual:nowhere").code == 3
