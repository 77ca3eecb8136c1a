# SMP messages: headers, the rule of replies, and errors in both versions.

import unittest
from binascii import unhexlify

from flows import finish

from hanbootloader.image import cbor
from hanbootloader.link import smp
from hanbootloader.link.smp import Dispatcher, Request, SmpError
from hanbootloader.reasons import FLASH_FAULT, Refused

READ, WRITE = smp.READ, smp.WRITE
SMP = -1  # the reply is an error of SMP itself


class HeaderTest(unittest.TestCase):
    # (octets, version, operation, length of body, group, sequence, command)
    TABLE = (
        ("0000000000000000", 0, 0, 0, 0, 0, 0),
        ("0a00000100014201a0", 1, 2, 1, 1, 0x42, 1),
        ("08000000ffffff00", 1, 0, 0, 0xFFFF, 255, 0),
        ("0800000000410005", 1, 0, 0, 65, 0, 5),
        ("0b0000000041ffff", 1, 3, 0, 65, 255, 255),
        ("1a00000000400000", 3, 2, 0, 64, 0, 0),
    )

    def test_table(self):
        for octets, version, operation, length, group, sequence, command in self.TABLE:
            octets = unhexlify(octets)
            header = smp.parse_header(octets)
            self.assertEqual(
                (
                    header.version,
                    header.operation,
                    header.length,
                    header.group,
                    header.sequence,
                    header.command,
                ),
                (version, operation, length, group, sequence, command),
            )
            self.assertEqual(header.encode() + octets[8:], octets)

    # flags and reserved bits are not checked here
    def test_ignored_bits(self):
        header = smp.parse_header(unhexlify("e2ff000000000000"))
        self.assertEqual((header.version, header.operation), (0, 2))

    def test_no_message(self):
        for octets in (
            b"",
            bytes(7),
            unhexlify("0000000100000000"),  # an octet is missing
            unhexlify("000000000000000000"),  # an octet too many
            unhexlify("0000ffff00000000"),
        ):
            self.assertIsNone(smp.parse_header(octets))


def handler(request):
    return {"said": request.fields.get("say"), "operation": request.operation}


def group_error(request):
    raise SmpError(7, 1)


def smp_error(request):
    raise SmpError(smp.NOMEM)


# takes three steps
def slow(request):
    for _ in range(3):
        yield
    if request.fields.get("say") is None:
        raise SmpError(7, 1)
    return {"said": request.fields["say"]}


def out_of_memory(request):
    raise MemoryError


def flash_fault(request):
    raise Refused(FLASH_FAULT)


GROUPS = {
    2: {0: (slow, None), 1: (out_of_memory, flash_fault)},
    1: {0: (handler, None), 1: (None, handler), 2: (handler, handler), 3: (group_error, smp_error)},
}


# The reply to a request, taken apart: (version, operation, group, sequence, command, body).
def ask(operation, group, command, body=b"\xa0", version=1, sequence=9):
    header = smp.SmpHeader(version, operation, len(body), group, sequence, command)
    reply = finish(Dispatcher(GROUPS).answer_steps(memoryview(header.encode() + body)))
    if reply is None:
        return None
    head = smp.parse_header(reply)
    return (
        head.version,
        head.operation,
        head.group,
        head.sequence,
        head.command,
        cbor.decode(memoryview(reply)[8:]),
    )


