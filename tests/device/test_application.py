# What an application is given: its trial, the update under way, the verdict, console and display.

import asyncio
import unittest

import flows
import images
from outcome import reason_of

from hanbootloader.application import Services
from hanbootloader.install import Installer
from hanbootloader.link.console import ConsoleServer
from hanbootloader.reasons import ACCEPTED, BELOW_MINIMUM_BASE
from hanbootloader.store.device_keys import DIGITAL_SIGNATURE
from hanbootloader.trust import p256, private_key


def vars_of(thing):
    return [getattr(thing, name) for name in dir(thing) if not name.startswith("__")]


class ServicesTest(unittest.TestCase):
    def setUp(self):
        self.board = flows.board_with("1.0.0")
        self.start()

    # A start, as far as the application.
    def start(self):
        self.device, chosen = flows.start(self.board)
        self.installer = Installer(self.device)
        self.services = Services(self.device, self.installer, chosen[1].label, "/data")

    def test_what_it_is(self):
        self.assertEqual(self.services.file_version, images.V1_0)
        self.assertEqual((self.services.label, self.services.data), ("1.0.0", "/data"))

    # An application has something signed, and gets no key; none where the device has none.
    def test_sign(self):
        self.assertEqual(asyncio.run(self.services.sign(b"a reading")), None)
        private = b"\x11" * 32
        public = private_key.public_key(private)
        self.device.network.stores.keys.keep(DIGITAL_SIGNATURE, private, public)
        signature = asyncio.run(self.services.sign(b"a reading"))
        digest = images.sha256(b"hanboot application\0a reading")
        self.assertTrue(flows.finish(p256.verify_steps(public, digest, signature)))
        # not what the same octets would have as a message
        digest = images.sha256(b"a reading")
        self.assertFalse(flows.finish(p256.verify_steps(public, digest, signature)))
        held = [value for value in vars_of(self.services) if value == private]
        self.assertEqual(held, [])

    # from idle through an update to the trial of it, and its confirmation
    def test_update(self):
        octets = memoryview(images.ota_image("1.1.0", "supplier"))
        services, installer = self.services, self.installer
        self.assertEqual(services.update(), ("idle", 0, 0))
        installer.begin(len(octets), None)
        self.assertEqual(services.update(), ("receiving", 0, len(octets)))
        flows.write(installer, 0, octets[:1000])
        self.assertEqual(services.update(), ("receiving", 1000, len(octets)))
        flows.write(installer, 1000, octets[1000:])
        self.assertEqual(services.update(), ("verifying", len(octets), len(octets)))
        flows.verify(installer)
        self.assertEqual(services.update(), ("staged", 0, 0))
        installer.activate(images.image_hash("1.1.0"))
        self.assertEqual(services.update(), ("pending", 0, 0))
        self.assertFalse(services.on_trial)
        # nothing to confirm is no failure, and confirms nothing
        self.assertTrue(services.confirm())
        self.assertEqual(flows.confirmed(self.device)[0], images.V1_0)

        self.start()
        services = self.services
        self.assertEqual(services.file_version, images.V1_1)
        self.assertTrue(services.on_trial)
        self.assertEqual(services.update(), ("idle", 0, 0))
        for _ in range(2):
            self.assertTrue(services.confirm())
            self.assertFalse(services.on_trial)
            self.assertEqual(flows.confirmed(self.board.device())[0], images.V1_1)

    def test_verdict(self):
        self.assertEqual(self.services.verdict().reason, ACCEPTED)
        reason = reason_of(flows.send, self.installer, images.ota_image("2.0.0"))
        self.assertEqual(reason, BELOW_MINIMUM_BASE)
        verdict = self.services.verdict()
        self.assertEqual(verdict.reason, BELOW_MINIMUM_BASE)
        self.assertEqual(verdict.accepts, ((images.V1_1, None),))

    def test_console(self):
        # without one, too
        self.assertIsNone(self.services.readline())
        self.services.say("no one listens")
        console = ConsoleServer(self.device, self.installer, self.services.confirm)
        self.services.attach(console)
        self.board.console.incoming = b"balance\n"
        console.poll()
        self.assertEqual(self.services.readline(), "balance")
        self.assertIsNone(self.services.readline())
        self.services.say("Balance 1.00")
        self.assertEqual(self.board.console.outgoing, b"Balance 1.00\n")

    def test_display(self):
        self.services.show(("PPMID 1.0.0", "Balance 1.00"))
        self.assertEqual(self.board.shown, ("PPMID 1.0.0", "Balance 1.00"))


if __name__ == "__main__":
    unittest.main()
