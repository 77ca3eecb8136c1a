# ECDSA on P-256 with SHA-256: verification only (SEC 1 version 2, 4.1.4; FIPS 186-5, 6.4.2).
#
# Everything here is public, so nothing hides its timing. What costs time on an RP2040 is the
# reduction `% PRIME` of a product, some 150 us against 60 us for the product and 20 us for a sum.
# The code is therefore arranged to reduce seldom: sums of products are reduced once, and
# u1 * G + u2 * Q is one Lim-Lee comb ("More flexible exponentiation with precomputation",
# CRYPTO '94) over tables of G and of the key, walked together.
#
# A comb of r rows writes a scalar in r rows of c = ceil(256 / r) bits, one below the other:
#
#     scalar = sum of 2^(c * row + column) * bit[row][column]
#
# A column, read as a number from 1 to 2^r - 1, selects the sum of those 2^(c * row) * Q whose
# bit is set. These sums are the table: entry i is x || y, 32 octets each, big-endian, at
# (i - 1) * 64. Hence c doublings for any scalar, and the table of one row is the key itself:
# so a key without a table needs no code of its own.
#
# A point is None (infinity) or Jacobian (X, Y, Z), standing for x = X / Z^2, y = Y / Z^3.
# Formulas are named as in the Explicit-Formulas Database, hyperelliptic.org/EFD, "Jacobian
# coordinates with a4=-3 for short Weierstrass curves".
#
# MicroPython's pow(x, -1, n) is 0, whatever x: a verifier that takes it gets u1 = u2 = 0,
# and one that then compares X with r * Z^2 at Z = 0 accepts every signature. Here the inverse is
# Euclid's and is multiplied back, and infinity is never compared.

from hanbootloader.compat import const
from hanbootloader.trust.generator import GENERATOR_TABLE

# SEC 2 version 2, 2.4.2
PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B

# fmt: off
_BITS         = const(256)
_NUMBER_BYTES = const(32)  # a coordinate, r, s, the digest
_PAIR_BYTES   = const(64)  # x || y, r || s
_ROWS_LEAST   = const(4)   # of a table that is handed in
_ROWS_MOST    = const(8)
_TOGETHER     = const(8)   # points that are made affine by one division
# fmt: on


# Whether the 64 octets x || y are a point of the curve. Its order is prime: every point will do.
def is_public_key(key: "bytes | bytearray | memoryview") -> bool:
    if len(key) != _PAIR_BYTES:
        return False
    x = int.from_bytes(key[:_NUMBER_BYTES], "big")
    y = int.from_bytes(key[_NUMBER_BYTES:], "big")
    if x >= PRIME or y >= PRIME:
        return False
    return (y * y - (x * x - 3) * x - _B) % PRIME == 0


# Whether signature (r || s) over digest is key's (x || y). table: the key's comb, for speed.
def verify(
    key: "bytes | bytearray | memoryview",
    digest: "bytes | bytearray | memoryview",
    signature: "bytes | bytearray | memoryview",
    table: "bytes | bytearray | memoryview | None" = None,
) -> bool:
    return bool(_drain(verify_steps(key, digest, signature, table)))


# The same as a generator: yields None between steps of some milliseconds, returns the bool.
def verify_steps(  # type: ignore[no-untyped-def]
    key: "bytes | bytearray | memoryview",
    digest: "bytes | bytearray | memoryview",
    signature: "bytes | bytearray | memoryview",
    table: "bytes | bytearray | memoryview | None" = None,
):
    if not self_test():
        return False
    return (yield from _verify_steps(key, digest, signature, table))


def _verify_steps(  # type: ignore[no-untyped-def]
    key: "bytes | bytearray | memoryview",
    digest: "bytes | bytearray | memoryview",
    signature: "bytes | bytearray | memoryview",
    table: "bytes | bytearray | memoryview | None",
):
    if len(digest) != _NUMBER_BYTES or len(signature) != _PAIR_BYTES:
        return False
    if not is_public_key(key):
        return False

    # no table: one row, and the key is its only entry
    rows = 1
    if table is None:
        table = key
    else:
        rows = _rows(len(table))
        # a table of another key would verify for that key
        if not rows or bytes(table[:_PAIR_BYTES]) != bytes(key):
            return False
    yield

    # SEC 1 4.1.4 step 1: both in [1, n - 1]
    r = int.from_bytes(signature[:_NUMBER_BYTES], "big")
    s = int.from_bytes(signature[_NUMBER_BYTES:], "big")
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False

    # steps 3 and 4; the digest is as long as n, so none of it is cut off
    w = yield from _inverse_steps(s)
    if s * w % ORDER != 1:
        return False
    u1 = int.from_bytes(digest, "big") * w % ORDER
    u2 = r * w % ORDER

    # step 5
    point = yield from _combine_steps(u1, u2, table, rows)
    if point is None:
        return False

    # steps 6 to 8 without a division: x mod n == r, and x = X / Z^2 is below p, which is below
    # 2n, so x is r or r + n
    x, _, z = point
    zz = z * z % PRIME
    if not zz:
        return False
    if (x - r * zz) % PRIME == 0:
        return True
    return r + ORDER < PRIME and (x - (r + ORDER) * zz) % PRIME == 0


