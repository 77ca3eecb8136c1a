# ECDSA verification: published signatures, every boundary, every exceptional addition, and what
# the self-test is for. Wycheproof's vectors are in tests/host/test_wycheproof.py.

import hashlib
import unittest

from hanbootloader.trust import p256
from hanbootloader.trust.generator import GENERATOR_TABLE

P = p256.PRIME
N = p256.ORDER
G = (
    int.from_bytes(GENERATOR_TABLE[:32], "big"),
    int.from_bytes(GENERATOR_TABLE[32:64], "big"),
)
GENERATOR_COLUMNS = 43  # six rows

# RFC 6979 A.2.5: the public key; message, r and s with SHA-256
KEY = (
    0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
)
SAMPLE = (
    b"sample",
    0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
    0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
)
TEST = (
    b"test",
    0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
    0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
)


# a point of the curve with a y so small that p + y is still a number of 256 bits
SMALL_Y = 4
SMALL_Y_X = 0xB06686A59B4E8BBEDD0E9275A9D9476D260626AA5367EC7B42F769A182121E22


def octets(*numbers):
    return b"".join([number.to_bytes(32, "big") for number in numbers])


# Fermat's inverse: slow, but not the code under test
def inverse(number, modulus):
    return pow(number % modulus, modulus - 2, modulus)


# --- textbook points: None or affine (x, y)


def plus(one, other):
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2:
        if y1 != y2:
            return None
        slope = 3 * (x1 * x1 - 1) * inverse(2 * y1, P) % P
    else:
        slope = (y2 - y1) * inverse(x2 - x1, P) % P
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def minus(point):
    return None if point is None else (point[0], P - point[1])


def affine(point):
    if point is None:
        return None
    x, y, z = point
    z = inverse(z, P)
    return x * z * z % P, y * z * z * z % P


# times(k, point) from p256's textbook formulas, which PointsTest checks against plus()
def times(scalar, point):
    total = None
    scalar %= N
    for bit in range(255, -1, -1):
        total = p256.double(total)
        if scalar >> bit & 1:
            total = p256.add(total, *point)
    return affine(total)