class DispatcherTest(unittest.TestCase):
    # operation + 1, everything else as asked
    def test_reply(self):
        body = cbor.encode({"say": "hello"})
        for version in (0, 1):
            for operation in (READ, WRITE):
                for sequence in (0, 1, 255):
                    found = ask(operation, 1, 2, body, version, sequence)
                    expected = {"said": "hello", "operation": operation}
                    self.assertEqual(found, (version, operation + 1, 1, sequence, 2, expected))

    # a response is not answered: two devices on one line would do so for ever
    def test_responses(self):
        for operation in (1, 3):
            self.assertIsNone(ask(operation, 1, 2))

    # Zephyr: an operation without a meaning is one that is not supported
    def test_operations_without_a_meaning(self):
        for operation in (4, 5, 6, 7):
            for group, command in ((1, 2), (1, 0), (9, 9)):
                for version in (0, 1):
                    found = ask(operation, group, command, version=version)
                    expected = (version, 3, group, 9, command, {"rc": smp.NOTSUP})
                    self.assertEqual(found, expected)

    def test_empty_body(self):
        for body in (b"", b"\xa0"):
            self.assertEqual(ask(READ, 1, 0, body)[5], {"said": None, "operation": 0})

    # Zephyr: an error of SMP itself is rc in either version
    def test_not_there(self):
        for version in (0, 1):
            for operation, group, command in (
                (READ, 3, 0),
                (READ, 0xFFFF, 0),
                (READ, 1, 4),
                (READ, 1, 255),
                (READ, 1, 1),  # there to be written
                (WRITE, 1, 0),  # there to be read
            ):
                reply = ask(operation, group, command, version=version)
                self.assertEqual(reply[1:3] + reply[4:5], (operation + 1, group, command))
                self.assertEqual(reply[5], {"rc": smp.NOTSUP})

    def test_not_a_map(self):
        for version in (0, 1):
            for body in (
                "80",
                "00",
                "f6",
                "60",
                "a1",
                "a16173",
                "a0a0",
                "bf",
                "ff",
                "a10000a0",
                "1c",
            ):
                reply = ask(READ, 1, 0, unhexlify(body), version)
                self.assertEqual((body, reply[5]), (body, {"rc": smp.EINVAL}))

    # other people's encoders: any order of keys, any length of integers
    def test_lenient(self):
        for body in (
            "a2637361796178617a00",
            "a2617a00637361796178",
            "b90001637361796178",
            "bf637361796178ff",  # Zephyr's
            "bf617a9f01ff637361796178ff",
        ):
            self.assertEqual(ask(READ, 1, 0, unhexlify(body))[5]["said"], "x")

    def test_errors(self):
        for version, operation, body in (
            (0, READ, {"rc": smp.UNKNOWN}),
            (1, READ, {"err": {"group": 1, "rc": 7}}),
            (0, WRITE, {"rc": smp.NOMEM}),
            (1, WRITE, {"rc": smp.NOMEM}),
        ):
            self.assertEqual(ask(operation, 1, 3, version=version)[5], body)

    # an answer that takes time: the caller does other things between its steps
    def test_in_steps(self):
        body = cbor.encode({"say": "at last"})
        header = smp.SmpHeader(1, READ, len(body), 2, 9, 0)
        steps = Dispatcher(GROUPS).answer_steps(memoryview(header.encode() + body))
        for _ in range(3):
            next(steps)
        self.assertEqual(cbor.decode(finish(steps)[8:]), {"said": "at last"})
        self.assertEqual(ask(READ, 2, 0)[5], {"err": {"group": 1, "rc": 7}})

    # what no command expects is an answer all the same
    def test_faults(self):
        self.assertEqual(ask(READ, 2, 1)[5], {"rc": smp.NOMEM})
        self.assertEqual(ask(WRITE, 2, 1)[5], {"rc": smp.UNKNOWN})


class RequestTest(unittest.TestCase):
    FIELDS = {
        "int": 5,
        "zero": 0,
        "negative": -1,
        "true": True,
        "text": "t",
        "octets": memoryview(b"o"),
        "null": None,
        "list": [],
    }

    # (look-up, names that it takes); the others are EINVAL
    def check(self, look_up, good):
        for name in self.FIELDS:
            try:
                self.assertEqual(look_up(name), good[name])
            except SmpError as error:
                self.assertEqual((name, error.rc, error.group), (name, smp.EINVAL, SMP))
                self.assertTrue(name not in good, name)

    def test_uint(self):
        request = Request(READ, self.FIELDS)
        self.check(request.uint, {"int": 5, "zero": 0})
        self.assertEqual(request.uint("absent", 7), 7)
        with self.assertRaises(SmpError):
            request.uint("absent")

    def test_byte_strings_and_text(self):
        request = Request(READ, self.FIELDS)
        self.check(request.byte_string, {"octets": b"o", "null": None})
        self.check(request.text, {"text": "t", "null": None})
        self.assertIsNone(request.byte_string("absent"))
        self.assertIsNone(request.text("absent"))


if __name__ == "__main__":
    unittest.main()
