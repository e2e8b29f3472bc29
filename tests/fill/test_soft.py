"""Soft selections, and what grow and feather let through of the thing that is removed."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lama_core.fill import FillError, FillOptions, fill
from lama_core.image.mask_ops import distance_to

SIDE = 20

binary = hnp.arrays(np.bool_, (SIDE, SIDE), elements=st.sampled_from([False] * 9 + [True]))
soft = hnp.arrays(np.float32, (SIDE, SIDE), elements=st.sampled_from([0, 0, 0, 0.1, 0.25, 0.5, 0.75, 1]))
widths = st.integers(0, 5)


def white(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image)


def mean_of_known(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    known = 1 - hole
    return ((image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)).expand_as(image)


def options(**changes: object) -> FillOptions:
    return FillOptions(quality="fast", context="whole", **changes)


def shown(selection: np.ndarray, **changes: object) -> np.ndarray:
    """How much of a white fill shows over a black picture."""
    picture = np.zeros((*selection.shape, 1), np.float32)
    return fill(picture, selection, white, options(seam=False, grain=False, **changes))[:, :, 0]


def some_of(selection: np.ndarray) -> np.ndarray:
    """With something selected, and something not."""
    selection = selection.copy()
    selection[SIDE // 2, SIDE // 2] = 1
    selection[0, :], selection[:, 0] = 0, 0
    return selection


@settings(max_examples=40)
@given(binary, widths, widths, st.integers(0, 2**32 - 1))
def test_a_feathered_edge_never_shows_what_is_within_the_grow(
    selection: np.ndarray, grow: int, feather: int, seed: int
) -> None:
    selection = some_of(selection)
    generator = np.random.default_rng(seed)
    picture = generator.random((SIDE, SIDE, 3)).astype(np.float32)
    near = distance_to(selection, SIDE * 2) <= grow
    assume(not near.all())
    other = np.where(near[:, :, None], generator.random(picture.shape).astype(np.float32), picture)
    how = options(grow=grow, feather=feather, join_islands=False)
    np.testing.assert_array_equal(
        fill(picture, selection, mean_of_known, how), fill(other, selection, mean_of_known, how)
    )


@settings(max_examples=40)
@given(soft)
def test_more_of_the_fill_shows_where_more_is_selected(selection: np.ndarray) -> None:
    selection = some_of(selection)
    seen = shown(selection, grow=0, feather=0)
    order = np.argsort(selection, axis=None)
    assert (np.diff(seen.ravel()[order]) >= -1e-6).all()
    np.testing.assert_allclose(seen, selection, atol=1e-6)


@settings(max_examples=40)
@given(soft, soft, widths, widths)
def test_selecting_more_never_shows_less_of_the_fill(
    selection: np.ndarray, more: np.ndarray, grow: int, feather: int
) -> None:
    selection = some_of(selection)
    larger = np.maximum(selection, some_of(more))
    how = {"grow": grow, "feather": feather, "join_islands": False}
    try:
        assert (shown(larger, **how) >= shown(selection, **how) - 1e-6).all()
    except FillError:
        assume(grow == 0)  # the grow left nothing known
        raise


@settings(max_examples=40)
@given(soft, widths, widths)
def test_what_is_selected_shows_at_least_as_much_of_the_fill_up_to_the_grow(
    selection: np.ndarray, grow: int, feather: int
) -> None:
    selection = some_of(selection)
    for share in (0.25, 0.5, 1):
        near = distance_to(selection >= share, SIDE * 2) <= grow
        try:
            seen = shown(selection, grow=grow, feather=feather, join_islands=False)
        except FillError:
            assume(grow == 0)
            raise
        assert (seen[near] >= share - 1e-6).all()


def test_a_ramp_of_a_selection_becomes_a_ramp_of_the_fill() -> None:
    selection = np.zeros((40, 64), np.float32)
    selection[8:32] = np.linspace(0, 1, 64, dtype=np.float32)
    row = shown(selection, grow=0, feather=0)[20]
    np.testing.assert_allclose(row, np.linspace(0, 1, 64), atol=1e-6)
    assert (np.diff(shown(selection, grow=3, feather=4)[20]) >= -1e-6).all()
