"""What patches say of the pixels under them, in the kernels and in torch, against plain sums."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip(
    "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
)

from lama_core.fill.patch_search import REACH, Canvas


def canvas_of(height: int, width: int, hole: tuple[slice, slice], seed: int = 0) -> Canvas:
    generator = torch.Generator().manual_seed(seed)
    unknown = torch.zeros(height, width, dtype=torch.bool)
    unknown[hole] = True
    image = torch.rand(3, height, width, generator=generator)
    return Canvas.of(image, unknown, image, searched=False)


def field_of(canvas: Canvas, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    count = len(canvas.targets)
    places = torch.randint(len(canvas.sources), (count,), generator=generator)
    return canvas.sources[places], torch.rand(count, generator=generator) + 0.01


def said(canvas: Canvas, pixel: int, field: torch.Tensor, loudness: torch.Tensor) -> torch.Tensor:
    """Of one pixel."""
    width = canvas.image.shape[2]
    total, weight = torch.zeros(3, dtype=torch.float64), 0.0
    for slot, target in enumerate(canvas.targets.tolist()):
        down, across = pixel // width - target // width, pixel % width - target % width
        if max(abs(down), abs(across)) <= REACH:
            source = int(field[slot])
            colour = canvas.image[:, source // width + down, source % width + across].double()
            total += float(loudness[slot]) * colour
            weight += float(loudness[slot])
    return total / weight


@settings(max_examples=25, deadline=None)
@given(data=st.data(), height=st.integers(12, 40), width=st.integers(12, 40))
def test_holes_anywhere(data: st.DataObject, height: int, width: int) -> None:
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    # Known patches stay, whatever the hole is: a hole in a corner of a third of the sides.
    hole = slice(top, min(top + height // 3, height)), slice(left, min(left + width // 3, width))
    canvas = canvas_of(height, width, hole)
    if len(canvas.sources) == 0:
        return
    field, loudness = field_of(canvas)
    by_kernels = canvas.said_by_kernels(canvas.hole, field, loudness)
    by_torch = canvas.said_by_torch(canvas.hole, field, loudness)
    assert torch.allclose(by_kernels, by_torch, atol=1e-5)
    for place in range(0, len(canvas.hole), 17):
        truth = said(canvas, int(canvas.hole[place]), field, loudness)
        assert torch.allclose(by_kernels[place].double(), truth, atol=1e-5)


def test_on_any_number_of_threads(threads) -> None:
    canvas = canvas_of(90, 120, (slice(30, 60), slice(40, 90)))
    field, loudness = field_of(canvas)
    threads(1)
    alone = canvas.said_by_kernels(canvas.hole, field, loudness)
    threads(3)
    assert torch.equal(canvas.said_by_kernels(canvas.hole, field, loudness), alone)
