from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.research.holes.masks import MASK_KINDS, MAX_HOLE_SHARE, random_hole

sizes = st.integers(16, 160)


@given(kind=st.sampled_from(list(MASK_KINDS)), height=sizes, width=sizes, seed=st.integers(0, 2**32))
def test_a_hole_fits_its_picture_and_leaves_half_of_it(kind: str, height: int, width: int, seed: int) -> None:
    hole = random_hole(kind, height, width, np.random.default_rng(seed))
    assert hole.shape == (height, width)
    assert hole.dtype == bool
    assert 0 < hole.mean() <= MAX_HOLE_SHARE


def test_the_same_seed_gives_the_same_hole_and_another_seed_another() -> None:
    first, again, other = (random_hole("thick", 128, 128, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def thickness(kind: str) -> float:
    """Mean over holes of how many pixels a hole has for each pixel on its edge."""
    ratios = []
    for seed in range(40):
        hole = random_hole(kind, 256, 256, np.random.default_rng(seed))
        inner = hole[1:-1, 1:-1] & hole[:-2, 1:-1] & hole[2:, 1:-1] & hole[1:-1, :-2] & hole[1:-1, 2:]
        ratios.append(hole.sum() / max(1, hole.sum() - inner.sum()))
    return float(np.mean(ratios))


def test_the_kinds_differ_in_thickness_as_their_names_say() -> None:
    assert thickness("thin") * 1.5 < thickness("medium")
    assert thickness("medium") * 1.3 < thickness("thick")


def test_bad_arguments_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="thin, medium, thick, object, wide, box, not 'fat'"):
        random_hole("fat", 64, 64, rng)
    with pytest.raises(ValueError, match="8x64 is too small"):
        random_hole("thin", 64, 8, rng)


def test_boxes_are_boxes() -> None:
    for seed in range(20):
        hole = random_hole("box", 128, 128, np.random.default_rng(seed))
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        # Up to three boxes: the outline has no more than twelve corners, each a change of rows.
        changes = {tuple(row) for row in hole[rows[0] : rows[-1] + 1]}
        assert len(changes) <= 7
        # The margin of 10 pixels of 256 stays free.
        assert min(rows[0], columns[0]) >= 5
        assert max(rows[-1], columns[-1]) < 123


def test_silhouettes_are_one_body_each_and_of_an_object_s_size() -> None:
    shares = [random_hole("object", 256, 256, np.random.default_rng(seed)).mean() for seed in range(60)]
    assert 0.05 < np.mean(shares) < 0.2
    assert np.std(shares) > 0.03


def test_holes_scale_with_the_picture() -> None:
    for kind in MASK_KINDS:
        small = np.mean(
            [random_hole(kind, 128, 128, np.random.default_rng(seed)).mean() for seed in range(30)]
        )
        large = np.mean(
            [random_hole(kind, 512, 512, np.random.default_rng(seed)).mean() for seed in range(30)]
        )
        assert large == pytest.approx(small, rel=0.35), kind
