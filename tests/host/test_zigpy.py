"""zigpy's ZCL types write and read every frame of the OTA cluster as the device does.

zigpy is GPL: it is imported by tests alone.
"""

from __future__ import annotations

from binascii import unhexlify

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_ota_cluster import TABLE
from zigpy import types as t
from zigpy.zcl import foundation
from zigpy.zcl.clusters.general import Ota

from hanbootloader.han import ota_cluster as ota
from hanbootloader.han import zcl

#: our names of the fields, and zigpy's
NAMES = {
    "manufacturer": "manufacturer_code",
    "version": "file_version",
    "jitter": "query_jitter",
    "offset": "file_offset",
    "max_bytes": "maximum_data_size",
    "data": "image_data",
    "eui64": "request_node_addr",
    "block_period": "minimum_block_period",
}
#: where zigpy's name depends on the command
NAMES_OF = {
    ota.QUERY_NEXT_IMAGE: {"version": "current_file_version"},
    ota.IMAGE_NOTIFY: {"version": "new_file_version"},
}


def schema(command: int):
    definitions = (*Ota.ServerCommandDefs, *Ota.ClientCommandDefs)
    return {found.id: found.schema for found in definitions}[command]


def zigpy_name(command: int, name: str, known: set[str]) -> str:
    candidates = (NAMES_OF.get(command, {}).get(name), NAMES.get(name), name)
    found = [candidate for candidate in candidates if candidate in known]
    assert found, (name, known)
    return found[0]


def as_zigpy(command: int, values: dict[str, object]):
    made = schema(command)
    known = {field.name for field in made.fields}
    arguments: dict[str, object] = {}
    for name, value in values.items():
        if name == "eui64":
            value = t.EUI64(zcl.reversed_octets(value))
        if name == "data":
            value = t.LVBytes(value)
        arguments[zigpy_name(command, name, known)] = value
    return made(**arguments)


@pytest.mark.parametrize(("command", "octets", "values"), TABLE)
def test_table(command: int, octets: str, values: dict[str, object]) -> None:
    assert as_zigpy(command, values).serialize() == unhexlify(octets)
    found, rest = schema(command).deserialize(unhexlify(octets))
    assert not rest
    assert found == as_zigpy(command, values)


U8, U16, U32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
IDENTITY = {"manufacturer": U16, "image_type": U16, "version": U32}


def record(**fields):
    return st.fixed_dictionaries(fields)


COMMANDS = st.one_of(
    st.tuples(
        st.just(ota.IMAGE_NOTIFY),
        record(payload_type=st.just(3), jitter=st.integers(1, 100), **IDENTITY),
    ),
    st.tuples(
        st.just(ota.QUERY_NEXT_IMAGE),
        record(field_control=st.just(1), hardware_version=U16, **IDENTITY),
    ),
    st.tuples(
        st.just(ota.QUERY_NEXT_IMAGE_RESPONSE),
        record(status=st.just(0), image_size=U32, **IDENTITY),
    ),
    st.tuples(
        st.just(ota.IMAGE_BLOCK),
        record(
            field_control=st.just(3),
            offset=U32,
            max_bytes=U8,
            eui64=st.binary(min_size=8, max_size=8),
            block_period=U16,
            **IDENTITY,
        ),
    ),
    st.tuples(
        st.just(ota.IMAGE_BLOCK_RESPONSE),
        record(status=st.just(0), offset=U32, data=st.binary(max_size=255), **IDENTITY),
    ),
    st.tuples(st.just(ota.UPGRADE_END), record(status=st.just(0x96), **IDENTITY)),
    st.tuples(
        st.just(ota.UPGRADE_END_RESPONSE), record(current_time=U32, upgrade_time=U32, **IDENTITY)
    ),
)


@given(COMMANDS)
def test_any_values(drawn: tuple[int, dict[str, object]]) -> None:
    command, values = drawn
    octets = ota.encode(command, values)
    assert as_zigpy(command, values).serialize() == octets
    found, rest = schema(command).deserialize(octets)
    assert not rest
    assert found == as_zigpy(command, values)
    parsed = ota.parse(command, octets)
    assert {name: bytes(v) if isinstance(v, memoryview) else v for name, v in parsed.items()} == (
        values
    )


@given(st.binary(max_size=64), st.sampled_from((0, 1, 2, 3, 5, 6, 7)))
def test_any_octets(octets: bytes, command: int) -> None:
    """What is taken encodes to the same octets; the rest is malformed, and nothing else."""
    try:
        values = ota.parse(command, octets)
    except zcl.Malformed:
        return
    assert ota.encode(command, values) == octets


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    U8,
    U8,
    st.none() | U16,
    st.binary(max_size=20),
)
def test_headers(
    is_global: bool,
    from_server: bool,
    no_default: bool,
    sequence: int,
    command: int,
    manufacturer: int | None,
    payload: bytes,
) -> None:
    ours = zcl.Frame(
        is_global, from_server, sequence, command, payload, no_default, manufacturer
    ).encode()
    header, rest = foundation.ZCLHeader.deserialize(ours)
    assert rest == payload
    assert header.serialize() + rest == ours
    assert (header.tsn, header.command_id) == (sequence, command)
    assert header.frame_control.is_general == is_global
    assert header.frame_control.disable_default_response == no_default
    assert header.frame_control.direction == int(from_server)
    assert header.manufacturer == manufacturer


@given(st.binary(max_size=24))
def test_any_frame(octets: bytes) -> None:
    try:
        frame = zcl.parse(octets)
    except zcl.Malformed:
        return
    assert frame.encode() == octets


def test_attributes_response() -> None:
    octets = zcl.encode_read_response(
        [(0x0000, zcl.EUI64, bytes(range(8))), (0x0006, zcl.ENUM8, 1), (0x0002, zcl.UINT32, 7)]
    )
    rest, found = octets, []
    while rest:
        read, rest = foundation.ReadAttributeRecord.deserialize(rest)
        found.append((read.attrid, read.status, read.value.value))
    assert found == [
        (0, 0, t.EUI64(bytes(range(8))[::-1])),
        (6, 0, 1),
        (2, 0, 7),
    ]
