"""A linked program does what its source does: small programs, run both ways."""

from __future__ import annotations

import pytest

# what a program holds -> (main, modules)
PROGRAMS = {
    "equal names in two modules": (
        """
        from bootloader import one, two
        from bootloader.two import encode
        print(one.encode(1), two.encode(1), encode(2))
        """,
        {
            "one": "def encode(x):\n    return ('one', x)\n",
            "two": "from bootloader import one\ndef encode(x):\n    return one.encode(x), 'two'\n",
        },
    ),
    "a local hides a global, a parameter hides a module": (
        """
        from bootloader import two
        print(two.outer(3), two.after(), two.takes(5))
        """,
        {
            "one": "value = 'one'\n",
            "two": """
            from bootloader import one
            value = 'two'
            def outer(value):
                return value, [value for value in (1, 2)], (lambda value: value)(4)
            def after():
                value, seen = 7, one.value
                return value, seen
            def takes(one):
                return one
            """,
        },
    ),
    "comprehensions and closures": (
        """
        from bootloader import one
        print(one.table(3), one.closure(2)(5), one.counter())
        """,
        {
            "one": """
            rows = [1, 2, 3]
            def table(rows):
                return {row: [row * r for r in range(row)] for row in range(rows)}
            def closure(step):
                def inner(start):
                    nonlocal step
                    step += 1
                    return [start + step + row for row in rows]
                return inner
            count = 0
            def counter():
                global count
                count += 1
                return count
            """,
        },
    ),
    "classes": (
        """
        from bootloader.one import Base, Derived, Trouble
        print(Derived(4).size, Derived(4).read(), Base.limit, Derived.limit)
        try:
            Derived(0).read()
        except Trouble as trouble:
            print(trouble.reason, trouble.offset, trouble.args)
        """,
        {
            "one": """
            default = 9
            class Trouble(Exception):
                def __init__(self, reason, offset=-1):
                    super().__init__(reason, offset)
                    self.reason = reason
                    self.offset = offset
            class Base:
                limit = default
                def read(self):
                    return self._read(self.length)
                def _read(self, length):
                    return "base", length
            class Derived(Base):
                def __init__(self, length, reason=default):
                    self.length = length
                    self._reason = reason
                @property
                def size(self):
                    return self.length * self.limit
                def _read(self, length):
                    if not length:
                        raise Trouble(self._reason)
                    return Base._read(self, length) + (self.append(2).pop(),)
                def append(self, n):
                    found = []
                    found.append(n)
                    return found
            """,
        },
    ),
    "keywords keep their names": (
        """
        from bootloader.one import area
        print(area(width=2, height=3), area(2, height=5), area(2, 3, deep=4), area(1, 1))
        """,
        {
            "one": """
            depth = 7
            def area(width, height, *, deep=depth):
                return width * 100 + height * 10 + deep
            """
        },
    ),
    "constants": (
        """
        from bootloader.one import LIMIT
        from bootloader import one, two
        print(LIMIT, one.MASK, two.both(), two.TEXT)
        """,
        {
            "one": """
            def const(value):
                return value
            LIMIT = const(3)
            MASK = const((1 << 4) - 1) if False else 15
            """,
            "two": """
            from bootloader import one
            from bootloader.one import LIMIT as limit
            TEXT = "text"
            _ONCE = b"once"
            def both():
                return limit, one.LIMIT, one.MASK, _ONCE
            """,
        },
    ),
    "an import inside a function": (
        "from bootloader import one\nprint(one.late())\n",
        {
            "one": "def late():\n    from bootloader import two\n    return two.answer()\n",
            "two": "import struct\ndef answer():\n    return struct.pack('<H', 258)\n",
        },
    ),
    "text that is a name": (
        "from bootloader import one\nprint(one.fields(one.Row(5)))\n",
        {
            "one": """
            class Row:
                def __init__(self, width):
                    self.width = width
            def fields(row):
                return {"width": row.width}
            """,
        },
    ),
    "generators and handlers": (
        """
        from bootloader import one
        print(list(one.steps(2)), one.caught(KeyError()))
        """,
        {
            "one": """
            def steps(count):
                found = yield from _inner(count)
                yield found
            def _inner(count):
                for number in range(count):
                    yield number
                return "end"
            def caught(error):
                try:
                    raise error
                except (KeyError, ValueError) as error:
                    return type(error) is KeyError
            """,
        },
    ),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_same_meaning(program, what: str) -> None:
    main, modules = PROGRAMS[what]
    written = program(main, **modules)
    expected = written.run_source()
    assert expected
    assert written.run_linked() == expected


def test_what_nobody_names_is_left_out(program) -> None:
    linked = program(
        "from bootloader import one\none.used()\n",
        one="""
        class Thing:
            def kept(self):
                return 1
            def dropped(self):
                return 2
        def used():
            return Thing().kept()
        def unused():
            return lonely()
        def lonely():
            return 3
        TABLE = (unused,)
        """,
    ).link()
    expected = ["one.TABLE", "one.Thing.dropped", "one.lonely", "one.unused"]
    assert [name for name in sorted(linked.dropped) if name.startswith("one.")] == expected


def test_other_spelling_of_unused_constants(program) -> None:
    text = program(
        "from bootloader import one\nprint(one.f())\n",
        one="from micropython import const\nA = const(70000)\ndef f():\n    return A\n",
    ).link()
    assert "return 70000" in text.modules["bootloader"]
    assert "micropython" not in text.modules["bootloader"]