# 1 / value mod n for 0 < value < n, by the extended Euclidean algorithm. Generator.
def _inverse_steps(value: int):  # type: ignore[no-untyped-def]
    # each remainder is its factor times value (mod n); n is prime, so the last above 0 is 1
    older, newer = ORDER, value
    older_factor, factor = 0, 1
    divisions = 0
    while newer:
        quotient, remainder = divmod(older, newer)
        older, newer = newer, remainder
        older_factor, factor = factor, older_factor - quotient * factor
        # about 150 in all
        divisions += 1
        if not divisions & 31:
            yield
    return older_factor % ORDER


# u1 * G + u2 * Q, with Q's table. Generator.
def _combine_steps(  # type: ignore[no-untyped-def]
    u1: int, u2: int, table: "bytes | bytearray | memoryview", rows: int
):
    digits1 = _comb_digits(u1, _GENERATOR_ROWS)
    yield
    digits2 = _comb_digits(u2, rows)
    yield
    table1 = memoryview(GENERATOR_TABLE)
    table2 = memoryview(table)
    number = int.from_bytes
    x1 = y1 = x2 = y2 = 0
    point = None
    for column in range(max(len(digits1.rstrip(b"\0")), len(digits2.rstrip(b"\0"))) - 1, -1, -1):
        digit1 = digits1[column]
        if digit1:
            at = (digit1 - 1) * _PAIR_BYTES
            x1 = number(table1[at : at + _NUMBER_BYTES], "big")
            y1 = number(table1[at + _NUMBER_BYTES : at + _PAIR_BYTES], "big")
        digit2 = digits2[column]
        if digit2:
            at = (digit2 - 1) * _PAIR_BYTES
            x2 = number(table2[at : at + _NUMBER_BYTES], "big")
            y2 = number(table2[at + _NUMBER_BYTES : at + _PAIR_BYTES], "big")
        if digit1 and digit2 and point is not None:
            point = _double_add_add(point, x1, y1, x2, y2)
        else:
            point = double(point)
            if digit1:
                point = add(point, x1, y1)
            if digit2:
                point = add(point, x2, y2)
        yield
    return point


