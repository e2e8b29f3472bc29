from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import msgpack
import msgpack.fallback
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.limits import MAX_CONTAINERS, MAX_DEPTH, MAX_LIST
from lama_core.client.protocol.packing import MAX_STRING_BYTES, pack, unpack


@pytest.fixture(params=["compiled", "python"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything here holds for both of msgpack's implementations: editors get the one in Python."""
    if request.param == "python":
        monkeypatch.setattr(msgpack, "unpackb", msgpack.fallback.unpackb)
        monkeypatch.setattr(msgpack, "Packer", msgpack.fallback.Packer)
    return str(request.param)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536, 70000])
def test_bytes_are_packed_as_msgpack_does(size: int) -> None:
    fields = {"type": "x", "data": b"\x81" * size, "nested": {"data": b"\x00"}, "list": [1, None, "a"]}
    assert pack(fields) == msgpack.packb(fields)
    assert unpack(pack(fields)) == fields


@pytest.mark.parametrize(
    "value", [None, 1, "text", b"bytes", [], [{}], 1.5, True], ids=lambda value: repr(value)
)
def test_a_message_is_a_map(value: Any) -> None:
    with pytest.raises(ProtocolError, match="a message is a msgpack map"):
        unpack(msgpack.packb(value))


NESTED: Any = None
for _ in range(MAX_DEPTH):
    NESTED = [NESTED]

REFUSED = {
    "nothing": b"",
    "cut off": msgpack.packb({"a": 1})[:-1],
    "bytes left over": msgpack.packb({"a": 1}) + b"\xc0",
    "key twice": b"\x82\xa1a\x01\xa1a\x02",
    "nested key twice": b"\x81\xa1b\x82\xa1a\x01\xa1a\x02",
    "integer key": b"\x81\x01\x01",
    "bytes key": b"\x81\xc4\x01a\x01",
    "nil key": b"\x81\xc0\x01",
    "array key": b"\x81\x90\x01",
    "map key": b"\x81\x80\x01",
    "string is not utf-8": b"\x81\xa1a\xa1\xff",
    "key is not utf-8": b"\x81\xa1\xff\x01",
    "surrogate in utf-8": b"\x81\xa1a\xa3\xed\xa0\x80",
    "extension": msgpack.packb({"a": msgpack.ExtType(5, b"x")}),
    "extension in a list": msgpack.packb({"a": [msgpack.ExtType(5, b"x" * 300)]}),
    "timestamp": msgpack.packb({"a": msgpack.Timestamp(1, 2)}),
    "never used byte": b"\x81\xa1a\xc1",
    "long string": msgpack.packb({"a": "x" * (MAX_STRING_BYTES + 1)}),
    "long array": msgpack.packb({"a": [0] * (MAX_LIST + 1)}),
    "long map": msgpack.packb({str(key): 0 for key in range(MAX_LIST + 1)}),
    "many arrays": msgpack.packb({"a": [[[]] * MAX_LIST] * (MAX_CONTAINERS // MAX_LIST)}),
    "deep": msgpack.packb({"a": NESTED}),
    "very deep": b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0",
    "very deep maps": b"\x81\xa1a" * 100_000 + b"\xc0",
    "binary that lies": b"\x81\xa1a\xc6" + struct.pack(">I", 0xFFFFFFFF) + b"x",
    "string that lies": b"\x81\xa1a\xdb" + struct.pack(">I", 0xFFFFFFFF) + b"x",
    "array that lies": b"\x81\xa1a\xdd" + struct.pack(">I", 0xFFFFFFFF) + b"\xc0",
    "map that lies": b"\xdf" + struct.pack(">I", 0xFFFFFFFF) + b"\xa1a\xc0",
    "extension that lies": b"\x81\xa1a\xc9" + struct.pack(">I", 0xFFFFFFFF) + b"\x01x",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack(REFUSED[name])
    assert caught.value.code == "bad_message"
    assert caught.value.fatal


def test_what_is_just_within_the_bounds_is_taken() -> None:
    for fields in (
        {"a": NESTED[0]},
        {"a": [0] * MAX_LIST},
        {"a": "x" * MAX_STRING_BYTES},
        {str(key): key for key in range(MAX_LIST)},
        {"a": [[]] * MAX_LIST, "b": [[]] * MAX_LIST},
    ):
        assert unpack(msgpack.packb(fields)) == fields


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(max_size=50),
        max_size=10,
    )
)
def test_plain_maps_go_through(fields: dict[str, Any]) -> None:
    assert unpack(pack(fields)) == fields


MIB = 1 << 20
GREEDY = {
    "empty arrays": b"\x81\xa1a\xdc\xff\xff" + b"\x90" * (4 * MIB),
    "arrays of arrays": b"\x81\xa1a\xdc\x00\x40" + (b"\xdc\x00\x40" + b"\x90" * 64) * 60_000,
    "small integers": (b"\x81\xa1a" + b"\xdc\x00\x40" + (b"\xdc\x00\x40" + b"\xcd\x7f\xff" * 64) * 64) * 300,
    "deep arrays": b"\x81\xa1a" + b"\xdc\x00\x40" * MIB,
    "deep maps": b"\xde\x00\x40\xa1a" * MIB,
    "short strings": b"\xde\x00\x40" + b"\xa1a\xdc\x00\x40" * MIB,
    "announced only": b"\xdf\x7f\xff\xff\xff",
}


@pytest.mark.parametrize("name", GREEDY)
def test_a_greedy_frame_gets_little_memory(name: str) -> None:
    frame = GREEDY[name]
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            unpack(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(frame) + 4 * MIB  # MAX_CONTAINERS times MAX_LIST small values


def test_bytes_cost_their_own_size_in_memory(implementation: str) -> None:
    frame = pack({"pixels": bytes(16 * MIB)})
    copies = {"compiled": 1, "python": 3}[implementation]
    tracemalloc.start()
    try:
        unpack(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < copies * len(frame) + MIB
