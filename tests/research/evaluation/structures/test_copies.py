from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pytest

from lama_core.research.evaluation.baselines import telea
from lama_core.research.evaluation.structures.copies import Thing, is_copied, things_of
from lama_core.research.evaluation.structures.scenes import Scene, make_scene

NAMES = ("things-0", "things-2", "things-3")

Picture = npt.NDArray[np.uint8]


@functools.cache
def scene_of(name: str) -> Scene:
    return make_scene(name, 384)


def pasted(scene: Scene, thing: Thing, right: int = 0) -> Picture:
    """The photo with a thing put over the middle of the hole, and nothing changed outside of it."""
    picture = scene.photo.copy()
    rows, columns = np.nonzero(scene.hole)
    height, width = thing.mask.shape
    top, left = int(rows.mean()) - height // 2, int(columns.mean()) - width // 2 + right
    part = picture[top : top + height, left : left + width]
    where = thing.mask & scene.hole[top : top + height, left : left + width]
    noise = np.random.default_rng(2).normal(0, 3, thing.look.shape)
    part[where] = (thing.look + noise).clip(0, 255).astype(np.uint8)[where]
    return picture


@pytest.mark.parametrize("name", NAMES)
def test_no_thing_is_in_the_truth_nor_in_a_smooth_fill(name: str) -> None:
    scene = scene_of(name)
    assert not is_copied(scene.things, scene.photo, scene.hole)
    assert not is_copied(scene.things, telea(scene.photo, scene.hole), scene.hole)


@pytest.mark.parametrize("name", ["things-0", "things-3"])
def test_a_pasted_thing_is_found_and_its_mirror_image_too(name: str) -> None:
    scene = scene_of(name)
    for thing in scene.things:
        assert is_copied(scene.things, pasted(scene, thing), scene.hole)
        mirrored = Thing(thing.look[:, ::-1], thing.mask[:, ::-1])
        assert is_copied(scene.things, pasted(scene, mirrored), scene.hole)


def test_most_of_a_thing_is_a_copy_and_its_shadow_is_none() -> None:
    scene = scene_of("things-3")
    thing = scene.things[0]
    cut = Thing(thing.look, thing.mask & (np.arange(thing.mask.shape[1]) < 0.7 * thing.mask.shape[1]))
    assert is_copied(scene.things, pasted(scene, cut), scene.hole)
    mean = thing.look.mean(axis=(0, 1))
    faint = (mean + 0.2 * (thing.look - mean)).astype(np.uint8)
    assert not is_copied(scene.things, pasted(scene, Thing(faint, thing.mask)), scene.hole)


def test_things_that_touch_are_one() -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    where = np.zeros((60, 60), bool)
    where[10:20, 10:20] = where[20:25, 10:15] = where[40:50, 40:50] = True
    first, second = things_of(picture, where)
    assert first.mask.shape == (21, 16)
    assert second.mask.shape == (16, 16)
