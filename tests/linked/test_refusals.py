"""What the linker cannot prove harmless stops the build, in three lines."""

from __future__ import annotations

import pytest

import linker
from linker import names

# construct -> (module `one`, what the refusal names)
REFUSED = {
    "getattr": ("def f(x):\n    return getattr(x, 'a')\n", "getattr"),
    "setattr": ("def f(x):\n    setattr(x, 'a', 1)\n", "setattr"),
    "hasattr": ("def f(x):\n    return hasattr(x, 'a')\n", "hasattr"),
    "globals": ("def f():\n    return globals()\n", "globals"),
    "eval": ("def f():\n    return eval('f')\n", "eval"),
    "__dict__": ("def f(x):\n    return x.__dict__\n", "__dict__"),
    "computed import": ("def f(x):\n    return __import__(x)\n", "__import__"),
    "star import": ("from bootloader.two import *\n", "import *"),
    "keywords by **": ("def f(**given):\n    return f(**given)\n", "keywords that **"),
    "walrus": ("def f(x):\n    return (y := x)\n", "NamedExpr"),
    "missing name caught": (
        "def f(x):\n    try:\n        x.a\n    except AttributeError:\n        pass\n",
        "a handler of names",
    ),
    "comprehension in a class": ("class A:\n    b = [c for c in (1,)]\n", "ListComp"),
    "import of a package": ("import bootloader.two\n", "import bootloader.two"),
    "no such name": ("from bootloader.two import none\n", "has no none"),
    "no such attribute": ("from bootloader import two\ndef f():\n    return two.none\n", "no none"),
    "module as a value": ("from bootloader import two\ndef f():\n    return two\n", "module two"),
    "undefined name": ("def f():\n    return nobody\n", "nobody defines nobody"),
    "cycle": ("from bootloader import three\n", "imports itself"),
    "constant that is none": (
        "from micropython import const\nA = const(len('a'))\ndef f():\n    return A\n",
        "const(len('a'))",
    ),
    "one alias, two modules": ("import os as struct\n", "struct means two things"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(program, what: str) -> None:
    source, named = REFUSED[what]
    others = {"two": "import struct\n", "three": "from bootloader import one\n"}
    with pytest.raises(linker.LinkError) as refused:
        program("from bootloader import one\n", one=source, **others).link()
    lines = str(refused.value).splitlines()
    assert named in lines[0]
    assert len(lines) == 3


def test_a_client_may_not_use_the_name_of_the_program(program) -> None:
    written = program(
        "from bootloader import one\nbootloader = one.f()\n", one="def f():\n    return 1\n"
    )
    with pytest.raises(linker.LinkError, match="bootloader is bound here"):
        written.link()


def test_the_interface_must_be_there(program) -> None:
    written = program("pass\n", application="class Other:\n    pass\n")
    with pytest.raises(linker.LinkError, match=r"application\.Services"):
        written.link()


def test_words_must_be_enough(program, monkeypatch) -> None:
    monkeypatch.setattr(names, "firmware_words", lambda: ["a", "b"])
    written = program(
        "from bootloader import one\none.f(), one.g(), one.h()\n",
        one="def f():\n    return 1\ndef g():\n    return 1\ndef h():\n    return 1\n",
    )
    with pytest.raises(linker.LinkError, match="no word is left"):
        written.link()


def test_firmware_without_the_words(product: linker.Linked) -> None:
    with pytest.raises(linker.LinkError, match="has words that this firmware lacks"):
        linker.check_firmware(product, set())


def test_firmware_with_more_names(product: linker.Linked) -> None:
    held = {*names.firmware_words(), "payload_hash"}
    with pytest.raises(linker.LinkError, match="lacks names that this firmware has: payload_hash"):
        linker.check_firmware(product, held)
    linker.check_firmware(product, held - {"payload_hash"})