# The columns of a scalar's comb: 256 octets, lowest column first, zeros above the highest.
def _comb_digits(scalar: int, rows: int) -> bytes:
    columns = -(-_BITS // rows)
    mask = (1 << columns) - 1
    ones = int.from_bytes(b"\x01" * columns, "big")
    digits = 0
    for row in range(rows - 1, -1, -1):
        # as text a row has an octet for each bit, and "0" is 0x30, "1" is 0x31
        text = bin(scalar >> row * columns & mask)[2:]
        digits = digits << 1 | int.from_bytes(text.encode(), "big") & ones
    return digits.to_bytes(_BITS, "little")


# Bytes of a comb table of so many rows.
def table_bytes(rows: int) -> int:
    return ((1 << rows) - 1) * _PAIR_BYTES


# Rows of a comb table of so many octets; 0 if it cannot be one.
def _rows(length: int) -> int:
    for rows in range(_ROWS_LEAST, _ROWS_MOST + 1):
        if length == table_bytes(rows):
            return rows
    return 0


_GENERATOR_ROWS = _rows(len(GENERATOR_TABLE))


# The comb table of `key`, which is a point of the curve. Generator; returns the bytes.
#
# Divisions are what costs: sums are made affine eight at a time, by the inverse of the product of
# their Z (P. L. Montgomery, "Speeding the Pollard and elliptic curve methods of factorization",
# Math. Comp. 48, 1987).
def table_steps(key: "bytes | memoryview", rows: int):  # type: ignore[no-untyped-def]
    number = int.from_bytes
    columns = -(-_BITS // rows)
    table = bytearray(table_bytes(rows))
    table[:_PAIR_BYTES] = key
    filled = 1
    for row in range(1, rows):
        # the row's own point, 2^columns times the one of the row before
        at = ((1 << row - 1) - 1) * _PAIR_BYTES
        point: "tuple[int, int, int] | None" = (
            number(table[at : at + _NUMBER_BYTES], "big"),
            number(table[at + _NUMBER_BYTES : at + _PAIR_BYTES], "big"),
            1,
        )
        for _ in range(columns):
            point = double(point)
            yield
        own = _affine([point])[0]
        base = filled * _PAIR_BYTES
        table[base : base + _PAIR_BYTES] = _pair(own)
        # and its sums with all entries before
        for first in range(0, filled, _TOGETHER):
            points = []
            for entry in range(first, min(first + _TOGETHER, filled)):
                at = entry * _PAIR_BYTES
                points.append(
                    add(
                        (own[0], own[1], 1),
                        number(table[at : at + _NUMBER_BYTES], "big"),
                        number(table[at + _NUMBER_BYTES : at + _PAIR_BYTES], "big"),
                    )
                )
                yield
            at = base + (first + 1) * _PAIR_BYTES
            for pair in _affine(points):
                table[at : at + _PAIR_BYTES] = _pair(pair)
                at += _PAIR_BYTES
            yield
        filled += filled + 1
    return table


# (x, y) of `points`, none of which is infinity: the order is prime, and above every multiple of the
# key that a table holds.
def _affine(points: "list[tuple[int, int, int] | None]") -> "list[tuple[int, int]]":
    p = PRIME
    products, product = [], 1
    for point in points:
        products.append(product)
        product = product * point[2] % p  # type: ignore[index]
    inverse = pow(product, p - 2, p)
    pairs = []
    for at in range(len(points) - 1, -1, -1):
        x, y, z = points[at]  # type: ignore[misc]
        one = inverse * products[at] % p
        inverse = inverse * z % p
        square = one * one % p
        pairs.append((x * square % p, y * (square * one % p) % p))
    pairs.reverse()
    return pairs


# 2 * point: dbl-2001-b with its factors 4 and 8 moved into sums; 7 reductions.
def double(point: "tuple[int, int, int] | None") -> "tuple[int, int, int] | None":
    if point is None:
        return None
    p = PRIME
    x, y, z = point
    delta = z * z % p
    y2 = y + y
    gamma2 = y2 * y % p  # 2 Y^2
    beta4 = (x + x) * gamma2 % p  # 4 X Y^2
    alpha = 3 * (x - delta) * (x + delta) % p
    x3 = (alpha * alpha - (beta4 + beta4)) % p
    return x3, (alpha * (beta4 - x3) - (gamma2 + gamma2) * gamma2) % p, y2 * z % p


# point + (x2, y2): add-1998-cmo-2 with Z2 = 1; 10 reductions.
def add(point: "tuple[int, int, int] | None", x2: int, y2: int) -> "tuple[int, int, int] | None":
    if point is None:
        return x2, y2, 1
    p = PRIME
    x1, y1, z1 = point
    zz = z1 * z1 % p
    h = (x2 * zz - x1) % p
    r = (y2 * (z1 * zz % p) - y1) % p
    if not h:
        # the same x: the same point, or its opposite
        return None if r else double(point)
    hh = h * h % p
    hhh = h * hh % p
    v = x1 * hh % p
    x3 = (r * r - (hhh + v + v)) % p
    return x3, (r * (v - x3) - y1 * hhh) % p, z1 * h % p


# 2 * point + (x1, y1) + (x2, y2), what nearly every column needs, in 24 reductions, not 27.
#
# First T = (x1, y1) + (x2, y2), by the same formula as in add with both Z = 1; its Z is h, so
# Z^2 and Z^3 cost nothing. Then 2P + T as (P + T) + P (Longa and Miri, "New composite operations
# and precomputation scheme for elliptic curve cryptosystems over prime fields", PKC 2008):
# P + T by add-1998-cmo-2 yields, as v and y, also P's X and Y for the Z of P + T, and points
# that share their Z add cheaply (Meloni, "New point addition formulae for ECC applications",
# WAIFI 2007). P + T is needed only as differences to P: t in X, and r in Y (its sign turned).
def _double_add_add(
    point: "tuple[int, int, int]", x1: int, y1: int, x2: int, y2: int
) -> "tuple[int, int, int] | None":
    p = PRIME
    # T
    h2 = x2 - x1
    r = y2 - y1
    hh2 = h2 * h2 % p
    hhh2 = h2 * hh2 % p
    v = x1 * hh2 % p
    xt = (r * r - (hhh2 + v + v)) % p
    yt = (r * (v - xt) - y1 * hhh2) % p

    # P + T
    x, y, z = point
    zz = z * z % p
    h = (xt * zz - x * hh2) % p
    r = (yt * (z * zz % p) - y * hhh2) % p
    hh = h * h % p
    hz = h * h2 % p
    hhzz = hh * hh2 % p
    v = x * hhzz % p
    t = (r * r - h * hh - 3 * v) % p

    # (x1, y1) = +-(x2, y2), P = +-T or P + T = +-P: these formulas do not hold
    if not (h2 and h and t):
        return add(add(double(point), x1, y1), x2, y2)

    # (P + T) + P
    y = y * (hz * hhzz % p) % p
    r = (r * t + (y + y)) % p
    tt = t * t % p
    ttt = t * tt % p
    v = v * tt % p
    x3 = (r * r - (ttt + v + v)) % p
    return x3, (r * (x3 - v) - y * ttt) % p, z * hz % p * t % p


def _drain(steps) -> int:  # type: ignore[no-untyped-def]
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


# --- known answers
#
# MicroPython before 1.15 divided some numbers of just these shapes wrongly, and its pow() is
# mentioned above. So nothing is verified before this interpreter has shown that it can.

_passed: "bool | None" = None


# Whether known answers come out right. Asked once, remembered: call it at start. False is final.
def self_test() -> bool:
    global _passed
    if _passed is None:
        _passed = _arithmetic_is_right() and _verdicts_are_right()
    return _passed


def _arithmetic_is_right() -> bool:
    wide = int.from_bytes(b"\xff" * 28 + bytes(4), "big")  # 2^256 - 2^32
    if wide * wide // wide != wide or wide * wide % wide:
        return False
    if (PRIME - 2) * (PRIME - 3) % PRIME != 6 or (ORDER - 2) * (ORDER - 3) % ORDER != 6:
        return False
    x, y = _G
    return x * y // PRIME == _GX_GY_QUOTIENT and x * y % PRIME == _GX_GY_REMAINDER


_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_GX_GY_QUOTIENT = 0x216B6BE458BA6D2B977C8D19B08F1DE68E6E00EC323D85F8A1AB09A3F320E930
_GX_GY_REMAINDER = 0x823CD15F6DD3C71933565064513A6B2BD183E554C6A08622F713EBBBFACE98BE

# A signature whose numbers are all of full size, but cheap to verify:
#   1 / s = _TEST_INVERSE    few steps of Euclid's algorithm
#   u2 = r / s = 6           columns 2 and 1 of the key
#   u1 = e / s               columns 1 and 0 of G's six rows are 0b101101 and 0b010011, others 0
# Column 1 takes the path that most columns take, column 0 the other one. It was made the other
# way round: s from the first inverse above 2^16 for which r = 6 * s is the x of a point R, then
# the key as (R - u1 * G) / 6. Its private half is known to no party.
_TEST_INVERSE = const(65538)
_TEST_KEY = (
    0x6D2BE4C09910315EA92800082BEA3D2F8F857ED27EE718E7B1B7283C03D6E395,
    0x4DFAF5364B67240AC43A742058930256C0CE168DF2F9B58AC807BB40BB57BCDD,
)
_TEST_E = 0x0C88E6EE259AB5CAA0F3BE1893CED8624BF6536FA3E43FC9910001EEAA50622E
_TEST_R = 0x9598D4CDC0CA7E6B98C2CE7A630B39E964F748EB4CE0A9B76A66EBF99E3E4BE0
_TEST_S = 0x6E4423774ACC6A679975CD1465D734517A76350BC482A6758DA46AEA992B6E6B


def _verdicts_are_right() -> bool:
    e, r, s = _TEST_E, _TEST_R, _TEST_S
    key = _pair(_TEST_KEY)
    table = key + bytes(_PAIR_BYTES * 14)  # four rows; only the first entry is looked up

    if _drain(_inverse_steps(s)) != _TEST_INVERSE:
        return False

    if not (_verdict(key, e, r, s, table) and _verdict(key, e, r, s, None)):
        return False

    # u1 - 1; u2 - 1; both doubled
    if _verdict(key, (e - s) % ORDER, r, s, table):
        return False
    if _verdict(key, e, (r - s) % ORDER, s, None):
        return False
    if _verdict(key, e, r, (s + ORDER) // 2, table):
        return False

    # u1 * G + u2 * Q is infinity: anyone can forge this for the key -G, and a verifier that
    # inverts s to 0 is there with every signature
    return not _verdict(_pair((_G[0], PRIME - _G[1])), s, s, s, None)


def _verdict(key: bytes, e: int, r: int, s: int, table: "bytes | None") -> int:
    return _drain(_verify_steps(key, e.to_bytes(_NUMBER_BYTES, "big"), _pair((r, s)), table))


def _pair(pair: "tuple[int, int]") -> bytes:
    return pair[0].to_bytes(_NUMBER_BYTES, "big") + pair[1].to_bytes(_NUMBER_BYTES, "big")
