"""Montages of pictures in which it is known what belongs into the hole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core import kernels
from lama_core.fill.common.errors import FillCancelled
from lama_core.fill.common.progress import Progress
from lama_core.fill.montage.montage import Effort, Montage, montage_fill
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import harmonic_fill

ENOUGH = 1 << 30


def bricks(height: int, width: int) -> Floats:
    """(3, height, width): bricks of 26 x 12 pixels, every second row moved by half of one, with noise."""
    chance = np.random.default_rng(3)
    row, column = np.mgrid[:height, :width]
    column = column + (row // 12 % 2) * 13
    joint = (row % 12 < 2) | (column % 26 < 2)
    picture = np.where(joint, 0.75, 0.4)[None] * np.array([1, 0.8, 0.7])[:, None, None]
    noisy: Floats = (picture + chance.normal(0, 0.01, (3, height, width))).clip(0, 1).astype(np.float32)
    return noisy


def smooth(colour: Floats, unknown: Mask) -> Floats:
    """What a network draws that knows nothing but the hole's edge."""
    image, hole = torch.from_numpy(colour)[None], torch.from_numpy(unknown)[None, None].float()
    return np.ascontiguousarray(harmonic_fill(image, hole)[0].numpy())


def hole_in(height: int, width: int) -> Mask:
    unknown = np.zeros((height, width), np.bool_)
    unknown[height // 3 : height // 2, width // 3 : width * 3 // 5] = True
    return unknown


def filled(
    picture: Floats, unknown: Mask, *, seed: int = 0, source: Mask | None = None, memory: int = ENOUGH
) -> Montage:
    colour = np.where(unknown, np.float32(0), picture)
    montage = montage_fill(
        colour,
        unknown,
        [smooth(colour, unknown)],
        source=source,
        effort=Effort(offsets=30),
        rng=torch.Generator().manual_seed(seed),
        memory=memory,
        progress=Progress(),
    )
    assert montage is not None
    return montage


def error(montage: Montage, picture: Floats, unknown: Mask) -> float:
    return float(np.abs(montage.picture - picture)[:, unknown].mean())


def test_bricks_go_on_through_the_hole() -> None:
    picture, unknown = bricks(150, 190), hole_in(150, 190)
    montage = filled(picture, unknown)
    assert error(montage, picture, unknown) < 0.02
    assert (montage.picture == picture)[:, ~unknown].all()


def test_bricks_go_on_to_the_pixel_in_a_picture_that_is_looked_at_smaller() -> None:
    picture, unknown = bricks(480, 620), hole_in(480, 620)
    assert error(filled(picture, unknown), picture, unknown) < 0.03


def test_light_that_falls_off_has_no_step() -> None:
    """Copies from where it is darker become as bright as what is around them."""
    light = np.linspace(0.6, 1, 190, dtype=np.float32)
    picture, unknown = bricks(150, 190) * light, hole_in(150, 190)
    assert error(filled(picture, unknown), picture, unknown) < 0.03


def test_a_thing_that_stands_there_once_is_not_copied() -> None:
    """A red disc on gravel; the network asked for gravel."""
    chance = np.random.default_rng(5)
    gravel = torch.from_numpy(chance.random((1, 1, 75, 95), np.float32))
    gravel = torch.nn.functional.interpolate(gravel, scale_factor=2, mode="bilinear")[0]
    picture = (0.3 + 0.3 * gravel).expand(3, -1, -1).numpy().copy()
    row, column = np.mgrid[:150, :190]
    picture[:, (row - 110) ** 2 + (column - 100) ** 2 < 15**2] = np.array([[0.9], [0.1], [0.1]])
    unknown = hole_in(150, 190)
    shown = filled(picture, unknown).picture
    assert float((shown[0] - shown[1])[unknown].max()) < 0.3


def test_nothing_is_copied_from_where_it_is_not_allowed() -> None:
    picture, unknown = bricks(150, 190), hole_in(150, 190)
    source = np.zeros_like(unknown)
    source[:, 95:] = True
    montage = filled(picture, unknown, source=source)
    row, column = np.nonzero(unknown)
    plane, down, across = montage.labels[montage.chosen[unknown], :3].T
    copied = plane == 0
    assert copied.any()
    assert source[(row + down)[copied], (column + across)[copied]].all()


def test_a_seed_has_its_own_fill_and_always_the_same() -> None:
    picture, unknown = bricks(150, 190), hole_in(150, 190)
    one, same, other = (filled(picture, unknown, seed=seed).picture for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_without_kernels_the_labels_are_the_same(monkeypatch) -> None:
    picture, unknown = bricks(96, 120), hole_in(96, 120)
    by_kernels = filled(picture, unknown)
    monkeypatch.setattr(kernels, "available", lambda precision="fp32": False)
    by_numpy = filled(picture, unknown)
    assert (by_kernels.labels == by_numpy.labels).all()
    assert (by_kernels.chosen == by_numpy.chosen).all()


@settings(max_examples=12, deadline=None)
@given(data=st.data(), height=st.integers(33, 90), width=st.integers(33, 90))
def test_any_hole_is_filled_and_nothing_else_changes(data: st.DataObject, height: int, width: int) -> None:
    """At the border, of half the picture, in several pieces, with islands."""
    picture, unknown = bricks(height, width), np.zeros((height, width), np.bool_)
    for _ in range(data.draw(st.integers(1, 3))):
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        tall, wide = data.draw(st.integers(1, height)), data.draw(st.integers(1, width * 2 // 3))
        unknown[top : top + tall, left : left + wide] = True
    unknown[height // 2 : height // 2 + 3, :5] = False
    unknown[0, 0] = True
    colour = np.where(unknown, np.float32(0), picture)
    montage = montage_fill(
        colour,
        unknown,
        [smooth(colour, unknown), picture],
        effort=Effort(offsets=8, rounds=1),
        rng=torch.Generator().manual_seed(0),
        memory=ENOUGH,
        progress=Progress(),
    )
    if montage is not None:
        assert np.isfinite(montage.picture).all()
        assert (montage.picture == picture)[:, ~unknown].all()


def test_progress_moves_and_cancelling_ends_it() -> None:
    picture, unknown = bricks(150, 190), hole_in(150, 190)
    colour = np.where(unknown, np.float32(0), picture)
    seen: list[float] = []

    def run(stop_at: float) -> None:
        montage_fill(
            colour,
            unknown,
            [smooth(colour, unknown)],
            rng=torch.Generator().manual_seed(0),
            memory=ENOUGH,
            progress=Progress(
                on_report=lambda _, fraction: seen.append(fraction),
                cancelled=lambda: bool(seen) and seen[-1] >= stop_at,
            ),
        )

    run(2)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 20
    seen.clear()
    with pytest.raises(FillCancelled):
        run(0.5)
    assert 0.5 <= seen[-1] < 0.6


def test_with_little_memory_seams_are_coarser_and_all_else_is_there() -> None:
    picture, unknown = bricks(300, 420), hole_in(300, 420)
    assert error(filled(picture, unknown, memory=1), picture, unknown) < 0.06
