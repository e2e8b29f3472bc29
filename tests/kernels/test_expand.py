"""Moves of alpha expansion, in the kernels and in numpy, against the energy pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip(
    "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
)

from lama_core.fill.montage.cut import Numbers
from lama_core.fill.montage.expansion import (
    NEVER,
    UNKNOWN,
    UNLABELLED,
    UNSEEN,
    Energy,
    Labelling,
    expand_by_kernels,
    expand_by_numpy,
)

Case = tuple[Energy, Labelling, Numbers]


def case(height: int, width: int, planes: int, labels: int, seed: int) -> Case:
    """Random pictures, some of whose pixels are unknown or forbidden, and random labels of some pixels."""
    chance = np.random.default_rng(seed)
    features = chance.integers(0, chance.choice([8, 256]), (planes, height, width, 8)).astype(np.uint8)
    costs = chance.integers(0, 3000, (planes, height, width)).astype(np.int32)
    costs[chance.random(costs.shape) < 0.2] = UNKNOWN
    costs[chance.random(costs.shape) < 0.1] = NEVER
    shifts = chance.integers((0, -5, -5, 0), (planes, 6, 6, 300), (labels, 4)).astype(np.int32)
    guide = chance.integers(0, (256, 256, 256, 128), (height, width, 4)).astype(np.uint8)
    chosen = chance.integers(0, labels, (height, width)).astype(np.uint16)
    chosen[chance.random(chosen.shape) < 0.2] = UNLABELLED
    free = (chosen != UNLABELLED) & (chance.random(chosen.shape) < 0.8)
    energy = Energy(features=features, costs=costs, labels=shifts, guide=guide)
    return energy, chosen, np.flatnonzero(free).astype(np.int32)


def energy_of(energy: Energy, chosen: Labelling) -> int:
    """All of it, one pixel and one pair after the other."""
    _, height, width = energy.costs.shape

    def shown(row: int, column: int, label: int) -> tuple[int, int, int] | None:
        plane, down, across, _ = energy.labels[label].tolist()
        row, column = row + down, column + across
        return (plane, row, column) if 0 <= row < height and 0 <= column < width else None

    def price(row: int, column: int, label: int) -> int:
        at = shown(row, column, label)
        if at is None or energy.costs[at] >= NEVER:
            return NEVER
        wanted = energy.guide[row, column].astype(int)
        unlike = int(np.square(energy.features[at][5:].astype(int) - wanted[:3]).sum())
        return min(NEVER, int(energy.costs[at] + energy.labels[label, 3]) + unlike * int(wanted[3]) // 64)

    def difference(row: int, column: int, one: int, other: int) -> int | None:
        at, there = shown(row, column, one), shown(row, column, other)
        if at is None or there is None or max(energy.costs[at], energy.costs[there]) > NEVER:
            return None
        return int(np.square(energy.features[at][:5].astype(int) - energy.features[there][:5]).sum())

    total = 0
    for row, column in np.argwhere(chosen != UNLABELLED).tolist():
        own = int(chosen[row, column])
        total += price(row, column, own)
        for below, beside in ((row + 1, column), (row, column + 1)):
            if below >= height or beside >= width or chosen[below, beside] == UNLABELLED:
                continue
            other = int(chosen[below, beside])
            if other != own:
                seen = [difference(*at, own, other) for at in ((row, column), (below, beside))]
                known = [one for one in seen if one is not None]
                total += sum(known) * 2 // len(known) if known else 2 * UNSEEN
    return total


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    planes=st.integers(1, 2),
    labels=st.integers(1, 5),
    reach=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_both_make_the_same_moves(
    height: int, width: int, planes: int, labels: int, reach: int, seed: int
) -> None:
    energy, chosen, pixels = case(height, width, planes, labels, seed)
    same = chosen.copy()
    for label in range(labels):
        before = energy_of(energy, chosen)
        gain = expand_by_kernels(energy, chosen, pixels, label, reach)
        assert gain == expand_by_numpy(energy, same, pixels, label, reach)
        assert (chosen == same).all()
        assert gain == before - energy_of(energy, chosen)


@pytest.mark.parametrize("expand", [expand_by_kernels, expand_by_numpy])
def test_pixels_that_are_not_named_keep_their_labels(expand) -> None:
    energy, chosen, pixels = case(30, 30, 2, 4, 3)
    before = chosen.copy()
    assert sum(expand(energy, chosen, pixels, label) for label in range(4)) > 0
    changed = np.flatnonzero(chosen != before)
    assert set(changed.tolist()) <= set(pixels.tolist())


@pytest.mark.parametrize("expand", [expand_by_kernels, expand_by_numpy])
def test_a_label_goes_no_farther_than_its_reach(expand) -> None:
    """A label that costs nothing, beside one that costs a lot, in a row of pixels."""
    features = np.zeros((1, 1, 20, 8), np.uint8)
    labels = np.array([[0, 0, 0, 0], [0, 0, 0, 100]], np.int32)
    energy = Energy(
        features=features,
        costs=np.zeros((1, 1, 20), np.int32),
        labels=labels,
        guide=np.zeros((1, 20, 4), np.uint8),
    )
    chosen = np.ones((1, 20), np.uint16)
    chosen[0, 0] = 0
    pixels = np.arange(20, dtype=np.int32)
    assert expand(energy, chosen, pixels, 0, 3) == 300
    assert chosen[0].tolist() == [0] * 4 + [1] * 16
    assert expand(energy, chosen, pixels, 0, 0) == 1600
    assert not chosen.any()


@pytest.mark.parametrize("expand", [expand_by_kernels, expand_by_numpy])
def test_what_must_not_be_used_is_not(expand) -> None:
    energy, chosen, _ = case(20, 20, 1, 2, 5)
    chosen[:] = 0
    energy.costs[:] = np.where(np.arange(20) % 2, NEVER, 0)
    energy.labels[:] = [[0, 0, 0, 2000], [0, 0, 0, 0]]
    expand(energy, chosen, np.arange(400, dtype=np.int32), 1)
    assert (chosen[:, 0::2] == 1).all()
    assert not (chosen[:, 1::2] == 1).any()
