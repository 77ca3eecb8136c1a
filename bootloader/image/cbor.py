# The subset of CBOR (RFC 8949) that hanboot speaks: integers, byte and text strings, arrays,
# maps, false, true and null.
#
# Manifests are read `strict`: only the deterministic encoding (RFC 8949 4.2.1) is taken, so one
# content has one encoding. Requests on the link come from other people's encoders and are read
# leniently: any order of keys, any length of an integer, maps and arrays of indefinite length. A
# key may stand only once in either.

from hanbootloader.compat import const
from hanbootloader.reasons import ENCODING, Refused

DEPTH = const(6)  # deepest nesting taken; the manifest needs 3

# major types, RFC 8949 3.1
_UINT = const(0)
_NINT = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)
_SIMPLE = const(7)
_INDEFINITE = const(-1)  # the argument of a map or array that a break ends
_BREAK = const(0xFF)

# lead bytes of UTF-8 that leave their second byte less than 80..BF, RFC 3629 4
_SECOND_BYTE = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}


class Reader:
    # data: any buffer; byte strings come back as bytes, or as slices of a memoryview if `views`
    def __init__(self, data: "bytes | memoryview", strict: bool = True, views: bool = False):
        self._data = memoryview(data)
        self._strict = strict
        self._views = views
        self.position = 0

    def take(self, count: int) -> memoryview:
        start = self.position
        if count > len(self._data) - start:
            raise Refused(ENCODING, start)
        self.position = start + count
        return self._data[start : self.position]

    def head(self) -> "tuple[int, int]":
        # major type and argument, RFC 8949 3
        at = self.position
        first = self.take(1)[0]
        major, argument = first >> 5, first & 0x1F
        if argument < 24:
            return major, argument
        # Zephyr's encoder does not know how long a map will be (RFC 8949 3.2.2)
        if argument == 31 and not self._strict and major in (_ARRAY, _MAP):
            return major, _INDEFINITE
        # 28..30 are reserved
        if argument > 27 or major == _SIMPLE:
            raise Refused(ENCODING, at)
        width = 1 << (argument - 24)
        argument = int.from_bytes(self.take(width), "big")
        # deterministic: the shortest form that holds the argument
        if self._strict and argument < (24 if width == 1 else 1 << (4 * width)):
            raise Refused(ENCODING, at)
        return major, argument

    def item(self, depth: int = DEPTH) -> object:
        at = self.position
        if not depth:
            raise Refused(ENCODING, at)
        major, argument = self.head()
        if major == _UINT:
            return argument
        if major == _NINT:
            return -1 - argument
        if major == _BYTES:
            view = self.take(argument)
            return view if self._views else bytes(view)
        if major == _TEXT:
            return self._text(argument, at)
        if major == _ARRAY:
            # an item is at least one byte: no list longer than what is left
            if argument > len(self._data) - self.position:
                raise Refused(ENCODING, at)
            return self.array(argument, depth)
        if major == _MAP:
            return self.map(argument, depth)
        if major == _SIMPLE and argument in (20, 21, 22):
            return (False, True, None)[argument - 20]
        raise Refused(ENCODING, at)

    # The one item that there is.
    def whole(self) -> object:
        value = self.item()
        if self.position != len(self._data):
            raise Refused(ENCODING, self.position)
        return value

    def _text(self, length: int, at: int) -> str:
        data = self.take(length)
        try:
            text = str(data, "utf-8")
        except UnicodeError:
            raise Refused(ENCODING, at)
        # MicroPython lets more pass: a device must not take what its maker's tools refuse
        if not _is_utf8(data):
            raise Refused(ENCODING, at)
        return text

    # The items of an array whose head was read.
    def array(self, count: int, depth: int) -> object:
        found: "list[object]" = []
        while self._goes_on(count, len(found)):
            found.append(self.item(depth - 1))
        return found

    # The items of a map whose head was read.
    def map(self, count: int, depth: int) -> "dict[object, object]":
        result: "dict[object, object]" = {}
        for at, key in self.keys(count, depth):
            if key in result:
                raise Refused(ENCODING, at)
            result[key] = self.item(depth - 1)
        return result

    # The keys of a map, with where they are; the value is read before the next is asked for.
    def keys(self, count: int, depth: int):  # type: ignore[no-untyped-def]
        previous, taken = b"", 0
        while self._goes_on(count, taken):
            at = self.position
            # a key holds no other item, and a map as a key no keys
            key = self.item(min(1, depth - 1))
            if not isinstance(key, (int, str)) or isinstance(key, bool):
                raise Refused(ENCODING, at)
            # deterministic: keys in bytewise order of their encodings, RFC 8949 4.2.1
            encoded = bytes(self._data[at : self.position])
            if self._strict and encoded <= previous:
                raise Refused(ENCODING, at)
            previous = encoded
            taken += 1
            yield at, key

    # Whether another item of a map or array follows the `taken` that were read.
    def _goes_on(self, count: int, taken: int) -> bool:
        if count != _INDEFINITE:
            return taken < count
        if self.take(1)[0] == _BREAK:
            return False
        self.position -= 1
        return True


# Whether bytes that look like UTF-8 are: no overlong form, no surrogate, nothing above 10FFFF.
def _is_utf8(data: memoryview) -> bool:
    for at, lead in enumerate(data):
        if lead >= 0xC0:
            low, high = _SECOND_BYTE.get(lead, (0x80, 0xBF))
            if not (0xC2 <= lead <= 0xF4 and low <= data[at + 1] <= high):
                return False
    return True


# The one item that `data` holds, all of it.
def decode(data: "bytes | memoryview", strict: bool = True, views: bool = False) -> object:
    return Reader(data, strict, views).whole()


# Major type and argument in the shortest form.
def encode_head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    for code, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument >> (8 * width) == 0:
            return bytes((major << 5 | code,)) + argument.to_bytes(width, "big")
    raise ValueError


# Deterministic encoding of ints, bytes, str, lists, dicts with int or str keys, bool and None.
def encode(value: object) -> bytes:
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return encode_head(_UINT, value) if value >= 0 else encode_head(_NINT, -1 - value)
    if isinstance(value, str):
        data = value.encode()
        return encode_head(_TEXT, len(data)) + data
    if isinstance(value, (bytes, bytearray, memoryview)):
        return encode_head(_BYTES, len(value)) + bytes(value)
    if isinstance(value, (list, tuple)):
        return encode_head(_ARRAY, len(value)) + b"".join([encode(item) for item in value])
    if isinstance(value, dict):
        pairs = sorted([(encode(key), encode(value[key])) for key in value])
        return encode_head(_MAP, len(pairs)) + b"".join([key + item for key, item in pairs])
    raise TypeError
