"""The picture that is filled, as the plug-in needs it: Krita's in `host`, and a plain object in tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lama_core.client.geometry import Rect
from lama_core.client.selection import ReadMask
from lama_fill_krita.color_space import Space
from lama_fill_krita.nodes import Node


@dataclass(frozen=True)
class Hole:
    """What is to be filled.

    Attributes:
        bounds: it is inside.
        read: reads a rectangle of its mask.
        marker: the key of the layer that its strokes were painted on; None for a selection.
    """

    bounds: Rect
    read: ReadMask
    marker: str | None = None


@dataclass(frozen=True)
class CopyStrokes:
    """Strokes on a visible layer that say what a fill may be copied from.

    Attributes:
        key: of their layer.
        name: of their layer.
        allows: whether the fill is copied from there; otherwise it is never copied from there.
        bounds: they are inside.
        read: reads a rectangle of them: one byte for each pixel, not 0 where there is paint.
    """

    key: str
    name: str
    allows: bool
    bounds: Rect
    read: ReadMask


class Layer(Protocol):
    """A layer that is not in the document yet."""

    def write(self, time: int | None, rect: Rect, data: bytes) -> None: ...
    def write_mask(self, rect: Rect, data: bytes) -> None: ...
    def add(self, above: str) -> None:
        """Put it into the document, above this node and in its group: one step of undo."""

    def close(self) -> None: ...


class Document(Protocol):
    """A document of the editor. Every method but `is_open` needs it to be open."""

    def is_open(self) -> bool: ...
    def size(self) -> tuple[int, int]: ...
    def space(self) -> Space: ...
    def is_busy(self) -> bool:
        """Whether something is being painted or computed."""

    def active_node(self) -> Node | None: ...
    def node(self, key: str) -> Node | None: ...
    def node_below(self, key: str) -> Node | None: ...
    def activate(self, key: str) -> None: ...
    def selection(self) -> Hole | None: ...
    def strokes(self) -> Hole | None: ...
    def copy_strokes(self) -> Sequence[CopyStrokes]: ...
    def stroke_layers(self) -> Collection[str]:
        """The keys of all layers that were made for strokes, whether there are any on them or not."""

    def read(self, node: str | None, rect: Rect) -> bytes:
        """Pixels of a node as it is projected, in its space; of everything that is visible for None."""

    def colors(self, points: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """What can be seen at some pixels, in the document's space."""

    def convert(self, data: bytes, width: int, height: int, source: Space, target: Space) -> bytes: ...
    def show(self, key: str, visible: bool) -> None: ...
    def clear(self, key: str) -> None: ...
    def new_layer(self, name: str, *, with_mask: bool, times: Sequence[int]) -> Layer: ...
    def is_animated(self) -> bool: ...
    def time(self) -> int: ...
    def set_time(self, time: int) -> None: ...
    def playback(self) -> tuple[int, int]:
        """The first and the last frame of the range that is played."""
