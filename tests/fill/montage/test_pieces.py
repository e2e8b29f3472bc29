"""Montages that may use what repeats on a plane."""

from __future__ import annotations

import numpy as np
import torch

from lama_core.fill.common.progress import Progress
from lama_core.fill.common.scale import Scale, pyramid
from lama_core.fill.montage.montage import LABEL_SIDE, Effort, Montage, montage_fill
from lama_core.fill.repetition.repetition import Repetition, find_repetition
from lama_core.image.pixels import Floats, Mask
from tests.fill.montage.test_montage import ENOUGH, error, smooth
from tests.fill.repetition.floors import floor, grass, hole_in, scales_of


def filled(picture: Floats, unknown: Mask, repetition: Repetition | None, *, memory: int = ENOUGH) -> Montage:
    colour = np.where(unknown, np.float32(0), picture)
    fill = smooth(colour, unknown)
    if repetition is not None:
        fill = repetition.into(fill, pyramid(Scale.of(colour, unknown, [fill], None), LABEL_SIDE)[-1])
    montage = montage_fill(
        colour,
        unknown,
        [fill],
        repetition=repetition,
        effort=Effort(offsets=20, rounds=1),
        rng=torch.Generator().manual_seed(0),
        memory=memory,
        progress=Progress(),
    )
    assert montage is not None
    return montage


def repetition_of(picture: Floats, unknown: Mask) -> Repetition | None:
    scales, matches = scales_of(picture, unknown)
    return find_repetition(scales, matches, Progress())


def test_a_floor_in_perspective_goes_on() -> None:
    picture, unknown = floor(360, 400, light=0.2), hole_in(360, 400)
    repetition = repetition_of(picture, unknown)
    assert repetition is not None
    montage = filled(picture, unknown, repetition)
    assert error(montage, picture, unknown) < 0.03
    assert error(filled(picture, unknown, None), picture, unknown) > 0.06
    assert (montage.picture == picture)[:, ~unknown].all()
    # Only those that are shown are kept: the picture's own plane, the painter's, and theirs.
    planes = montage.labels[:, 0].max() + 1
    assert 2 < planes < 2 + len(repetition.steps.steps)


def test_with_little_memory_seams_are_coarse() -> None:
    picture, unknown = floor(360, 400), hole_in(360, 400)
    repetition = repetition_of(picture, unknown)
    assert error(filled(picture, unknown, repetition, memory=1), picture, unknown) < 0.06


def test_pieces_that_fit_nowhere_change_nothing() -> None:
    """A floor's steps in a picture of grass."""
    unknown = hole_in(360, 400)
    repetition = repetition_of(floor(360, 400), unknown)
    assert repetition is not None
    useless = Repetition(
        steps=repetition.steps,
        tones=repetition.tones,
        costs=torch.full_like(repetition.costs, torch.inf),
        agreed=repetition.agreed,
        sure=torch.zeros_like(repetition.sure),
    )
    picture = grass(360, 400)
    with_them, without = filled(picture, unknown, useless), filled(picture, unknown, None)
    assert np.array_equal(with_them.picture, without.picture)
