"""Work on the mask of a hole: where it is, growing it, joining islands to it, softening its edge.

The mask that a user gives is a `HoleMask`: any type, any size, looked at only where it has to be. A window
of it is float32, 0 in the known region, 1 in the hole, between them in a soft selection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.tiles import CELL, Cell, Cells, hole_bounds
from lama_core.image.labels import label_regions
from lama_core.image.pixels import Floats, Mask, Pixels

LEVELS = 8
"""A soft selection is feathered, and searched for islands, at this many levels of it."""

THICKNESS_CELLS = 256
"""What the thickness of a hole is measured with."""


class HoleError(LamaFillError):
    """The mask is not one, or nothing can be done with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleMask:
    """A mask as it was given, and what was found out by one look at it.

    `values` is (H, W) of any type, `full` the value in it that means hole, `bounds` of all that is not 0
    (empty where there is no hole).
    """

    values: Pixels
    full: float
    bounds: Rect

    @property
    def canvas(self) -> Rect:
        return Rect(0, 0, self.values.shape[1], self.values.shape[0])

    def window(self, rect: Rect) -> Floats:
        """The mask in a window that lies inside it: (height, width) in 0..1."""
        values = self.values[rect.y : rect.bottom, rect.x : rect.right]
        share: Floats = (values.astype(np.float32) / np.float32(self.full)).clip(0, 1)
        return share

    def covers_everything(self) -> bool:
        """Whether not a single pixel is outside of the hole."""
        return self.bounds == self.canvas and bool((self.values > 0).all())


def read_hole(values: Pixels) -> HoleMask:
    """Look at a mask once.

    Args:
        values: (H, W) or (H, W, 1); bool; unsigned integers from 0 to the largest of their type (where 1 is
            the largest in the mask: from 0 to 1); or float from 0 to 1 (where it goes beyond 1.5: from 0 to
            255).

    Raises:
        HoleError: wrong shape or type, a NaN, or a negative value.
    """
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim != 2:
        raise HoleError(f"a mask is an array (H, W), not {values.shape}: give one value for each pixel")
    if values.dtype.kind not in "buf":
        raise HoleError(f"a mask of type {values.dtype} has no scale: give bool, uint8, or float from 0 to 1")
    if values.size == 0:
        raise HoleError("the mask has no pixels")
    if values.dtype.kind == "b":
        values = values.view(np.uint8)  # numpy takes the largest of bytes many times faster
    largest_of_row = values.max(axis=1)
    largest = float(largest_of_row.max())
    if values.dtype.kind == "f":
        if math.isnan(largest):
            raise HoleError("the mask has a NaN in it: give values from 0 to 1")
        if float(values.min()) < 0:
            raise HoleError("the mask has negative values: give values from 0 to 1")
        full = 255.0 if largest > 1.5 else 1.0
    else:
        full = 1.0 if largest == 1 else float(np.iinfo(values.dtype).max)
    return HoleMask(values=values, full=full, bounds=bounds_of(values, largest_of_row))