def make_table(point, rows):
    columns = -(-256 // rows)
    sums = []
    for row in range(rows):
        power = times(1 << row * columns, point)
        sums += [power] + [plus(each, power) for each in sums]
    return b"".join([octets(*each) for each in sums])


# (digest, signature) with u1 = e / s and u2 = r / s as asked for
def make_signature(u1, u2, key):
    r = plus(times(u1, G), times(u2, key))[0] % N
    s = r * inverse(u2, N) % N
    return octets(u1 * s % N), octets(r, s)


def lift(x):
    square = (
        x * x * x - 3 * x + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    ) % P
    y = pow(square, (P + 1) // 4, P)
    return (x, y) if y * y % P == square else None


class PointsTest(unittest.TestCase):
    def setUp(self):
        self.multiples = {0: None}
        for k in range(1, 9):
            self.multiples[k] = plus(self.multiples[k - 1], G)
            self.multiples[-k] = minus(self.multiples[k])

    # k * G with a Z that is not 1
    def jacobian(self, k):
        if k == 0:
            return None
        x, y = self.multiples[k]
        z = 0xC0FFEE + k
        return x * z * z % P, y * z * z * z % P, z

    def check(self, point, k):
        expected = self.multiples[k]
        if expected is None:
            self.assertIs(point, None)
        else:
            x, y, z = point
            self.assertTrue(z % P)
            self.assertEqual(x, expected[0] * z * z % P)
            self.assertEqual(y, expected[1] * z * z * z % P)

    def test_double(self):
        for k in range(-4, 5):
            self.check(p256.double(self.jacobian(k)), 2 * k)

    def test_add(self):
        for k in range(-4, 5):
            for other in (-4, -3, -2, -1, 1, 2, 3, 4):
                self.check(p256.add(self.jacobian(k), *self.multiples[other]), k + other)

    def test_double_add_add(self):
        # P = T, P = -T, T = -2P, T1 = T2, T1 = -T2 are all among these
        for k in (-2, -1, 1, 2):
            for one in (-3, -2, -1, 1, 2, 3):
                for other in (-3, -2, -1, 1, 2, 3):
                    if abs(2 * k + one + other) <= 8:
                        point = p256._double_add_add(
                            self.jacobian(k), *self.multiples[one] + self.multiples[other]
                        )
                        self.check(point, 2 * k + one + other)

    def test_order(self):
        self.assertEqual(times(N - 1, G), minus(G))
        x, y = minus(G)
        self.assertIs(p256.add((x, y, 1), *G), None)


class InverseTest(unittest.TestCase):
    def test_inverse(self):
        for value in (1, 2, 3, 65537, 1 << 128, N // 2, N // 2 + 1, N - 2, N - 1, SAMPLE[2]):
            result = p256._drain(p256._inverse_steps(value))
            self.assertTrue(0 < result < N)
            self.assertEqual(result * value % N, 1)


class CombTest(unittest.TestCase):
    def test_digits(self):
        for rows in (1, 4, 5, 6, 7, 8):
            columns = -(-256 // rows)
            for scalar in (0, 1, N - 1, SAMPLE[1], 1 << 255, (1 << 256) - 1):
                digits = p256._comb_digits(scalar, rows)
                total = 0
                for column, digit in enumerate(digits):
                    self.assertTrue(digit < 1 << rows and (column < columns or not digit))
                    for row in range(rows):
                        total += (digit >> row & 1) << columns * row + column
                self.assertEqual(total, scalar)

    def test_rows(self):
        # fmt: off
        table = {960: 4, 1984: 5, 4032: 6, 8128: 7, 16320: 8, 0: 0, 64: 0, 448: 0, 959: 0, 961: 0,
                 1024: 0, 4096: 0, 32704: 0}
        # fmt: on
        for length, rows in table.items():
            self.assertEqual(p256._rows(length), rows)


class PublicKeyTest(unittest.TestCase):
    def test_public_key(self):
        self.assertTrue(p256.is_public_key(octets(*KEY)))
        self.assertTrue(p256.is_public_key(memoryview(octets(*KEY))))
        self.assertTrue(p256.is_public_key(bytearray(octets(*minus(KEY)))))
        zero = lift(0)
        self.assertTrue(p256.is_public_key(octets(*zero)))
        # fmt: off
        refused = (
            (0, 0),
            (KEY[0], KEY[1] ^ 1),
            (KEY[0] ^ 1, KEY[1]),
            (KEY[1], KEY[0]),
            (P, zero[1]), (zero[0], P + 1), (P, P),            # 0 and 1 again, but not below p
            ((1 << 256) - 1, (1 << 256) - 1),
        )
        # fmt: on
        for x, y in refused:
            self.assertFalse(p256.is_public_key(octets(x, y)))
        # a zero more before y, which as a number is the same
        self.assertFalse(p256.is_public_key(octets(KEY[0]) + b"\0" + octets(KEY[1])))
        # y and p + y are the same, but the second is not below p
        self.assertTrue(p256.is_public_key(octets(SMALL_Y_X, SMALL_Y)))
        self.assertFalse(p256.is_public_key(octets(SMALL_Y_X, P + SMALL_Y)))
        for length in (0, 1, 32, 63, 65, 128):
            self.assertFalse(p256.is_public_key((octets(*KEY) * 2)[:length]))


class VerifyTest(unittest.TestCase):
    table = None

    def setUp(self):
        self.key = octets(*KEY)
        self.digest = hashlib.sha256(SAMPLE[0]).digest()
        self.signature = octets(*SAMPLE[1:])
        if VerifyTest.table is None:
            VerifyTest.table = make_table(KEY, 4)

    # the same verdict with and without the key's table
    def check(self, verdict, key, digest, signature, table=None):
        self.assertIs(p256.verify(key, digest, signature), verdict)
        if table is not None:
            self.assertIs(p256.verify(key, digest, signature, table), verdict)

    def test_published_signatures(self):
        for message, r, s in (SAMPLE, TEST):
            digest = hashlib.sha256(message).digest()
            self.check(True, self.key, digest, octets(r, s), self.table)
            # (r, n - s) is the other signature of the same numbers
            self.check(True, self.key, digest, octets(r, N - s), self.table)
            self.check(False, self.key, digest, octets(s, r), self.table)
            self.check(False, octets(*minus(KEY)), digest, octets(r, s))
        self.check(False, self.key, self.digest, octets(*TEST[1:]), self.table)

    def test_any_buffer(self):
        for kind in (bytes, bytearray, memoryview):
            self.assertTrue(
                p256.verify(
                    kind(self.key), kind(self.digest), kind(self.signature), kind(self.table)
                )
            )

    def test_steps(self):
        steps = p256.verify_steps(self.key, self.digest, self.signature, self.table)
        taken = 0
        try:
            while True:
                self.assertIs(next(steps), None)
                taken += 1
        except StopIteration as stop:
            self.assertIs(stop.value, True)
        self.assertTrue(taken >= 64)

    def test_altered(self):
        for octet in (0, 17, 31):
            for bit in (0x01, 0x80):
                digest = bytearray(self.digest)
                digest[octet] ^= bit
                self.check(False, self.key, digest, self.signature, self.table)
                for half in (0, 32):
                    signature = bytearray(self.signature)
                    signature[half + octet] ^= bit
                    self.check(False, self.key, self.digest, signature, self.table)

    def test_ranges(self):
        _, r, s = SAMPLE
        top = (1 << 256) - 1
        # fmt: off
        refused = (
            (0, s), (r, 0), (0, 0), (1, 1), (1, 0), (0, 1),
            (N, s), (r, N), (N, N), (0, N), (N, 0),
            (N - 1, s), (r, N - 1), (N + 1, s), (r, N + 1),
            (P, s), (P - 1, s), (P + 1, s), (P - N, s), (r, P), (r, P - N),
            (top, s), (r, top), (top, top),
        )
        # fmt: on
        for pair in refused:
            self.check(False, self.key, self.digest, octets(*pair), self.table)

    def test_digests(self):
        # the digest is a number of 256 bits: n and more are good digests too
        for e in (0, 1, N - 1, N, N + 1, (1 << 256) - 1):
            k = 0x1234567
            r = times(k, G)[0] % N
            s = inverse(k, N) * (e + 5 * r) % N
            self.check(True, octets(*times(5, G)), octets(e), octets(r, s))
            self.check(False, octets(*times(5, G)), octets(e ^ 2), octets(r, s))

    def test_lengths(self):
        for length in (0, 1, 31, 33, 63, 65, 127, 128):
            for at in range(3):
                arguments = [self.key, self.digest, self.signature]
                arguments[at] = (arguments[at] * 4)[:length]
                self.check(False, *arguments, table=self.table)

    # a zero more in front of a number changes nothing but the length
    def test_zeros_in_front(self):
        r, s = SAMPLE[1:]
        self.check(False, self.key, b"\0" + self.digest, self.signature, self.table)
        signature = octets(r) + b"\0" + octets(s)
        self.check(False, self.key, self.digest, signature, self.table)

    # the key is -G, with its table: both tables name opposite points in a column of both
    def test_key_is_opposite_to_the_generator(self):
        key = minus(G)
        digest, signature = make_signature(0b1011, 0b0011, key)
        self.check(True, octets(*key), digest, signature, make_table(key, 6))

    # s and s + n are the same number mod n
    def test_s_from_n_on(self):
        s = 5
        k = 0x1234567
        r = times(k, G)[0] % N
        key = octets(*times(3, G))
        digest = octets((s * k - 3 * r) % N)
        self.check(True, key, digest, octets(r, s))
        self.check(False, key, digest, octets(r, s + N))

    # a table of the signer's, for another key
    def test_table_of_another(self):
        key = octets(*times(5, G))
        self.check(True, self.key, self.digest, self.signature, self.table)
        self.assertIs(p256.verify(key, self.digest, self.signature, self.table), False)

    # the key is G, with its table: both tables name the same point in every column
    def test_key_is_the_generator(self):
        k = 0x123456789ABCDEF
        r = times(k, G)[0] % N
        s = inverse(k, N) * (r + r) % N
        self.check(True, octets(*G), octets(r), octets(r, s), GENERATOR_TABLE)
        self.check(False, octets(*G), octets(r ^ 1), octets(r, s), GENERATOR_TABLE)

    def test_bad_keys(self):
        for x, y in ((0, 0), (KEY[0], KEY[1] ^ 1), (P, lift(0)[1]), (KEY[0], P + 1)):
            key = octets(x, y)
            self.check(False, key, self.digest, self.signature, key + self.table[64:])

    def test_bad_tables(self):
        size = len(self.table)
        other = octets(*G) + self.table[64:]
        # no table of a key
        for table in (other, GENERATOR_TABLE, bytes(size), b"\xff" * size, self.table[1:] + b"\0"):
            self.assertIs(p256.verify(self.key, self.digest, self.signature, table), False)
        # no length of a table
        for length in (0, 1, 63, 64, 448, size - 64, size - 1):
            table = self.table[:length]
            self.assertIs(p256.verify(self.key, self.digest, self.signature, table), False)
        for table in (self.table + b"\0", self.table + self.table, bytes(32704)):
            self.assertIs(p256.verify(self.key, self.digest, self.signature, table), False)

    def test_damaged_tables(self):
        # the first entry is the key, the others are off the curve, at 0, or p and more
        for entry in (bytes(64), b"\xff" * 64, octets(P, P), octets(*KEY)):
            table = self.table[:64] + entry * 14
            self.assertIs(p256.verify(self.key, self.digest, self.signature, table), False)

    def test_generator_rows(self):
        # G and key need not have the same rows
        for rows in (4, 5, 6):
            table = make_table(KEY, rows)
            self.assertTrue(p256.verify(self.key, self.digest, self.signature, table))
            self.assertFalse(p256.verify(self.key, bytes(32), self.signature, table))


# (key, digest, signature) that come to the point with `x`, where there is one. s = 1, so u1 = e and
# u2 = r: the key that makes them meet there.
def made_of_one(x, r, e):
    point = lift(x)
    if point is None:
        return None
    key = times(inverse(r, N), plus(point, times(-e, G)))
    return octets(*key), octets(e), octets(r, 1)


class WrappedTest(unittest.TestCase):
    # x of a point is below p, r below n: an x from n on is x - n in the signature
    def test_x_from_n_on(self):
        found = 0
        for x in range(N + 1, N + 12):
            made = made_of_one(x, x - N, 12345)
            if made is not None:
                self.assertTrue(p256.verify(*made))
                # nor is the x itself an r
                key, digest, _ = made
                self.assertFalse(p256.verify(key, digest, octets(x, 1)))
                found += 1
        self.assertTrue(found)

    def test_r_plus_n_from_p_on(self):
        # (r + n) * Z^2 is X mod p, but r + n is no coordinate
        found = 0
        for x in range(12):
            made = made_of_one(x, x + P - N, 12345)
            if made is not None:
                self.assertFalse(p256.verify(*made))
                found += 1
        self.assertTrue(found)


class ExceptionalTest(unittest.TestCase):
    def test_exceptional_additions(self):
        c = 1 << GENERATOR_COLUMNS  # G's second entry is c * G
        full = SAMPLE[1]
        # fmt: off
        table = (
            # private key, u1, u2
            (1, full, full),            # key = G: the same entries in every column
            (1, full, 1),
            (1, 1, 1),
            (1, 2, 1),
            (1, 1, 2),
            (N - 1, full, 1),           # key = -G
            (N - 1, full, full - 1),
            (N - 1, full, N - full),
            (N - 1, 3, 1),
            (N - 1, 1, 3),
            (2, full, full),
            (N - 2, full, full),
            (3, 3 * full % N, full),    # u1 * G = u2 * key
            (1 - c, 2 + c, 1),          # P = T at column 0
            (-1 - c, 2 + c, 1),         # P = -T
            (-2 - c, 4 + 2 * c + 1, 2), # T = -2P: infinity, and on from there
            (-c, 4 + 2 * c + 1, 2),     # T1 = -T2
            (c, 4 + 2 * c, 2),          # T1 = T2
        )
        # fmt: on
        for private, u1, u2 in table:
            key = times(private, G)
            digest, signature = make_signature(u1, u2, key)
            comb = GENERATOR_TABLE if private == 1 else make_table(key, 4)
            for rows in (None, comb):
                self.assertIs(p256.verify(octets(*key), digest, signature, rows), True)
                self.assertIs(p256.verify(octets(*key), octets(u1), signature, rows), False)

    def test_infinity_is_refused(self):
        # e = -r * d: u1 * G + u2 * Q is infinity whatever s is
        for private in (1, N - 1, 2, 0x123456789):
            key = times(private, G)
            comb = GENERATOR_TABLE if private == 1 else make_table(key, 4)
            for r, s in ((1, 1), (1, N - 1), SAMPLE[1:], (G[0] % N, 1)):
                e = -r * private % N
                for table in (None, comb):
                    self.assertIs(p256.verify(octets(*key), octets(e), octets(r, s), table), False)


# an inverse as MicroPython's pow(x, -1, n) has it
# A number whose products leave a remainder that is off by so much.
class Modulus:
    def __init__(self, number, wrong):
        self.number, self.wrong = number, wrong

    def __sub__(self, other):
        return Modulus(self.number - other, self.wrong)

    def __mul__(self, other):
        return Modulus(self.number * other.number, self.wrong)

    def __mod__(self, other):
        return self.number % other.number + self.wrong

    def __rfloordiv__(self, other):
        return other // self.number

    def __rmod__(self, other):
        return other % self.number


# In place of `int`: makes a number whose square, divided by it, comes out wrong.
class Wide:
    def __init__(self, quotient, remainder):
        self.quotient, self.remainder = quotient, remainder

    def from_bytes(self, octets, order):
        return self

    def __mul__(self, other):
        return self

    def __floordiv__(self, other):
        return None if self.quotient else self

    def __mod__(self, other):
        return self.remainder


def no_inverse(value):
    yield
    return 0


class SelfTestTest(unittest.TestCase):
    def setUp(self):
        self.kept = {}
        p256._passed = None

    def tearDown(self):
        for name, value in self.kept.items():
            setattr(p256, name, value)
        p256._passed = None

    def replace(self, name, value):
        self.kept[name] = getattr(p256, name)
        setattr(p256, name, value)

    def verify_sample(self):
        digest = hashlib.sha256(SAMPLE[0]).digest()
        return p256.verify(octets(*KEY), digest, octets(*SAMPLE[1:]))

    def test_passes(self):
        self.assertIs(p256.self_test(), True)
        self.assertIs(p256._passed, True)

    def test_verify_runs_it(self):
        self.assertTrue(self.verify_sample())
        self.assertIs(p256._passed, True)

    def test_no_verification_after_a_failure(self):
        self.replace("_TEST_INVERSE", p256._TEST_INVERSE) if hasattr(
            p256, "_TEST_INVERSE"
        ) else None
        p256._passed = False
        self.assertFalse(p256.self_test())
        self.assertFalse(self.verify_sample())

    def test_inverse_of_zero(self):
        self.assertTrue(p256.self_test())
        self.replace("_inverse_steps", no_inverse)
        # even if the self-test had not looked
        self.assertFalse(self.verify_sample())
        p256._passed = None
        self.assertFalse(p256.self_test())

    # an inverse that is none is noticed at the signature as well: this one would verify
    def test_wrong_inverse(self):
        def one(value):
            yield
            return 1

        key, digest, signature = made_of_one(5, 5, 12345)
        self.assertTrue(p256.verify(key, digest, signature))
        self.replace("_inverse_steps", one)
        self.assertTrue(p256.verify(key, digest, signature))
        self.assertFalse(p256.verify(key, digest, signature[:63] + b"\x07"))

    def test_mutants_do_not_pass(self):
        double, add, fused = p256.double, p256.add, p256._double_add_add
        # fmt: off
        mutants = (
            ("PRIME", P + 2),
            ("PRIME", P - 2),
            ("ORDER", N + 2),
            ("ORDER", P),
            ("_B", 1),
            ("_GX_GY_QUOTIENT", 1),
            ("_GX_GY_REMAINDER", 1),
            ("_rows", lambda length: 0),
            ("_comb_digits", lambda scalar, rows: bytes(256)),
            ("double", lambda point: point),
            ("double", lambda point: point and (double(point)[0], 1, double(point)[2])),
            ("add", lambda point, x, y: point or (x, y, 1)),
            ("add", lambda point, x, y: add(point, x, P - y)),
            ("_double_add_add", lambda point, *entries: point),
            ("_double_add_add", lambda point, a, b, c, d: fused(point, a, b, c, P - d)),
            ("_combine_steps", lambda *arguments: iter(())),
            ("_verify_steps", lambda *arguments: iter(())),
            ("GENERATOR_TABLE", bytes(4032)),
        )
        # fmt: on
        for name, value in mutants:
            self.replace(name, value)
            p256._passed = None
            try:
                passed = p256.self_test()
            except ZeroDivisionError:
                passed = False
            self.assertFalse(passed, name)
            self.assertFalse(self.verify_sample(), name)
            setattr(p256, name, self.kept[name])

    # An interpreter that gives one wrong answer, whichever it is.
    def test_each_answer(self):
        drain = p256._drain
        for number in range(7):
            asked = []

            def lie(steps, wrong=number, asked=asked):
                answer = drain(steps)
                asked.append(answer)
                if len(asked) - 1 != wrong:
                    return answer
                return not answer if answer in (True, False) else answer + 1

            self.replace("_drain", lie)
            p256._passed = None
            self.assertFalse(p256.self_test(), number)
            self.assertTrue(len(asked) > number)
            p256._drain = drain

    # One that divides wrongly, by a number of the module's or by another.
    def test_division(self):
        for name in ("PRIME", "ORDER"):
            number = getattr(p256, name)
            for wrong in (0, 1):
                self.replace(name, Modulus(number, wrong))
                self.assertEqual(p256._arithmetic_is_right(), not wrong)
                setattr(p256, name, number)
        for quotient, remainder in ((0, 0), (1, 0), (0, 1)):
            p256.int = Wide(quotient, remainder)
            try:
                self.assertEqual(p256._arithmetic_is_right(), not quotient | remainder)
            finally:
                del p256.int

    def test_verdicts_that_never_change(self):
        def always(verdict):
            def steps(*arguments):
                yield
                return verdict

            return steps

        for verdict in (True, False):
            self.replace("_verify_steps", always(verdict))
            p256._passed = None
            self.assertFalse(p256.self_test())
            self.assertFalse(self.verify_sample())
            p256._verify_steps = self.kept["_verify_steps"]


if __name__ == "__main__":
    unittest.main()
