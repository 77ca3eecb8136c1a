"""Registries for hypothesis."""

from __future__ import annotations

import datetime
import re

from hypothesis import strategies as st

from hanboot.registry.entry import DEVICE_TYPES, JOIN_OPTIONS, RELEASE_KINDS, STATUSES, Entry
from hanboot.registry.fields import other_fields_text

_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,12}", fullmatch=True).filter(
    lambda text: text.upper() not in ("N/A", "NA")
)
_TEXTS = (
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
    .map(str.strip)
    .filter(lambda text: not re.search("[\ufffe\uffff]", text))
)
_LINES = st.lists(_TEXTS, max_size=3).map(lambda lines: "\n".join(lines).strip())
_OTHER_FIELDS = st.dictionaries(_TEXTS.filter(str.strip), _LINES, min_size=1, max_size=3).map(
    other_fields_text
)
_DAYS = st.dates(datetime.date(2000, 1, 1), datetime.date(2099, 12, 31))


_ONE_LINE = (
    "manufacturer",
    "model_name",
    "gbcs_version",
    "common_name",
    "certificate",
    "zigbee_vendor",
    "zigbee_stack",
    "zigbee_certificate",
)
_LINED = ("contact", "release_notes", "free_text")


def _maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Entries that may stand in one file: nothing in them contradicts itself or another."""
    ids = draw(st.lists(_IDS, min_size=1, max_size=6, unique=True))
    made = []
    for number, name in enumerate(ids):
        version = draw(st.integers(0, 0xFFFF_FFFF))
        listed, since = draw(_maybe(_DAYS)), draw(_maybe(_DAYS))
        expires = draw(_maybe(_DAYS))
        others = [other for other in ids if other != name] + ["not-listed"]
        device_type = draw(st.sampled_from(DEVICE_TYPES))
        options = [o for o in JOIN_OPTIONS if o != "Dual Band" or device_type == "CH"]
        made.append(
            Entry(
                name,
                device_type,
                draw(st.integers(0, 0xFFFF)),
                # a model of its own: no two device types of one model
                draw(st.integers(0, 0xFFFF)) << 16 | number,
                version,
                draw(st.sampled_from([f"{version:08X}", f"0x{version:08x}"])),
                # a hash of its own: no two versions of one image
                draw(st.binary(min_size=31, max_size=31)) + bytes([number]),
                draw(st.sampled_from(STATUSES)),
                listed_on=listed,
                status_since=max(since, listed) if since and listed else since,
                expires_on=max(expires, listed) if expires and listed else expires,
                renewal_on=expires and max(expires, listed or expires),
                join_option=draw(st.sampled_from(options)),
                predecessors=draw(
                    _maybe(st.lists(st.sampled_from(others), unique=True).map(tuple))
                ),
                release_kind=draw(_maybe(st.sampled_from(RELEASE_KINDS))),
                minimum_base_version=draw(_maybe(st.integers(0, 0xFFFF_FFFF))),
                security_counter=draw(_maybe(st.integers(0, 0xFFFF_FFFF))),
                point_of_no_return=draw(_maybe(st.booleans())),
                other_fields=draw(_maybe(_OTHER_FIELDS)),
                **{field: draw(_maybe(_TEXTS.filter(bool))) for field in _ONE_LINE},
                **{field: draw(_maybe(_LINES.filter(bool))) for field in _LINED},
            )
        )
    return made
