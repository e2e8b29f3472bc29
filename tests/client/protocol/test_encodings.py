"""Pixels that are encoded for a slow way come back as they were, and nothing else is taken for them."""

from __future__ import annotations

import random
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.connection.link import Link
from lama_core.client.protocol import codec, encodings
from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import Encoding, Fill, Result, Welcome
from lama_core.client.protocol.packing import pack, unpack


@given(st.binary(max_size=600), st.integers(1, 40))
def test_what_was_squeezed_is_expanded(data: bytes, stride: int) -> None:
    rows = data[: len(data) // stride * stride]
    assert encodings.expand(encodings.squeeze(rows, stride), stride, len(rows)) == rows


@pytest.mark.parametrize("rows", [1, 349, 350, 351, 1000])
def test_bands_make_no_difference(rows: int) -> None:
    data = random.Random(rows).randbytes(rows * 3001)
    assert encodings.expand(encodings.squeeze(data, 3001), 3001, len(data)) == data


def test_the_stream_is_what_the_page_says() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (7, 30), dtype=np.uint8)
    above = np.vstack([np.zeros((1, 30), np.uint8), picture[:-1]])
    assert zlib.decompress(encodings.squeeze(picture.tobytes(), 30)) == (picture - above).tobytes()


def test_a_gradient_with_grain_takes_less_than_zlib_alone() -> None:
    rows, columns = np.mgrid[0:256, 0:256]
    grain = np.random.default_rng(1).normal(0, 2, (256, 256))
    picture = np.clip(rows / 3 + columns / 5 + grain, 0, 255).astype(np.uint8).tobytes()
    assert len(encodings.squeeze(picture, 256)) < 0.8 * len(zlib.compress(picture, 6))
    assert len(encodings.squeeze(bytes(65536), 256)) < 1000


@given(st.binary(max_size=60), st.integers(1, 9), st.integers(0, 80))
def test_nothing_else_is_expanded(data: bytes, stride: int, rows: int) -> None:
    try:
        found = encodings.expand(data, stride, rows * stride)
    except ValueError:
        return
    assert len(found) == rows * stride


def test_a_stream_that_blows_up_is_given_up_at_once() -> None:
    bomb = zlib.compress(bytes(1 << 28), 9)
    assert len(bomb) < 300_000
    with pytest.raises(ValueError, match="zlib stream of 300 bytes"):
        encodings.expand(bomb, 30, 300)
    right = encodings.squeeze(bytes(300), 30)
    for wrong in (right[:-1], right + b"\0", b"", encodings.squeeze(bytes(299), 30)):
        with pytest.raises(ValueError, match="not a zlib stream"):
            encodings.expand(wrong, 30, 300)


def fill(encoding: Encoding) -> Fill:
    return Fill(
        job=1,
        width=50,
        height=40,
        format="rgb",
        depth="u16",
        pixels=bytes(range(240)) * 50,
        hole=b"\0\xff" * 1000,
        source=b"\1\0" * 1000,
        encoding=encoding,
    )


@pytest.mark.parametrize("encoding", ["", "zlib", "zlib-mask"])
def test_messages_come_back_as_they_were(encoding: Encoding) -> None:
    sent = fill(encoding)
    assert codec.decode_client(codec.encode(sent), Limits()) == sent
    result = Result(
        job=1, x=0, y=0, width=50, height=40, format="rgb", depth="u16", pixels=sent.pixels, blend=sent.hole,
        encoding=encoding,
    )  # fmt: skip
    assert codec.decode_server(codec.encode(result)) == result
    nothing = replace(result, width=0, height=0, pixels=b"", blend=b"")
    assert codec.decode_server(codec.encode(nothing)) == nothing


def test_those_of_before_see_nothing_new() -> None:
    assert "encoding" not in unpack(codec.encode(fill("")))
    welcome = Welcome(server_version="1", limits=Limits(), devices=(), models=(), default_model="")
    assert "encodings" not in unpack(codec.encode(welcome))
    named = replace(welcome, encodings=("zlib", "something-later"))
    assert codec.decode_server(codec.encode(named)) == named


def test_wrong_encodings_cost_the_fill_alone() -> None:
    fields = unpack(codec.encode(fill("zlib")))
    for changes, code in (
        ({"encoding": "lzma"}, "bad_request"),
        ({"pixels": b"no stream"}, "bad_request"),
        ({"hole": fields["pixels"]}, "bad_request"),
        ({"width": 49}, "bad_request"),
        ({"width": 40_000}, "too_large"),
        ({"width": 30_000, "height": 30_000}, "too_large"),
    ):
        with pytest.raises(ProtocolError) as refused:
            codec.decode_client(pack({**fields, **changes}), Limits())
        assert (refused.value.code, refused.value.job) == (code, 1)
    with pytest.raises(ProtocolError) as refused:
        codec.decode_client(pack(fields), Limits(max_frame_bytes=10_000))
    assert refused.value.code == "too_large", "by what it would take, not by what came"


def test_a_link_encodes_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    large = replace(fill("zlib"), width=1000, height=1000, pixels=bytes(6_000_000), hole=bytes(1_000_000))

    def send(link: Link, encode_seconds: float, bytes_per_second: float) -> Encoding:
        encoding = link.choose(encodings.OFFERED)
        size = 4_000_000 if encoding == encodings.ALL else 6_010_000
        now[0] += encode_seconds if encoding == encodings.ALL else 0.01
        link.encoded(replace(large, encoding=encoding), size)
        now[0] += size / bytes_per_second
        link.arrived()
        return encoding

    # Encoding saves 3 MB in 0.2 s: 15 MB a second.
    slow, fast = Link(), Link()
    assert [send(slow, 0.2, 2e6) for _ in range(20)] == ["zlib"] * 20
    assert [send(fast, 0.2, 100e6) for _ in range(18)] == ["zlib", *["zlib-mask"] * 16, "zlib"]
    assert Link().choose(()) == ""
    assert Link().choose(("zstd",)) == ""
