from __future__ import annotations

import numpy as np
import pytest

from lama_core.research.evaluation.artifact_metrics import grain_deviation
from lama_core.research.evaluation.dataset import EvaluationError
from lama_core.research.evaluation.grain import WithGrain, add_grain
from lama_core.research.evaluation.periodic import PATTERNS, View, periodic_picture, random_view, render
from lama_core.research.evaluation.rendered import RECIPES, RenderedSet
from lama_core.research.evaluation.synthetic_scenes import drawing

STRAIGHT = 4.0
"""Periods across a picture that is looked at straight: of 64 pixels each has 16."""


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_looked_at_straight_repeats_exactly(name: str) -> None:
    pattern = PATTERNS[name]
    view = View(to_plane=np.diag([STRAIGHT, STRAIGHT, 1.0]))
    picture = render(pattern, np.array(pattern.colours), view, 64, 64)
    assert np.abs(picture[16:] - picture[:-16]).max() < 1e-9
    assert np.abs(picture[:, 16:] - picture[:, :-16]).max() < 1e-9
    assert picture.std() > 0.02  # it is a pattern at all


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_in_perspective_repeats_where_its_plane_does(name: str) -> None:
    pattern = PATTERNS[name]
    rng = np.random.default_rng(3)
    view = random_view(pattern, rng)
    # The same place in the next period: samples of the plane that are one period apart have one colour.
    u, v = rng.uniform(-3, 3, (2, 500))
    to_picture = np.linalg.inv(view.to_plane)
    colours = []
    for shift in ((0, 0), (1, 0), (0, 1)):
        x, y, w = to_picture @ np.stack([u + shift[0], v + shift[1], np.ones(500)])
        back_u, back_v, back_w = view.to_plane @ np.stack([x / w, y / w, np.ones(500)])
        u_there, v_there = back_u / back_w, back_v / back_w
        args = (u_there - np.floor(u_there), v_there - np.floor(v_there), np.array(pattern.colours))
        colours.append(pattern.paint(*args))
    # A sample on an edge may fall on its other side by rounding.
    for other in colours[1:]:
        assert (np.abs(other - colours[0]).max(axis=1) < 1e-6).mean() > 0.99


def test_the_same_name_is_the_same_scene_at_every_size() -> None:
    for name in RECIPES["periodic"].names[:4]:
        large, small = periodic_picture(name, 256).astype(float), periodic_picture(name, 64).astype(float)
        shrunk = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
        assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.97
    assert np.array_equal(periodic_picture("fence-0", 64), periodic_picture("fence-0", 64))
    assert not np.array_equal(periodic_picture("fence-0", 64), periodic_picture("fence-1", 64))


def test_no_view_turns_the_plane_over() -> None:
    """The horizon stays outside of every picture, else a pattern would be seen from behind."""
    corners = np.array([[x, y, 1.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    for seed in range(200):
        view = random_view(PATTERNS["tiles"], np.random.default_rng(seed))
        assert (corners @ view.to_plane[2] > 0.3).all()


def test_sets_are_the_same_every_time() -> None:
    for recipe in RECIPES:
        data = RenderedSet.make(recipe, size=48, most=2)
        assert data.count == 2
        assert "48 x 48" in data.remark
        first, again = list(data.cases("thick")), list(RenderedSet.make(recipe, size=48).cases("thick"))
        assert len(first) == 2 < len(again)
        for one, other in zip(first, again, strict=False):
            assert np.array_equal(one.photo, other.photo)
            assert np.array_equal(one.hole, other.hole)
            assert one.photo.shape == (48, 48, 3)
            assert one.hole.any()


def test_what_cannot_be_drawn_is_named() -> None:
    with pytest.raises(EvaluationError, match="there is no set 'fences': there are periodic, grainy, clean"):
        RenderedSet.make("fences")
    with pytest.raises(EvaluationError, match="pictures of 8 pixels are too small"):
        RenderedSet.make("periodic", size=8)


def test_a_drawing_has_no_noise() -> None:
    picture = drawing("scene-0", 128)
    assert grain_deviation(picture, np.ones((128, 128), bool)) < 1


def test_sensor_grain_rises_with_brightness_and_film_grain_is_correlated() -> None:
    rng = np.random.default_rng(0)
    flat = np.repeat(np.array([60, 128, 200], np.uint8), 256)[None, :, None].repeat(256, 0).repeat(3, 2)
    parts = [slice(0, 256), slice(256, 512), slice(512, 768)]
    sensor = add_grain(flat, "sensor", 8.0, rng).astype(float)
    dark, middle, bright = (sensor[:, part].std(axis=(0, 1)).mean() for part in parts)
    assert dark < middle < bright
    assert middle == pytest.approx(8, rel=0.05)
    film = add_grain(flat, "film", 8.0, rng).astype(float)
    dark, middle, bright = (film[:, part].std(axis=(0, 1)).mean() for part in parts)
    assert middle > max(dark, bright)
    assert middle == pytest.approx(8, rel=0.05)
    for picture, low, high in ((sensor, -0.05, 0.05), (film, 0.5, 0.8)):
        noise = picture[:, parts[1], 0] - 128
        correlation = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
        assert low < correlation < high


def test_grain_is_put_on_any_set() -> None:
    clean = RenderedSet.make("clean", size=64, most=1)
    grainy = WithGrain(clean)
    assert (grainy.kinds, grainy.count) == (clean.kinds, clean.count)
    assert "grain of 3 to 12 of 255 added" in grainy.remark
    (one,), (other,) = list(clean.cases("thin")), list(grainy.cases("thin"))
    assert np.array_equal(one.hole, other.hole)
    difference = other.photo.astype(float) - one.photo
    assert 1 < difference.std() < 16
    assert abs(difference.mean()) < 1
