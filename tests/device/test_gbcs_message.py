# GBCS messages: the published ones, every length and constant, every payload both ways.

import hashlib
import unittest
from binascii import hexlify, unhexlify

import gbcs_samples as samples
from outcome import reason_of, refusal_of

from hanbootloader.han.gbcs import clock, der, mac, message, use_cases
from hanbootloader.han.gbcs.message import ALERT, COMMAND, RESPONSE, Message
from hanbootloader.reasons import (
    ACCEPTED,
    MESSAGE_FORMAT,
    MESSAGE_PAYLOAD,
    MESSAGE_PROTECTION,
    MESSAGE_USE_CASE,
    Refused,
)
from hanbootloader.trust import p256

SUPPLIER = b"\x90\xb3\xd5\x1f\x30\x01\x00\x00"
DEVICE = b"\x00\xdb\x12\x34\x56\x78\x90\xa0"
HASH = bytes(range(32))
DATE_TIME = b"\x07\xdf\x01\x01\xff\x00\x00\x00\x00\x80\x00\xff"
ON_MICROPYTHON = not hasattr(hashlib, "md5")

# use case, values, the payload as dcc.md 2 writes it
PAYLOADS = [
    (
        use_cases.CS06_COMMAND,
        {"image_hash": HASH, "counter": 1000},
        "3026" + "0420" + hexlify(HASH).decode() + "020203e8",
    ),
    (
        use_cases.CS06_COMMAND,
        {"image_hash": HASH, "counter": 0x80, "execution_time": clock.CANCELLED},
        "3037" + "0420" + hexlify(HASH).decode() + "02020080" + "180f"
        + hexlify(b"99991231235959Z").decode(),
    ),
    (use_cases.CS06_RESPONSE, {}, "0500"),
    (
        use_cases.CS06_RESPONSE,
        {"response_code": 3, "version": 0x0123ABCF},
        "3009" + "020103" + "04040123abcf",
    ),
    (
        use_cases.CS06_ALERT,
        {
            "alert_code": 0x8F66,
            "time": "20260301100000Z",
            "counter": 1000,
            "outcome": {"response_code": 0, "version": 0x0123ABCE},
        },
        "3025" + "0203008f66" + "180f" + hexlify(b"20260301100000Z").decode() + "020203e8"
        + "3009" + "020100" + "04040123abce",
    ),
    (use_cases.CS08_COMMAND, {}, "0500"),
    (
        use_cases.CS08_RESPONSE,
        {"version": 0x0C230000, "response_code": 0},
        "3009" + "04040c230000" + "020100",
    ),
    (
        use_cases.CS09_ALERT,
        {
            "alert_code": 0x8F8B,
            "time": "20260301100000Z",
            "version": 0x01020000,
            "response_code": 1,
        },
        "301f" + "0203008f8b" + "180f" + hexlify(b"20260301100000Z").decode()
        + "040401020000" + "020101",
    ),
    (
        use_cases.CCS08_ALERT,
        {
            "alert_code": 0x8F8A,
            "time": "20260301100000Z",
            "target": DEVICE,
            "version": 0x01020000,
            "response_code": 2,
        },
        "3029" + "0203008f8a" + "180f" + hexlify(b"20260301100000Z").decode()
        + "0408" + hexlify(DEVICE).decode() + "040401020000" + "020102",
    ),
    (
        use_cases.RECEIPT_ALERT,
        {"invocation": 2000, "alert_code": 0x8F72, "date_time": DATE_TIME, "image_hash": HASH},
        "0f200007d0000203128f72090c" + hexlify(DATE_TIME).decode() + "0920"
        + hexlify(HASH).decode(),
    ),
    (
        use_cases.RECEIPT_ALERT,
        {"invocation": 1, "alert_code": 0x8F1C, "date_time": DATE_TIME, "image_hash": None},
        "0f20000001000202128f1c090c" + hexlify(DATE_TIME).decode(),
    ),
]  # fmt: skip


# A message of the use case in its final form, with a signature and a MAC that are not checked.
def final(use_case, values, **more):
    more.setdefault("signature", bytes(range(64)) if use_case.protection & 1 else b"")
    more.setdefault("mac", bytes(12) if use_case.protection & 2 else None)
    payload = use_case.encode(values)
    return Message(use_case.kind, use_case.code, 1000, SUPPLIER, DEVICE, payload, **more)


