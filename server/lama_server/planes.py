"""A fill's planes one after the other in a buffer: pixels, hole, and source where it has one."""

from __future__ import annotations

from dataclasses import replace

from lama_core.client.protocol.codec import client_message, to_fields
from lama_core.client.protocol.limits import MAX_COUNT, Limits
from lama_core.client.protocol.messages import Fill, pixel_bytes
from lama_server.ipc import Message

_LIMITS = Limits(max_frame_bytes=MAX_COUNT)
"""The server has checked a fill's size already."""


def write_planes(fill: Fill, buffer: memoryview) -> Message:
    """Copy a fill's planes into a buffer of `fill.plane_bytes`. Returns its other fields."""
    begin = 0
    for plane in (fill.pixels, fill.hole, fill.source):
        buffer[begin : begin + len(plane)] = plane
        begin += len(plane)
    fields = to_fields(replace(fill, pixels=b"", hole=b"", source=b""))
    return {**fields, "has_source": len(fill.source) > 0}


def buffer_size(fields: Message) -> int:
    """How many bytes the planes of a fill with these fields take."""
    area: int = fields["width"] * fields["height"]
    return area * (pixel_bytes(fields["format"], fields["depth"]) + 1 + bool(fields.get("has_source")))


def read_planes(fields: Message, buffer: memoryview) -> Fill:
    """The fill with these fields, whose planes stay where they are."""
    area = fields["width"] * fields["height"]
    end = area * pixel_bytes(fields["format"], fields["depth"])
    planes = {"pixels": buffer[:end], "hole": buffer[end : end + area], "source": buffer[end + area :]}
    fill = client_message({**fields, **planes}, _LIMITS)
    assert isinstance(fill, Fill)
    return fill
