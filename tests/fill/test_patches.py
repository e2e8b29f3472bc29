"""Fills made of patches, how they are found, and when they are taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lama_core.fill import patches as module
from lama_core.fill.common.filters import gaussian_blur
from lama_core.fill.common.patch_search import BASIS, REACH, SIDE, PatchMatcher, descriptors
from lama_core.fill.common.progress import Progress
from lama_core.fill.fusion import fuse
from lama_core.fill.patches import patch_fill


def checks(height: int, width: int, period: int = 10) -> np.ndarray:
    """(3, H, W) float32: a chess matcher in two colours."""
    y, x = np.mgrid[:height, :width] // (period // 2)
    matcher = ((x + y) % 2)[None]
    colours = np.where(
        matcher, np.array([0.8, 0.7, 0.2])[:, None, None], np.array([0.2, 0.2, 0.6])[:, None, None]
    )
    return colours.astype(np.float32)


def middle(height: int, width: int, side: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    top, left = (height - side) // 2, (width - side) // 2
    hole[top : top + side, left : left + side] = True
    return hole


def soft(picture: np.ndarray, sigma: float = 3) -> np.ndarray:
    return gaussian_blur(torch.from_numpy(picture), sigma).numpy()


def filled(
    picture: np.ndarray, hole: np.ndarray, prediction: np.ndarray, seed: int = 0, memory: int = 1 << 32
) -> np.ndarray | None:
    return patch_fill(
        np.where(hole, np.float32(0), picture),
        hole,
        prediction,
        seed=seed,
        memory=memory,
        progress=Progress(),
    )


def matcher_of(picture: np.ndarray, hole: np.ndarray) -> PatchMatcher:
    image = torch.from_numpy(picture)
    return PatchMatcher.of(image, torch.from_numpy(hole), gaussian_blur(image, 4))


# The fill


def test_a_pattern_goes_on_through_the_hole() -> None:
    truth, hole = checks(128, 144, period=16), middle(128, 144, 40)
    made = filled(truth, hole, soft(truth))
    assert made is not None
    assert np.array_equal(made[:, ~hole], truth[:, ~hole])
    error, before = (np.abs(x - truth)[:, hole].mean() for x in (made, soft(truth)))
    assert error < 0.3 * before


def test_nothing_is_brighter_or_darker_than_what_is_known() -> None:
    truth, hole = checks(96, 96), middle(96, 96, 30)
    made = filled(truth, hole, np.full_like(truth, 3.0))
    assert made is not None
    for channel in range(3):
        assert made[channel].min() >= truth[channel].min() - 1e-5
        assert made[channel].max() <= truth[channel].max() + 1e-5


@pytest.mark.parametrize(("largest", "memory"), [(1000, 1 << 32), (10**6, 96 * 96 * module.BYTES)])
def test_where_a_scale_is_too_large_to_search_it_follows_the_one_before(
    monkeypatch: pytest.MonkeyPatch, largest: int, memory: int
) -> None:
    truth, hole = checks(160, 160, period=16), middle(160, 160, 50)
    monkeypatch.setattr(module, "MAX_SEARCHED_HOLE", largest)
    searched: list[bool] = []
    of = PatchMatcher.of
    monkeypatch.setattr(
        PatchMatcher, "of", lambda *given, searched: (note(searched), of(*given, searched=searched))[1]
    )
    note = searched.append
    made = filled(truth, hole, soft(truth), memory=memory)
    assert searched == [True, False]
    assert made is not None
    error, before = (np.abs(x - truth)[:, hole].mean() for x in (made, soft(truth)))
    assert error < 0.6 * before


def test_far_from_the_hole_nothing_is_looked_at() -> None:
    truth, hole = checks(100, 1200, period=16), np.zeros((100, 1200), bool)
    hole[40:70, 400:440] = True
    made = filled(truth, hole, soft(truth))
    assert made is not None
    assert np.array_equal(made[:, ~hole], truth[:, ~hole])
    blue = truth.copy()
    blue[:, :, 440 + module.SURROUNDINGS :] = np.array([0, 0, 1], np.float32)[:, None, None]
    changed = filled(blue, hole, soft(truth))
    assert changed is not None
    assert np.array_equal(made[:, hole], changed[:, hole])


def test_the_same_seed_finds_the_same_patches() -> None:
    truth = np.random.default_rng(0).random((3, 96, 96), np.float32)
    hole = middle(96, 96, 30)
    one, again, other = (filled(truth, hole, soft(truth), seed) for seed in (1, 1, 2))
    assert one is not None
    assert other is not None
    assert np.array_equal(one, again)
    assert np.abs(one - other)[:, hole].mean() > 0.02


@pytest.mark.parametrize(("size", "side"), [((20, 60), 8), ((64, 64), 58)])
def test_with_too_little_known_there_are_no_patches(size: tuple[int, int], side: int) -> None:
    truth, hole = checks(*size), middle(*size, side)
    assert filled(truth, hole, soft(truth)) is None


# The search


def test_descriptors_are_the_low_part_of_patches() -> None:
    flat = BASIS.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-5, rtol=0)
    image = torch.rand(3, 20, 21, generator=torch.Generator().manual_seed(0))
    found = descriptors(image)[10 * 21 + 12]
    patch = image[:, 10 - REACH : 10 + REACH + 1, 12 - REACH : 12 + REACH + 1]
    torch.testing.assert_close(found, flat @ patch.flatten(), atol=1e-5, rtol=1e-4)


def test_sources_are_known_and_targets_touch_the_hole() -> None:
    hole = middle(40, 50, 12)
    matcher = matcher_of(checks(40, 50), hole)
    for index in matcher.sources.tolist():
        row, column = divmod(index, 50)
        patch = hole[row - REACH : row + REACH + 1, column - REACH : column + REACH + 1]
        assert patch.shape == (SIDE, SIDE)
        assert not patch.any()
    assert len(matcher.targets) == (12 + 2 * REACH) ** 2


def test_the_exact_search_is_exact_and_the_other_never_loses() -> None:
    truth = np.random.default_rng(1).random((3, 48, 56), np.float32)
    matcher = matcher_of(truth, middle(48, 56, 12))
    targets = matcher.target_descriptors()
    nnf, costs = matcher.exhaustive_search(targets, matcher.sources)
    for target in (0, 100, len(nnf) - 1):
        unlike = (matcher.source_descriptors[matcher.sources] - targets[target]).square().sum(dim=1)
        assert float(costs[target]) == pytest.approx(float(unlike.min()), abs=1e-4)
    torch.testing.assert_close(matcher.costs(targets, nnf), costs, atol=1e-4, rtol=1e-4)

    rng = torch.Generator().manual_seed(0)
    found = matcher.sources[torch.randint(len(matcher.sources), (len(nnf),), generator=rng)]
    before = matcher.costs(targets, found)
    for _ in range(8):
        found, after = matcher.propagate_and_search(targets, found, rng)
        assert (after <= before).all()
        before = after
    assert matcher.is_source[found].all()
    assert float(after.mean()) < 2 * float(costs.mean()) + 1


def test_a_source_that_is_used_everywhere_costs_more() -> None:
    matcher = matcher_of(checks(60, 60), middle(60, 60, 20))
    used = matcher.sources[len(matcher.sources) // 2]
    matcher.penalize_occurrence(used.expand(len(matcher.targets)), torch.ones(len(matcher.targets)))
    assert matcher.occurrence_penalty[used] > 1
    assert matcher.occurrence_penalty[matcher.sources[0]] == 0
    matcher.penalize_occurrence(matcher.sources[: len(matcher.targets)], torch.ones(len(matcher.targets)))
    assert matcher.occurrence_penalty.max() < 1


def test_a_whole_piece_is_voted_for_as_it_is() -> None:
    truth = np.random.default_rng(2).random((3, 40, 80), np.float32)
    hole = np.zeros((40, 80), bool)
    hole[10:20, 10:20] = True
    matcher = matcher_of(truth, hole)
    matcher.vote(matcher.targets + 40, None)
    torch.testing.assert_close(matcher.image[:, 10:20, 10:20], torch.from_numpy(truth[:, 10:20, 50:60]))


def test_what_patches_say_beside_the_hole_is_what_they_have_there() -> None:
    truth = np.random.default_rng(2).random((3, 40, 80), np.float32)
    hole = np.zeros((40, 80), bool)
    hole[10:20, 10:20] = True
    matcher = matcher_of(truth, hole)
    beside = torch.tensor([9 * 80 + 12, 20 * 80 + 15, 15 * 80 + 9])
    said = matcher.voted(beside, matcher.targets + 40, None)
    torch.testing.assert_close(said, matcher.image.flatten(1).T[beside + 40])


def test_patches_of_another_light_end_without_a_step() -> None:
    texture = np.random.default_rng(2).random((3, 40, 40), np.float32) * np.float32(0.3) + np.float32(0.2)
    truth = np.concatenate((texture, texture + np.float32(0.2)), axis=2)
    hole = np.zeros((40, 80), bool)
    hole[10:20, 10:20] = True
    matcher = matcher_of(truth, hole)
    brighter = matcher.targets + 40
    matcher.vote(brighter, None)
    assert float((matcher.image - torch.from_numpy(truth))[:, hole].min()) > 0.19
    joined = module._without_step(matcher, torch.from_numpy(hole), brighter, None)
    torch.testing.assert_close(joined, torch.from_numpy(truth), atol=0.002, rtol=0)


# The choice


def test_detail_is_taken_from_patches_and_kept_where_it_is_there() -> None:
    truth, hole = checks(120, 120), middle(120, 120, 60)
    chosen = fuse(soft(truth, 6), truth, truth, hole)
    assert np.abs(chosen - truth)[:, hole].mean() < 0.1 * np.abs(soft(truth, 6) - truth)[:, hole].mean()
    other = np.roll(truth, 5, axis=2)
    kept = fuse(truth, np.where(hole, other, truth), truth, hole)
    assert np.abs(kept - truth)[:, hole].mean() < 0.05


def test_patches_of_another_colour_are_not_taken() -> None:
    truth, hole = checks(120, 120), middle(120, 120, 60)
    other = np.where(hole, truth * 0.2, truth)
    prediction = soft(truth, 6)
    chosen = fuse(prediction, other, truth, hole)
    assert np.abs(chosen - prediction)[:, hole].mean() < 0.01


def test_patches_of_another_hue_are_not_taken_where_another_light_is() -> None:
    truth, hole = checks(120, 120), middle(120, 120, 60)
    prediction = soft(truth, 6)
    share = []
    for tint in ((0.04, 0.04, 0.04), (0.045, 0.0, -0.045)):
        other = np.where(hole, truth + np.array(tint, np.float32)[:, None, None], truth)
        chosen = fuse(prediction, other, truth, hole)
        share.append(np.abs(chosen - prediction)[:, hole].mean() / np.abs(other - prediction)[:, hole].mean())
    assert share[0] > 0.8
    assert share[1] < 0.7


def test_a_smooth_fill_of_something_smooth_is_kept() -> None:
    sky = np.linspace(0.4, 0.6, 120, dtype=np.float32)[None, :, None] * np.ones((3, 1, 120), np.float32)
    hole = middle(120, 120, 60)
    chosen = fuse(sky, np.where(hole, sky + np.float32(0.02), sky), sky, hole)
    assert np.abs(chosen - sky)[:, 45:75, 45:75].max() < 0.005
