"""What repetition says is in a hole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lama_core.fill.common.errors import FillCancelled
from lama_core.fill.common.progress import Progress
from lama_core.fill.repetition.repetition import Repetition, find_repetition
from lama_core.image.pixels import Floats, Mask
from tests.fill.repetition.floors import floor, grass, hole_in, scales_of


def found_in(picture: Floats, unknown: Mask) -> Repetition | None:
    scales, matches = scales_of(picture, unknown)
    return find_repetition(scales, matches, Progress())


@pytest.mark.parametrize("light", [0.0, 0.25])
def test_the_tiles_of_a_floor_are_agreed_on(light: float) -> None:
    picture, unknown = floor(360, 400, light=light), hole_in(360, 400)
    scales, matches = scales_of(picture, unknown)
    repetition = find_repetition(scales, matches, Progress())
    assert repetition is not None
    coarsest = scales[-1]
    assert float(repetition.sure[coarsest.unknown].mean()) > 0.9
    assert not repetition.sure[~coarsest.unknown].any()
    small = torch.nn.functional.avg_pool2d(torch.from_numpy(picture), 2)
    error = (repetition.agreed - small).abs()[:, coarsest.unknown]
    assert float(error.mean()) < 0.04
    changed = repetition.into(np.full_like(picture, 0.5), coarsest)
    assert float(np.abs(changed - picture)[:, unknown].mean()) < 0.09


def test_pieces_show_the_floor_at_every_scale() -> None:
    picture, unknown = floor(360, 400, light=0.2), hole_in(360, 400)
    scales, matches = scales_of(picture, unknown)
    repetition = find_repetition(scales, matches, Progress())
    assert repetition is not None
    for scale, truth in ((scales[0], picture), (scales[1], None)):
        pieces = repetition.pieces(scale)
        usable = pieces.seen & pieces.costs.isfinite() & scale.unknown
        assert usable.any(dim=0)[scale.unknown].float().mean() > 0.95
        assert (pieces.costs[:, ~scale.unknown] == 0).all()
        if truth is None:
            continue
        for shown, where in zip(pieces.pictures, usable, strict=True):
            if int(where.sum()) > 200:
                assert float((shown - torch.from_numpy(truth)).abs()[:, where].mean()) < 0.06


def test_a_few_of_the_pieces_are_those() -> None:
    repetition = found_in(floor(360, 400), hole_in(360, 400))
    assert repetition is not None
    few = repetition.some([2, 0])
    assert few.steps.steps.tolist() == repetition.steps.steps[[2, 0]].tolist()
    assert torch.equal(few.costs, repetition.costs[[2, 0]])
    assert torch.equal(few.tones, repetition.tones[[2, 0]])


def test_where_nothing_repeats_there_is_none() -> None:
    assert found_in(grass(300, 300), hole_in(300, 300)) is None


def test_what_must_not_be_copied_is_not_shown() -> None:
    """A floor of which only the left may be used."""
    picture, unknown = floor(360, 400), hole_in(360, 400)
    scales, matches = scales_of(picture, unknown)
    repetition = find_repetition(scales, matches, Progress())
    assert repetition is not None
    pieces = repetition.pieces(scales[0])
    right = np.zeros_like(unknown)
    right[:, 240:] = True
    allowed = scales[0].allowed & ~torch.from_numpy(right)
    fewer = repetition.pieces(replace(scales[0], allowed=allowed))
    assert not (fewer.seen & ~pieces.seen).any()
    assert fewer.seen.sum() < pieces.seen.sum()


def test_it_ends_when_it_is_cancelled() -> None:
    scales, matches = scales_of(floor(360, 400), hole_in(360, 400))
    with pytest.raises(FillCancelled):
        find_repetition(scales, matches, Progress(cancelled=lambda: True))