def bounds_of(values: Pixels, largest_of_row: Pixels | None = None) -> Rect:
    """The bounds of all that is not 0 in (H, W) numbers of any type, empty where everything is 0.

    Args:
        values: a mask.
        largest_of_row: (H,), the largest of each row, where it is known already.
    """
    if values.dtype.kind == "b":
        values = values.view(np.uint8)  # numpy takes the largest of bytes many times faster
    rows = np.flatnonzero(values.max(axis=1) if largest_of_row is None else largest_of_row)
    if rows.size == 0:
        return Rect(0, 0, 0, 0)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(values[top:bottom].max(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return Rect(left, top, right - left, bottom - top)


def bounding_slices(hole: Mask, margin: int) -> tuple[slice, slice]:
    """The rows and the columns of (H, W) that a hole is in, which is not empty, and `margin` pixels more."""
    bounds = bounds_of(hole)
    return (
        slice(max(0, bounds.y - margin), bounds.bottom + margin),
        slice(max(0, bounds.x - margin), bounds.right + margin),
    )


def find_holes(mask: HoleMask) -> list[Rect]:
    """The bounds of each separate hole of a mask, from the top left; see `hole_cells`."""
    return [] if mask.bounds.is_empty else hole_bounds(hole_cells(mask))


def hole_cells(mask: HoleMask) -> Cells:
    """The cells that a hole touches, which has at least a pixel.

    They are counted from the hole's own bounds, so a part cut out of a picture has the same holes as the
    picture.
    """
    bounds = mask.bounds
    inside = mask.values[bounds.y : bounds.bottom, bounds.x : bounds.right]
    height, width = inside.shape
    columns = -(-width // CELL)
    starts = np.arange(0, width, CELL)
    largest_of_row = inside.max(axis=1)
    rects: dict[Cell, Rect] = {}
    for row in np.flatnonzero(np.maximum.reduceat(largest_of_row, np.arange(0, height, CELL))).tolist():
        band = inside[row * CELL : (row + 1) * CELL]
        # Whether each pixel row has a hole in each column of cells, and the other way round.
        by_row: Mask = np.maximum.reduceat(band, starts, axis=1) > 0
        by_column = np.zeros(columns * CELL, np.bool_)
        by_column[:width] = band.max(axis=0) > 0
        in_columns = by_column.reshape(columns, CELL)
        occupied = np.flatnonzero(by_row.any(axis=0))
        top, bottom = by_row.argmax(axis=0), len(band) - by_row[::-1].argmax(axis=0)
        left, right = in_columns.argmax(axis=1), CELL - in_columns[:, ::-1].argmax(axis=1)
        x, y = bounds.x + CELL * occupied, bounds.y + CELL * row
        for column, x0, y0, x1, y1 in zip(
            occupied.tolist(),
            (x + left[occupied]).tolist(),
            (y + top[occupied]).tolist(),
            (x + right[occupied]).tolist(),
            (y + bottom[occupied]).tolist(),
            strict=True,
        ):
            rects[column, row] = Rect(x0, y0, x1 - x0, y1 - y0)
    return Cells(bounds.x, bounds.y, rects)


def thickness(inside: Mask) -> float:
    """How thick a hole is, in pixels: for a stroke its width, for a disc two thirds of its diameter.

    Four times the mean distance of its pixels from its edge, measured at no more than `THICKNESS_CELLS`
    cells a side. The mask's border counts as an edge. 0 without a hole.
    """
    cell = -(-max(inside.shape) // THICKNESS_CELLS)
    if cell > 1:
        for axis in (0, 1):
            inside = np.maximum.reduceat(inside, np.arange(0, inside.shape[axis], cell), axis=axis)
    outside = ~np.pad(inside, 1)
    from_edge = distance_to(outside, max(inside.shape))[~outside]
    return 4 * cell * float(from_edge.mean() - 0.5) if from_edge.size else 0.0


def is_binary(hole: Floats) -> bool:
    """Whether a window has no values but 0 and 1."""
    return bool(((hole == 0) | (hole == 1)).all())


def distance_to(inside: Mask, reach: int) -> Floats:
    """How far each pixel's centre is from the nearest True one: 0 in it, inf beyond `reach` pixels.

    Exact and Euclidean: first along columns, then the least of (column distance)² + dx² along rows.
    """
    height, width = inside.shape
    reach = min(reach, height + width)
    beyond = reach + 1
    # Squares of up to reach + 1, and the sum of two of them, have to fit.
    number = np.uint16 if 2 * beyond * beyond < 2**16 else np.int64
    rows = np.arange(height, dtype=np.int32)[:, None]
    above = np.where(inside, rows, np.int32(-beyond))
    np.maximum.accumulate(above, axis=0, out=above)
    below = np.where(inside, rows, np.int32(height + beyond))[::-1]
    below = np.minimum.accumulate(below, axis=0)[::-1]
    along = np.minimum(np.minimum(rows - above, below - rows), beyond).astype(number)
    columns = along * along
    squares = columns.copy()
    room = np.empty_like(columns)
    for dx in range(1, min(reach, width - 1) + 1):
        shifted = room[:, dx:]
        np.add(columns[:, : width - dx], number(dx * dx), out=shifted)
        np.minimum(squares[:, dx:], shifted, out=squares[:, dx:])
        np.add(columns[:, dx:], number(dx * dx), out=shifted)
        np.minimum(squares[:, : width - dx], shifted, out=squares[:, : width - dx])
    distance: Floats = np.sqrt(squares, dtype=np.float32)
    distance[squares > reach * reach] = np.inf
    return distance


def grow(hole: Floats, pixels: int) -> Floats:
    """Dilate a hole by a disc: each pixel takes the largest value within `pixels` of it.

    Args:
        hole: (H, W) in 0..1.
        pixels: the radius, 0 or more.
    """
    if pixels == 0:
        return hole
    if is_binary(hole):
        inside = hole > 0
        if not inside.any():
            return hole
        part = bounding_slices(inside, pixels)
        dilated = np.zeros_like(hole)
        dilated[part] = distance_to(inside[part], pixels) <= pixels
        return dilated
    height, width = hole.shape
    grown = np.zeros_like(hole)
    line = hole.copy()  # each pixel's largest value along its row, up to `half` pixels away
    half = 0
    for dy in range(min(pixels, height - 1), -1, -1):
        chord = math.isqrt(pixels * pixels - dy * dy)
        while half < min(chord, width - 1):
            half += 1
            np.maximum(line[:, half:], hole[:, : width - half], out=line[:, half:])
            np.maximum(line[:, : width - half], hole[:, half:], out=line[:, : width - half])
        np.maximum(grown[dy:], line[: height - dy], out=grown[dy:])
        np.maximum(grown[: height - dy], line[dy:], out=grown[: height - dy])
    return grown


def join_islands(hole: Floats, *, largest: int | None = None) -> Floats:
    """Make known regions that the hole encloses part of it.

    An island is a region below a level of the selection (connected by sides) that does not reach the mask's
    border; it is lifted to that level. In a hard-edged hole that is: known regions inside the hole become
    hole. In a soft one the ramp around an island is lifted with it, so that no ring of it stays.

    Args:
        hole: (H, W) in 0..1.
        largest: only islands of fewer pixels than this; None: all.
    """
    levels = (LEVELS,) if is_binary(hole) else range(LEVELS // 2, LEVELS + 1)
    joined = hole
    for level in levels:
        share = np.float32(level / LEVELS)
        below = label_regions(hole < share, 4)
        islands = ~below.touching_border()
        if largest is not None:
            islands &= below.areas() < largest
        if islands.any():
            joined = np.maximum(joined, below.paint(islands) * share)
    return joined


def enclosed_regions(inside: Mask, *, largest: int | None = None) -> Mask | None:
    """What a hole encloses: regions (connected by sides) outside of it that do not reach the mask's border.

    Args:
        inside: (H, W), True in the hole.
        largest: only regions of fewer pixels than this; None: all.

    Returns:
        (H, W), True in them; None where there are none.
    """
    outside = label_regions(~inside, 4)
    enclosed = ~outside.touching_border()
    if largest is not None:
        enclosed &= outside.areas() < largest
    return outside.paint(enclosed) if enclosed.any() else None


def feather(hole: Floats, pixels: int) -> Floats:
    """How much of the fill each pixel gets: 1 in the hole, falling to 0 over some pixels around it.

    A pixel farther from the hole than `pixels` gets 0. In a soft selection every level falls from its own
    value, so the result is at least the selection, and never falls where the selection rises.

    Args:
        hole: (H, W) in 0..1, already grown.
        pixels: 0 or more.
    """
    if pixels == 0:
        return hole
    if is_binary(hole):
        return _falloff(distance_to(hole > 0, pixels), pixels)
    blend: Floats = hole.copy()
    for level in range(1, LEVELS + 1):
        share = np.float32(level / LEVELS)
        inside = hole >= share
        if inside.any():
            np.maximum(blend, share * _falloff(distance_to(inside, pixels), pixels), out=blend)
    return blend


def _falloff(distance: Floats, pixels: int) -> Floats:
    """1 at distance 0, 0 beyond `pixels`, smooth at both ends."""
    linear = (1 - distance / np.float32(pixels + 1)).clip(0, 1)
    falling: Floats = linear * linear * (3 - 2 * linear)
    return falling
