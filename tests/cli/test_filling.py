"""Filling by a server for the command line, with a server that is a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from lama_cli.filling import fill_through_server
from lama_core.client.connection import FillFailedError
from lama_core.client.options import FillOptions
from lama_core.client.protocol.codec import encode
from lama_core.client.protocol.errors import ERROR_CODES, ProtocolError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import Fill, Result
from lama_core.fill import FillError, plan_fill


class Server:
    """Takes what fits its limits, and answers with the window's bytes in reverse."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.asked: list[Fill] = []

    def fill_each(
        self,
        fills: Iterable[Fill],
        *,
        on_progress: Callable[[int, str, float, int], None],
        on_preview: None,
        cancelled: Callable[[], bool],
    ) -> Iterator[Result]:
        for number, fill in enumerate(fills):
            assert not cancelled()
            on_progress(number, "filling", 0.5, 0)
            yield self.fill(fill)

    def fill(self, fill: Fill) -> Result:
        assert not fill.preview, "nobody asked for one"
        try:
            encode(dataclasses.replace(fill, job=1), self.limits)
        except ProtocolError as error:
            raise FillFailedError(error.code, error.message, retryable=ERROR_CODES[error.code]) from None
        self.asked.append(fill)
        return Result(
            job=1,
            x=0,
            y=0,
            width=fill.width,
            height=fill.height,
            format=fill.format,
            depth=fill.depth,
            pixels=bytes(255 - value for value in bytes(fill.pixels)),
            blend=bytes(fill.hole),
            model="m",
            device="d",
            seconds=0.5,
        )


def picture_with_hole(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    picture = np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)
    hole = np.zeros((height, width), np.uint8)
    hole[10:20, 20:40] = 255
    return picture, hole


def fill(picture: np.ndarray, hole: np.ndarray, server: Server, **options: Any) -> None:
    plan = plan_fill(picture, hole, FillOptions(**options))
    fill_through_server(plan, lambda stage, fraction: None, server=server, model="mine")  # type: ignore[arg-type]


def test_the_plan_is_sent_and_the_picture_is_filled_in_place() -> None:
    picture, hole = picture_with_hole()
    before, server = picture.copy(), Server(Limits())
    fill(picture, hole, server, grow=0, feather=0, seed=3)
    (asked,) = server.asked
    assert (asked.model, asked.options.seed, asked.options.context) == ("mine", 3, "whole")
    np.testing.assert_array_equal(picture[hole > 0], 255 - before[hole > 0])
    np.testing.assert_array_equal(picture[hole == 0], before[hole == 0])


@pytest.mark.parametrize(
    "limits", [Limits(max_frame_bytes=9000), Limits(max_side=50), Limits(max_pixels=2000)], ids=str
)
def test_a_window_that_the_server_does_not_take_is_refused_with_what_to_do(limits: Limits) -> None:
    picture, hole = picture_with_hole()
    before, server = picture.copy(), Server(limits)
    with pytest.raises(FillError, match="use a smaller --context, or --no-server"):
        fill(picture, hole, server)
    assert server.asked == []
    np.testing.assert_array_equal(picture, before)
