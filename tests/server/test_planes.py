"""The planes of a fill in one buffer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.protocol.messages import Fill
from lama_server.planes import buffer_size, read_planes, write_planes


@given(width=st.integers(1, 6), height=st.integers(1, 6), has_source=st.booleans(), data=st.data())
def test_planes_are_the_same_afterwards(
    width: int, height: int, has_source: bool, data: st.DataObject
) -> None:
    area = width * height

    def plane(size: int) -> bytes:
        return data.draw(st.binary(min_size=size, max_size=size))

    fill = Fill(
        width=width,
        height=height,
        format="rgba",
        depth="u16",
        pixels=plane(8 * area),
        hole=plane(area),
        source=plane(area) if has_source else b"",
        model="compact",
        job=3,
    )
    buffer = memoryview(bytearray(fill.plane_bytes))
    fields = write_planes(fill, buffer)
    assert buffer_size(fields) == fill.plane_bytes
    read = read_planes(fields, buffer)
    assert [bytes(plane) for plane in (read.pixels, read.hole, read.source)] == [
        fill.pixels,
        fill.hole,
        fill.source,
    ]
    assert read.without_pixels() == fill.without_pixels()
