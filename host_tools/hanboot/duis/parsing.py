"""XML that comes from anybody, parsed with bounds on everything.

Nothing is fetched and nothing is expanded: a document type declaration is refused before it is
parsed, and with it all entities. Depth and number of elements are counted while parsing, so that a
small file cannot become a large tree; attributes before, as libxml2 compares each with all others
of its element: 60,000 namespaces took it half a minute. Comments are left out at once (no signature
covers them, and one in the middle of a value would split it); processing instructions are refused.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

from lxml import etree

from hanboot import files
from hanboot.duis.names import ATTRIBUTES_MAX, DEPTH_MAX, DOCUMENT_MAX_BYTES, ELEMENTS_MAX, SR, sr
from hanboot.errors import BadFile

#: lxml has no types of its own.
Element = Any

_STEP_BYTES = 64 * 1024
#: What every attribute and namespace begins its value with, and hardly anything else.
_ATTRIBUTE = re.compile(rb"=[ \t\r\n]*[\"']")
#: XML 1.0, production 3: other spaces are text.
_WHITE_SPACE = " \t\r\n"
#: The encoding that an XML declaration names (XML 1.0, production 80).
_DECLARED = re.compile(
    rb"(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding[ \t\r\n]*=[ \t\r\n]*[\"']([^\"'>]*)"
)
#: What libxml2 ends its messages with, and is said before.
_POSITION = re.compile(r", line \d+, column \d+$")
_XML_VERSION = "1.0"
_FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY", b"\0")
_ROOTS = {sr("Request"), sr("Response")}


def load(path: Path) -> Element:
    """The root of a DUIS document in a file.

    Raises:
        BadFile: it cannot be read, or is no DUIS Request or Response.
    """
    return parse(files.read(path, DOCUMENT_MAX_BYTES), path.name)


def parse(octets: bytes, name: str = "the document") -> Element:
    """The root of a DUIS document.

    Args:
        octets: UTF-8, at most `DOCUMENT_MAX_BYTES`.
        name: what to call it in messages.

    Raises:
        BadFile: it is no DUIS Request or Response, or exceeds a limit.
    """
    if len(octets) > DOCUMENT_MAX_BYTES:
        raise _bad(name, f"it holds more than {DOCUMENT_MAX_BYTES} octets")
    for word in _FORBIDDEN:
        if word in octets:
            text = "zero octets" if word == b"\0" else word.decode()
            raise _bad(name, f"it holds {text} at octet {octets.index(word)}, which no DUIS does")
    attributes = itertools.islice(_ATTRIBUTE.finditer(octets), ATTRIBUTES_MAX + 1)
    if sum(1 for _ in attributes) > ATTRIBUTES_MAX:
        raise _bad(name, f"it has more than {ATTRIBUTES_MAX} attributes")
    declared = _DECLARED.match(octets)
    if declared and declared[1].lower() not in (b"utf-8", b"utf8"):
        # others would read other characters than are read here
        encoding = declared[1][:40].decode("ascii", "replace")
        raise _bad(name, f"it declares the encoding {encoding}, and must be UTF-8")
    root = _parse(octets, name)
    version = root.getroottree().docinfo.xml_version
    if version != _XML_VERSION:
        # libxml2 reads 1.1 by the rules of 1.0, and Canonical XML 1.0 has no form for it
        raise _bad(name, f"it declares XML {version[:40]}, and must be XML {_XML_VERSION}")
    if root.tag not in _ROOTS:
        raise _bad(name, f"its root is {_tag_text(root.tag)}; a DUIS document is sr:Request or "
                   f"sr:Response of {SR}")  # fmt: skip
    return root


def _parse(octets: bytes, name: str) -> Element:
    # an encoding that is declared otherwise would hide what was searched for above
    parser = etree.XMLPullParser(
        events=("start", "end", "pi"),
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=True,
        remove_comments=True,
    )
    depth = elements = 0
    try:
        for at in range(0, len(octets), _STEP_BYTES):
            parser.feed(octets[at : at + _STEP_BYTES])
            for event, _ in parser.read_events():
                if event == "pi":
                    raise _bad(name, "it holds a processing instruction")
                depth += 1 if event == "start" else -1
                elements += event == "start"
                if depth > DEPTH_MAX or elements > ELEMENTS_MAX:
                    raise _bad(
                        name, f"it is nested deeper than {DEPTH_MAX}, or has more than "
                        f"{ELEMENTS_MAX} elements",
                    )  # fmt: skip
        return parser.close()
    except etree.XMLSyntaxError as error:
        line, column = error.position
        text = _POSITION.sub("", " ".join((error.msg or "it is empty").split()))
        raise _bad(name, f"line {line}, column {column}: {text}") from None


def _bad(name: str, why: str) -> BadFile:
    return BadFile(
        f"{name} is no DUIS document",
        why,
        "give a DUIS Request or Response as XML in UTF-8, without a document type declaration",
    )


def _tag_text(tag: str) -> str:
    namespace, _, local = tag.rpartition("}")
    return f"{local} of {namespace[1:] or 'no namespace'}"


def text_of(element: Element) -> str:
    """All text of an element that holds nothing else, without the white space around it.

    Raises:
        BadFile: there are elements in it.
    """
    if len(element):
        raise _bad("the document", f"{_tag_text(element.tag)} holds elements, and must hold text")
    return (element.text or "").strip(_WHITE_SPACE)


def packed_text_of(element: Element) -> str:
    """The same without any white space in it, as base64 may have; a carriage return that stands as
    &#13; is such, too.

    Raises:
        BadFile: there are elements in it.
    """
    return text_of(element).translate(dict.fromkeys(map(ord, _WHITE_SPACE)))
