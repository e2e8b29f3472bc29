from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pytest

from lama_core.research.evaluation.structures.canvas import ground, render
from lama_core.research.evaluation.structures.continuation import Continuation, Structure
from lama_core.research.evaluation.structures.scenes import KINDS, Scene, make_scene, photograph

SIZE = 256
WITH_EDGES = [kind for kind in KINDS if kind != "things"]

Picture = npt.NDArray[np.uint8]


@functools.cache
def scene_of(kind: str) -> Scene:
    return make_scene(f"{kind}-0", SIZE)


def judged(scene: Scene, fill: Picture) -> Continuation:
    """What a fill is worth that is put into the hole and nowhere else."""
    filled = np.where(scene.hole[:, :, None], fill, scene.photo)
    continuation = Structure(scene.clean, scene.hole).judge(filled)
    assert continuation is not None
    return continuation


def with_fresh_noise(scene: Scene) -> Picture:
    layers = ground(np.zeros(SIZE * SIZE), scene.clean.reshape(-1, 3) / 255, fine=0.012, coarse=0.012)
    return photograph(layers.reshape(SIZE, SIZE, -1), np.random.default_rng(5))


@pytest.mark.parametrize("kind", WITH_EDGES)
def test_the_truth_with_fresh_noise_goes_on_entirely(kind: str) -> None:
    scene = scene_of(kind)
    assert judged(scene, with_fresh_noise(scene)).f1 > 0.98


@pytest.mark.parametrize("kind", WITH_EDGES)
def test_a_constant_fill_continues_nothing(kind: str) -> None:
    scene = scene_of(kind)
    mean = scene.photo[~scene.hole].mean(axis=0).round().astype(np.uint8)
    constant = judged(scene, np.broadcast_to(mean, scene.photo.shape))
    assert constant.f1 < 0.03
    assert constant.broken > 0.98


@pytest.mark.parametrize("kind", ["slats", "horizons", "shores"])
def test_lines_that_are_off_by_1_pixel_go_on_and_by_4_pixels_do_not(kind: str) -> None:
    scene = scene_of(kind)
    assert judged(scene, np.roll(scene.photo, 1, axis=0)).f1 > 0.97
    shifted = judged(scene, np.roll(scene.photo, 4, axis=0))
    assert shifted.f1 < 0.3
    assert shifted.invented > 0.7


def test_an_edge_of_a_third_of_the_contrast_is_broken() -> None:
    scene = scene_of("lines")
    mean = scene.clean[~scene.hole].mean(axis=0)
    for share, low, high in ((0.33, 0.0, 0.2), (0.75, 0.95, 1.0)):
        weaker = (mean + share * (scene.clean - mean)).round().astype(np.uint8)
        assert low <= judged(scene, weaker).recall <= high


def test_what_the_truth_does_not_have_is_invented() -> None:
    scene = scene_of("regions")
    bars = np.where((np.arange(SIZE) // 12 % 2 == 0)[:, None, None], 40, 210)
    picture = np.broadcast_to(bars, scene.photo.shape).astype(np.uint8)
    assert judged(scene, picture).invented > 0.9


def test_only_edges_that_cross_the_boundary_of_the_hole_must_go_on() -> None:
    clean = np.full((96, 96, 3), 60, np.uint8)
    clean[:, 48:] = 200
    hole = np.zeros((96, 96), bool)
    hole[20:76, 20:76] = True
    alone = Structure(clean, hole).length
    clean[30:40, 26:36] = 200
    assert Structure(clean, hole).length == alone > 40


def test_without_an_edge_there_is_nothing_to_judge() -> None:
    layers = render(lambda x, _y: ground(x, (0.5, 0.5, 0.5)), 64)
    clean = (layers[:, :, :3] * 255).astype(np.uint8)
    assert Structure(clean, np.ones((64, 64), bool)).judge(clean) is None
