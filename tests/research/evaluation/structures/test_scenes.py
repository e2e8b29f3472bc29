from __future__ import annotations

import itertools

import numpy as np
import pytest

from lama_core.research.evaluation.dataset import EvaluationError
from lama_core.research.evaluation.structures.holes import SHAPES, figure_hole
from lama_core.research.evaluation.structures.scenes import KINDS, NAMES, StructureSet, make_scene

SIZE = 96


def test_every_kind_of_scene_comes_with_every_shape_of_hole() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(KINDS) * len(SHAPES)
    assert NAMES[: len(KINDS)] == tuple(f"{kind}-0" for kind in KINDS)


def test_a_scene_is_the_same_every_time() -> None:
    one, other = make_scene("slats-1", SIZE), make_scene("slats-1", SIZE)
    for picture, again in ((one.photo, other.photo), (one.hole, other.hole), (one.clean, other.clean)):
        np.testing.assert_array_equal(picture, again)


def test_scenes_are_distinct_and_each_has_a_hole_in_it() -> None:
    scenes = [make_scene(name, SIZE) for name in NAMES[: len(KINDS) + 2]]
    for one, other in itertools.combinations(scenes, 2):
        assert np.abs(one.clean.astype(float) - other.clean).mean() > 5
    for scene in scenes:
        assert scene.photo.shape == scene.clean.shape == (SIZE, SIZE, 3)
        assert 0.01 < scene.hole.mean() < 0.4


def test_a_scene_is_the_same_scene_at_another_size() -> None:
    large, small = make_scene("tiles-0", 2 * SIZE).clean, make_scene("tiles-0", SIZE).clean
    shrunk = large.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 2


def test_a_photograph_has_noise_and_is_else_the_clean_picture() -> None:
    scene = make_scene("horizons-0", SIZE)
    difference = scene.photo.astype(float) - scene.clean
    assert abs(difference.mean()) < 1
    assert 1 < difference.std() < 12


def test_only_scenes_of_things_have_things_and_none_of_them_in_the_hole() -> None:
    assert make_scene("bricks-0", SIZE).things == ()
    scene = make_scene("things-1", SIZE)
    assert len(scene.things) == 2
    for thing in scene.things:
        assert thing.mask.shape == thing.look.shape[:2]
        assert thing.mask.any()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hole_is_in_the_midst_of_the_picture(shape: str) -> None:
    hole = figure_hole(shape, 128, np.random.default_rng(1))
    rows, columns = np.nonzero(hole)
    assert 40 < rows.mean() < 88
    assert 40 < columns.mean() < 88


def test_the_set_takes_kinds_in_turn_and_no_more_scenes_than_wanted() -> None:
    data = StructureSet.make(size=SIZE, most=3, kinds=["slats", "bricks"])
    assert data.names == ("slats-0", "bricks-0", "slats-1")
    assert data.kinds == ("slats", "bricks")
    assert [scene.name for scene in data.cases("slats")] == ["slats-0", "slats-1"]


def test_a_set_that_cannot_be_is_refused() -> None:
    with pytest.raises(EvaluationError, match="63 pixels are too small"):
        StructureSet.make(size=63)
    with pytest.raises(EvaluationError, match="not 'clouds'"):
        StructureSet.make(kinds=["clouds"])