def decode(octets):
    parsed = message.parse(octets)
    use_case = use_cases.find(parsed)
    use_cases.check_protection(use_case, parsed)
    return use_case.decode(parsed)


class PayloadTest(unittest.TestCase):
    def test_both_ways(self):
        for use_case, values, expected in PAYLOADS:
            payload = use_case.encode(values)
            self.assertEqual(hexlify(payload).decode(), expected)
            found = decode(final(use_case, values).encode())
            # what is missing is missing, or None
            for name in values:
                self.assertEqual(found[name], values[name])
            self.assertEqual(len(found), len(values))

    # each cut, each octet too many
    def test_other_lengths(self):
        for use_case, values, _ in PAYLOADS:
            payload = use_case.encode(values)
            for length in range(len(payload)):
                wrong = final(use_case, values)
                wrong.payload = payload[:length]
                self.assertEqual(reason_of(decode, wrong.encode()), MESSAGE_PAYLOAD)
            wrong = final(use_case, values)
            wrong.payload = payload + b"\0"
            self.assertEqual(reason_of(decode, wrong.encode()), MESSAGE_PAYLOAD)

    # what is decoded is encoded to the same octets, or is refused: nothing has two encodings
    def test_one_encoding(self):
        for use_case, values, _ in PAYLOADS:
            payload = use_case.encode(values)
            for at in range(len(payload)):
                for change in (0x01, 0x02, 0x10, 0x80, 0xFF):
                    changed = bytearray(payload)
                    changed[at] ^= change
                    sent = final(use_case, values)
                    sent.payload = bytes(changed)
                    try:
                        found = decode(sent.encode())
                    except Refused as refused:
                        self.assertEqual(refused.reason, MESSAGE_PAYLOAD)
                        # the offset points into the payload
                        self.assertTrue(refused.offset >= message.parse(sent.encode()).payload_at)
                    else:
                        self.assertEqual(use_case.encode(found), bytes(changed))

    def test_integers(self):
        template = (("n", der.INTEGER, 0xFFFF),)
        for value, octets in (
            (0, "020100"),
            (0x7F, "02017f"),
            (0x80, "02020080"),
            (0xFFFF, "020300ffff"),
        ):
            content = unhexlify(octets)
            encoded = bytes((0x30, len(content))) + content
            self.assertEqual(der.encode(template, {"n": value}), encoded)
            self.assertEqual(der.decode(template, memoryview(encoded), 0), {"n": value})
        for octets in ("0200", "020180", "02020000", "0202007f", "0203010000", "02810101"):
            content = unhexlify(octets)
            encoded = bytes((0x30, len(content))) + content
            self.assertEqual(
                refusal_of(der.decode, template, memoryview(encoded), 40), (MESSAGE_PAYLOAD, 42)
            )
        for value in (-1, 0x10000, None, "1"):
            self.assertRaises(ValueError, der.encode, template, {"n": value})

    def test_values_that_do_not_fit(self):
        for use_case, values, _ in PAYLOADS:
            for name in values:
                if name in ("execution_time", "image_hash") and len(values) in (3, 4):
                    continue
                wrong = dict(values)
                wrong[name] = b"\0" * 3
                self.assertRaises((ValueError, AttributeError, TypeError), use_case.encode, wrong)

    def test_alert_codes(self):
        for use_case, values, _ in PAYLOADS:
            if "alert_code" in values:
                wrong = dict(values)
                wrong["alert_code"] = 0x8F43
                self.assertEqual(
                    reason_of(decode, final(use_case, wrong).encode()), MESSAGE_PAYLOAD
                )


class ClockTest(unittest.TestCase):
    def test_times(self):
        # seconds: python3 -c "datetime(...) - datetime(2000, 1, 1)"
        for text, seconds in (
            ("20000101000000Z", 0),
            ("20000229235959Z", 5183999),
            ("20040229000000Z", 131328000),
            ("20261127120000Z", 849096000),
            ("21000301000000Z", 3160857600),
            ("99991231235959Z", 252455615999),
        ):
            self.assertEqual(clock.seconds_of(text), seconds)
            self.assertEqual(clock.time_of(seconds), text)
        self.assertEqual(clock.seconds_of("19991231235959Z"), None)
        self.assertEqual(
            clock.date_time_of(473385600), b"\x07\xdf\x01\x01\xff\x00\x00\x00\x00\x80\x00\xff"
        )

    def test_no_times(self):
        for text in (
            "",
            "20260301100000",
            "20260301100000z",
            "2026030110000 Z",
            "20260001000000Z",
            "20261301000000Z",
            "20260100000000Z",
            "20260230000000Z",
            "21000229000000Z",
            "20260301240000Z",
            "20260301106000Z",
            "20260301100060Z",
            "202603011000000",
        ):
            self.assertFalse(clock.is_time(text), text)


