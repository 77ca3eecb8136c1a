# How much of the stack the deepest requests take, in calls of a Python function: what is one more
# here is one more on a chip, whose stack is short (rp2040/test_home_on_chip.py measures it).
# MicroPython says when it is at its end; CPython's stack is another.

import sys
import unittest

import images
from cells import finish
from console_rig import HAN, TUNNEL, WRITE, Line
from ramboard import Board

from hanbootloader import policy
from hanbootloader.han import ota_cluster, tunneling, zcl
from hanbootloader.han.gbcs import mac
from hanbootloader.han.gbcs.message import COMMAND, Message
from hanbootloader.han.gbcs.use_cases import CS06_COMMAND
from hanbootloader.link.groups import tunnel
from hanbootloader.store.device_keys import DIGITAL_SIGNATURE, KEY_AGREEMENT
from hanbootloader.trust import cell, private_key

# fmt: off
# calls of a function with two arguments: 20 is the least that does, for each
UPDATE_CALLS = 22
CS06_CALLS   = 22
# fmt: on

HUB = b"\x00\xdb\x12\x34\x56\x78\x90\xaa"
SUPPLIER_ENTITY, BROKER_ENTITY = b"supplier", b"broker\0\0"
# of everyone here
PRIVATE = bytes(31) + b"\x05"

IS_MICROPYTHON = sys.implementation.name == "micropython"


# Runs `work` so many calls further down.
def beneath(calls, work):
    return beneath(calls - 1, work) if calls else work()


# How many calls the stack takes from here.
def free_calls():
    calls = 0
    try:
        while True:
            beneath(calls, int)
            calls += 1
    except RuntimeError:
        return calls


@unittest.skipUnless(IS_MICROPYTHON, "it is MicroPython's stack")
class StackTest(unittest.TestCase):
    def setUp(self):
        self.public = finish(private_key.public_key_steps(PRIVATE))
        self.board = Board(policy.HCALCS)
        device = self.board.device()
        usages = (DIGITAL_SIGNATURE, KEY_AGREEMENT)
        device.network.stores.keys.keep_all([(one, PRIVATE, self.public) for one in usages])
        self.put(device, cell.SUPPLIER, cell.DIGITAL_SIGNATURE, SUPPLIER_ENTITY)
        self.put(device, cell.ACCESS_CONTROL_BROKER, cell.KEY_AGREEMENT, BROKER_ENTITY)
        self.put(device, cell.MANUFACTURER, cell.DIGITAL_SIGNATURE, bytes(8))
        self.line = Line(self.board)

    def put(self, device, role, usage, entity):
        scope = (self.board.manufacturer_code, self.board.image_type)
        head = cell.encode_head(role, usage, 0, self.public, 1, b"", scope, entity)
        finish(device.put_anchor_steps(head, None))

    def sign(self, octets):
        return private_key.sign(PRIVATE, self.public, images.sha256(octets))

    # `work` has stack for so many calls, and no more.
    def within(self, calls, work):
        return beneath(free_calls() - calls, work)

    def test_update(self):
        head = cell.encode_head(
            cell.SUPPLIER, cell.DIGITAL_SIGNATURE, 0, images.key("supplier"), 2, b""
        )
        fields = {"head": head, "signature": self.sign(cell.update_to_be_signed(head))}
        reply = self.within(UPDATE_CALLS, lambda: self.line.ask(WRITE, HAN, 4, fields))
        self.assertEqual(reply, {"written": True})

    # Checked, refused for there is no image, and answered with a signature.
    def test_cs06(self):
        values = {"image_hash": bytes(32), "counter": 7}
        serial = self.board.serial
        payload = CS06_COMMAND.encode(values)
        command = Message(COMMAND, CS06_COMMAND.code, 7, SUPPLIER_ENTITY, serial, payload)
        command.signature = self.sign(command.signed_octets())
        command.mac = mac.make(private_key.agree(PRIVATE, self.public), command)
        notify = ota_cluster.encode(ota_cluster.IMAGE_NOTIFY, {"payload_type": 0, "jitter": 100})
        frames = []
        for cluster, number, content in (
            (zcl.OTA_CLUSTER, ota_cluster.IMAGE_NOTIFY, notify),
            (
                zcl.TUNNELING_CLUSTER,
                tunneling.TO_CLIENT,
                tunneling.encode_transfer(command.encode()),
            ),
        ):
            frame = zcl.Frame(False, True, 1, number, content).encode()
            frames.append(tunnel.encode_frame(HUB, cluster, frame))
        self.within(CS06_CALLS, lambda: self.line.ask(WRITE, TUNNEL, 0, {"frames": frames}))
        self.assertEqual(self.line.console._node.mail.last_reason, 0)
        self.assertEqual(len(self.line.device.network.stores.records.outcomes()), 1)


if __name__ == "__main__":
    unittest.main()
