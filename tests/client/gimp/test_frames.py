"""Frames come through a pipe as they were sent, and nothing else is taken for one."""

from __future__ import annotations

import os
import struct
import threading
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.client.gimp.frames import MAX_HEADER, Frame, FrameError, read_frame, write_frame

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
NAMES = st.text(max_size=9).filter(lambda name: name != "bytes")
HEADERS = st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=4), max_size=4)


@settings(max_examples=40)
@given(st.lists(st.tuples(HEADERS, st.binary(max_size=200)), max_size=4))
def test_what_was_written_is_read(sent: list[tuple[dict[str, object], bytes]]) -> None:
    pipe = BytesIO()
    for header, content in sent:
        write_frame(pipe, Frame(header, content))
    pipe.seek(0)
    for header, content in sent:
        frame = read_frame(pipe)
        assert frame == Frame({**header, "bytes": len(content)}, content)
    assert read_frame(pipe) is None


@given(st.binary(min_size=1, max_size=64))
def test_anything_else_is_refused_or_is_a_whole_frame(data: bytes) -> None:
    try:
        frame = read_frame(BytesIO(data))
    except FrameError:
        return
    assert frame is not None
    assert len(frame.content) <= len(data)


def test_a_frame_that_ends_early_is_refused_wherever_it_ends() -> None:
    whole = BytesIO()
    write_frame(whole, Frame({"type": "data"}, b"pixels"))
    for length in range(1, len(whole.getvalue())):
        with pytest.raises(FrameError):
            read_frame(BytesIO(whole.getvalue()[:length]))


@pytest.mark.parametrize("size", [-1, 1 << 60, 1.0, True, "1", None])
def test_a_size_that_is_none(size: object) -> None:
    pipe = BytesIO()
    write_frame(pipe, Frame({"type": "data"}))
    data = pipe.getvalue().replace(b'"bytes": 0', f'"bytes": {size!r}'.encode())
    data = struct.pack(">I", len(data) - 4) + data[4:]
    with pytest.raises(FrameError):
        read_frame(BytesIO(data))


def test_a_header_without_a_size_has_no_content() -> None:
    assert read_frame(BytesIO(b"\0\0\0\x02{}more")) == Frame({})


def test_a_header_that_would_fill_the_memory_is_not_waited_for() -> None:
    with pytest.raises(FrameError):
        read_frame(BytesIO(struct.pack(">I", MAX_HEADER + 1)))


def test_a_pipe_that_gives_a_little_at_a_time() -> None:
    ours, theirs = os.pipe()
    content = bytes(range(256)) * 4096

    def write() -> None:
        whole = BytesIO()
        write_frame(whole, Frame({"type": "data"}, content))
        with open(theirs, "wb", buffering=0) as pipe:
            for begin in range(0, len(whole.getvalue()), 60_001):
                pipe.write(whole.getvalue()[begin : begin + 60_001])

    writer = threading.Thread(target=write)
    writer.start()
    # Without a buffer, as the command reads.
    with open(ours, "rb", buffering=0) as pipe:
        frame = read_frame(pipe)
        assert frame is not None
        assert frame.content == content
        assert read_frame(pipe) is None
    writer.join()