class MessageTest(unittest.TestCase):
    def check(self, octets, offset):
        self.assertEqual(refusal_of(message.parse, octets), (MESSAGE_FORMAT, offset))

    def test_forms(self):
        for mac_octets in (None, bytes(range(12))):
            for party in (None, (SUPPLIER, 7)):
                for date_time in (b"", DATE_TIME):
                    for signature in (b"", bytes(64)):
                        for length in (0, 1, 127, 128, 255, 256, 900):
                            sent = Message(
                                RESPONSE,
                                0x0012,
                                (1 << 64) - 1,
                                DEVICE,
                                SUPPLIER,
                                bytes(length),
                                date_time,
                                party,
                                signature,
                                mac_octets,
                            )
                            octets = sent.encode()
                            got = message.parse(octets)
                            self.assertEqual(got.encode(), octets)
                            self.assertEqual(got.party, party)
                            self.assertEqual(len(got.payload), length)
                            at = got.payload_at
                            self.assertEqual(octets[at : at + length], bytes(length))

    def test_longest(self):
        sent = Message(RESPONSE, 1, 1, DEVICE, SUPPLIER, b"", signature=b"")
        room = message.MESSAGE_MAX_BYTES - len(sent.encode()) - 2
        sent.payload = bytes(room)
        message.parse(sent.encode())
        sent.payload = bytes(room + 1)
        self.check(sent.encode(), message.MESSAGE_MAX_BYTES)

    def test_unsigned_forms_of_a_command(self):
        sent = Message(COMMAND, 0x0012, 1, SUPPLIER, DEVICE, b"\x05\x00")
        self.assertEqual(message.parse(sent.encode()).signature, None)
        sent.signature = b""
        self.assertEqual(bytes(message.parse(sent.encode()).signature), b"")
        # a response or an alert always has a block, and so has what is MACed
        sent.signature = None
        for kind in (RESPONSE, ALERT):
            sent.kind = kind
            self.check(sent.encode(), len(sent.encode()))
        sent.kind = COMMAND
        sent.mac = bytes(12)
        self.check(sent.encode(), len(sent.encode()) - 12)

    # each octet of the frame that is a constant or a length
    def test_constants(self):
        sent = final(use_cases.CS06_COMMAND, PAYLOADS[0][1])
        octets = sent.encode()
        self.assertEqual(octets[:2], b"\xdd\x00")
        constants = [
            (0, 0),
            (1, 1),
            (6, 1),
            (7, 7),
            (8, 7),
            (9, 9),
            (13, 9),
            (14, 14),
            (15, 14),
            (16, 16),
            (25, 25),
            (34, 34),
            (43, 43),
            (44, 44),
            (47, None),
        ]
        for at, offset in constants:
            changed = bytearray(octets)
            changed[at] ^= 0x40
            if offset is None:
                self.assertEqual(reason_of(message.parse, changed), MESSAGE_FORMAT)
            else:
                self.check(bytes(changed), offset)

    def test_cut_and_longer(self):
        for use_case, values, _ in PAYLOADS:
            octets = final(use_case, values).encode()
            for length in range(len(octets)):
                self.assertEqual(reason_of(message.parse, octets[:length]), MESSAGE_FORMAT)
            self.assertEqual(reason_of(message.parse, octets + b"\0"), MESSAGE_FORMAT)
            self.assertEqual(reason_of(message.parse, b"\0" + octets), MESSAGE_FORMAT)

    def test_lengths_have_one_form(self):
        octets = final(use_cases.CS08_COMMAND, {}).encode()
        # 81 00..7F, 82 00xx, 80 (indefinite), 83
        at = 7
        length = octets[at]
        for form in (
            bytes((0x81, length)),
            bytes((0x82, 0, length)),
            b"\x80",
            bytes((0x83, 0, 0, length)),
        ):
            self.check(octets[:at] + form + octets[at + 1 :], at)


class UseCaseTest(unittest.TestCase):
    def test_protection(self):
        for use_case, values, _ in PAYLOADS:
            octets = final(use_case, values).encode()
            self.assertEqual(reason_of(decode, octets), ACCEPTED)
            is_signed, is_maced = use_case.protection & 1, use_case.protection & 2
            wrong = final(use_case, values, signature=b"" if is_signed else bytes(64))
            self.assertEqual(reason_of(decode, wrong.encode()), MESSAGE_PROTECTION)
            wrong = final(use_case, values, mac=None if is_maced else bytes(12))
            self.assertEqual(reason_of(decode, wrong.encode()), MESSAGE_PROTECTION)

    def test_others(self):
        for use_case, values, _ in PAYLOADS:
            sent = final(use_case, values)
            sent.code ^= 0x4000
            self.assertEqual(reason_of(decode, sent.encode()), MESSAGE_USE_CASE)
        # a code with a kind that it has not
        sent = final(use_cases.CS09_ALERT, PAYLOADS[7][1])
        sent.kind = COMMAND
        self.assertEqual(reason_of(decode, sent.encode()), MESSAGE_USE_CASE)


@unittest.skipUnless(samples.ARE_HERE, "the published messages are not here")
class PublishedTest(unittest.TestCase):
    NAMES = (
        samples.CS06_COMMAND,
        samples.CS06_PRECOMMAND,
        samples.CS06_RESPONSE,
        samples.RECEIPT,
        samples.ECS52_COMMAND,
        samples.ECS52_RESPONSE,
    )

    def test_encoded_to_the_same(self):
        for name in self.NAMES:
            octets = samples.message(name)
            parsed = message.parse(octets)
            self.assertEqual(parsed.encode(), octets)
            # and from its values, where a device knows them
            if name.startswith("ECS52"):
                continue
            use_case = use_cases.find(parsed)
            values = use_case.decode(parsed)
            self.assertEqual(use_case.encode(values), bytes(parsed.payload))

    def test_values(self):
        parsed = message.parse(samples.message(samples.CS06_COMMAND))
        self.assertEqual(parsed.counter, 1000)
        self.assertEqual((parsed.originator, parsed.recipient), (SUPPLIER, DEVICE))
        values = use_cases.CS06_COMMAND.decode(parsed)
        self.assertEqual(values["counter"], 1000)
        self.assertEqual(values["image_hash"][:4], b"\xaa\x75\x86\x90")
        response = decode(samples.message(samples.CS06_RESPONSE))
        self.assertEqual(response, {"response_code": 0, "version": 0x0123ABCE})
        receipt = decode(samples.message(samples.RECEIPT))
        self.assertEqual(receipt["alert_code"], 0x8F72)
        self.assertEqual(receipt["invocation"], 2000)
        self.assertEqual(receipt["image_hash"], b"\x01" * 32)

    def test_signatures(self):
        for name, signer in samples.SIGNERS.items():
            parsed = message.parse(samples.message(name))
            digest = hashlib.sha256(parsed.signed_octets()).digest()
            self.assertTrue(p256.verify(samples.public_key(signer), digest, parsed.signature))

    def test_macs(self):
        for name in samples.ANSWERS:
            known = samples.answers(name)
            secret = unhexlify(known["Z_x_coordinate"])
            parsed = message.parse(samples.message(name))
            self.assertEqual(hexlify(mac.derive_key(secret, parsed)).decode(), known["aes128_key"])
            self.assertEqual(hexlify(mac.make(secret, parsed)).decode(), known["mac12"])
            self.assertTrue(mac.is_right(secret, parsed))
            other = secret[:-1] + bytes((secret[-1] ^ 1,))
            self.assertFalse(mac.is_right(other, parsed))

    # each bit of a message with a MAC; on MicroPython a sample of them
    def test_changed_bits(self):
        for name in samples.ANSWERS:
            octets = samples.message(name)
            secret = unhexlify(samples.answers(name)["Z_x_coordinate"])
            for bit in range(0, 8 * len(octets), 13 if ON_MICROPYTHON else 1):
                changed = bytearray(octets)
                changed[bit >> 3] ^= 1 << (bit & 7)
                try:
                    self.assertFalse(mac.is_right(secret, message.parse(bytes(changed))), bit)
                except Refused as refused:
                    self.assertEqual(refused.reason, MESSAGE_FORMAT)


if __name__ == "__main__":
    unittest.main()
