"""Filling a picture for the command line: with a model in this process, or by the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lama_core.client.geometry import Rect, Window
from lama_core.client.options import FillOptions
from lama_core.client.protocol.messages import Depth, Fill, PixelFormat, Preview, Result
from lama_core.fill import FilledRegion, FillError, FillPlan
from lama_core.fill import Progress as FillProgress
from lama_core.fill.filled_region import composite_all
from lama_core.image.mask_ops import HoleMask

if TYPE_CHECKING:
    from pathlib import Path

    from lama_core.client.connection import Client
    from lama_core.inference import FastGenerator

#: Told the stage and the fraction of all work, 0 to 1.
Progress = Callable[[str, float], None]

_FORMATS: Final[dict[int, PixelFormat]] = {1: "gray", 2: "graya", 3: "rgb", 4: "rgba"}
_DEPTHS: Final[dict[str, Depth]] = {"uint8": "u8", "uint16": "u16", "float16": "f16", "float32": "f32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """How a fill went. `seconds` are those of the fill alone, without loading the model or waiting for it."""

    model: str
    device: str
    seconds: float


class InProcessFiller:
    """Fills holes with a model that this process loads, at the first fill."""

    def __init__(self, *, model: str, weights: Path, device: str, precision: str = "auto") -> None:
        """Prepare, without loading anything.

        Args:
            model: what to call it in the reports.
            weights: its file or folder.
            device: "auto", "cpu", "cuda", "mps" or "xpu".
            precision: "auto", "fp32", "bf16" or "fp16"; see `lama_core.inference.compile_generator`.

        Raises:
            LamaFillError: there is no such device.
        """
        from lama_server.worker.devices import choose_device, describe_device

        self._model, self._weights = model, weights
        self._device = choose_device(device)
        self._name = describe_device(self._device).id
        self._precision = precision
        self._generator: FastGenerator | None = None

    def __call__(self, plan: FillPlan, progress: Progress) -> FillReport:
        """Fill the hole of a picture, in place.

        Args:
            plan: what to fill, and how.
            progress: told how far it is.

        Raises:
            LamaFillError: of whatever stands in the way; part of the picture may be filled then.
        """
        from lama_core.fill import fill_planned
        from lama_core.inference import load_fast, precision_of
        from lama_server.worker.devices import is_out_of_memory

        try:
            if self._generator is None:
                progress("loading", 0.0)
                self._generator = load_fast(
                    self._weights, device=self._device, precision=precision_of(self._precision)
                )
            begin = time.perf_counter()
            reports = FillProgress(on_report=_lean(progress))
            regions = fill_planned(plan, self._generator, progress=reports)
            composite_all(plan.picture, plan.windows, regions)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise FillError(
                f"{self._name} has not enough memory for this fill: use a smaller --context"
                + ("" if self._device.type == "cpu" else ", or --device cpu")
            ) from error
        return FillReport(model=self._model, device=self._name, seconds=time.perf_counter() - begin)


def _lean(progress: Progress) -> Progress:
    """The same; what the window before took, or the part of one, is given back to the system before the next.

    Windows of many sizes leave gaps in what the C library keeps: after 12 tiles of a scan half a gigabyte.
    """
    from lama_core.inference.memory import give_back_freed_memory

    def told(stage: str, fraction: float) -> None:
        if stage == "preparing":  # with which each of them begins
            give_back_freed_memory()
        progress(stage, fraction)

    return told


def fill_through_server(plan: FillPlan, progress: Progress, *, server: Client, model: str) -> FillReport:
    """Fill the hole of a picture, in place, by a server: one request for each window, several on their way.

    Args:
        plan: what to fill, and how; not a picture of float64.
        progress: told how far it is.
        server: connected.
        model: the name of an installed model; "" for the server's default.

    Raises:
        FillError, ClientError: part of the picture may be filled then.
    """
    answers = _answers(plan, progress, server, model, lambda: False)
    made: list[FillReport] = []

    def regions() -> Iterator[FilledRegion]:
        for region, report in answers:
            made.append(report)
            yield region

    composite_all(plan.picture, plan.windows, regions())
    progress("blending", 1.0)
    return _together(made)


def regions_through_server(
    plan: FillPlan,
    progress: Progress,
    *,
    server: Client,
    model: str,
    previewed: Callable[[Preview], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[list[FilledRegion], FillReport]:
    """What `fill_through_server` puts into the picture, which stays as it is.

    Args:
        plan, progress, server, model: as there.
        previewed: asks for previews, and takes one for each window at most, its place in the picture.
        cancelled: asked all the time; once it is true the fill ends with `FillCancelledError`.

    Raises:
        FillError, ClientError: there is no fill.
    """
    answers = list(_answers(plan, progress, server, model, cancelled, previewed))
    return [region for region, _ in answers], _together([report for _, report in answers])


def _answers(
    plan: FillPlan,
    progress: Progress,
    server: Client,
    model: str,
    cancelled: Callable[[], bool],
    previewed: Callable[[Preview], None] | None = None,
) -> Iterator[tuple[FilledRegion, FillReport]]:
    """Each window's part, and how filling it went."""
    costs = np.cumsum([0] + [window.rect.area for window in plan.windows])

    def told(number: int, stage: str, fraction: float, position: int) -> None:
        begin, end = (float(cost / costs[-1]) for cost in costs[number : number + 2])
        progress(stage, begin + fraction * (end - begin))

    look = None if previewed is None else partial(_told_in_picture, previewed, plan.windows)
    requests = (_request(plan, window, model) for window in plan.windows)
    results = _sent(server, requests, told, look, cancelled)
    for window, result in zip(plan.windows, results, strict=True):
        report = FillReport(model=result.model, device=result.device, seconds=result.seconds)
        yield _region(plan.picture, window, result), report


def _told_in_picture(
    previewed: Callable[[Preview], None], windows: Sequence[Window], number: int, preview: Preview
) -> None:
    rect = windows[number].rect
    previewed(replace(preview, x=preview.x + rect.x, y=preview.y + rect.y))


def _together(reports: Sequence[FillReport]) -> FillReport:
    return replace(reports[-1], seconds=sum(report.seconds for report in reports))


def _request(plan: FillPlan, window: Window, model: str) -> Fill:
    rect = window.rect
    pixels = plan.picture[rect.y : rect.bottom, rect.x : rect.right]
    # Upwards, so that whatever is selected at all stays so.
    hole = np.ceil(plan.mask.window(rect) * 255).astype(np.uint8)
    return Fill(
        width=rect.width,
        height=rect.height,
        format=_FORMATS[pixels.shape[2]],
        depth=_DEPTHS[pixels.dtype.name],
        pixels=_little_endian(pixels).tobytes(),
        hole=hole.tobytes(),
        source=b"" if plan.source is None else _source(plan.source, rect),
        options=_window_options(plan, window),
        model=model,
    )


def _source(mask: HoleMask, rect: Rect) -> bytes:
    return (mask.window(rect) >= 0.5).astype(np.uint8).tobytes()


def _sent(
    server: Client,
    requests: Iterable[Fill],
    told: Callable[[int, str, float, int], None],
    previewed: Callable[[int, Preview], None] | None,
    cancelled: Callable[[], bool],
) -> Iterator[Result]:
    from lama_core.client.connection import FillFailedError

    try:
        yield from server.fill_each(requests, on_progress=told, on_preview=previewed, cancelled=cancelled)
    except FillFailedError as error:
        if error.code != "too_large":
            raise
        raise FillError(
            f"the window around the hole is more than the server takes ({error}): "
            "use a smaller --context, or --no-server"
        ) from error


def _window_options(plan: FillPlan, window: Window) -> FillOptions:
    """What is sent is the window, so the server takes the whole of it.

    Beside other windows grow and feather are said, because other windows' holes may reach into this one.
    """
    if len(plan.windows) == 1:
        return replace(plan.options, context="whole")
    return replace(plan.options, context="whole", grow=window.grow, feather=window.feather)


def _region(picture: NDArray[Any], window: Window, result: Result) -> FilledRegion:
    """The part of a result that this window is to write."""
    channels = picture.shape[2]
    shape = (result.height, result.width)
    pixels = _little_endian(np.frombuffer(result.pixels, picture.dtype)).reshape(*shape, channels)
    blend = np.frombuffer(result.blend, np.uint8).reshape(shape).astype(np.float32) / np.float32(255)
    got = Rect(result.x, result.y, result.width, result.height).shifted(window.rect.x, window.rect.y)
    rect = got.intersect(window.written)
    rows = slice(rect.y - got.y, rect.bottom - got.y)
    columns = slice(rect.x - got.x, rect.right - got.x)
    return FilledRegion(rect=rect, pixels=pixels[rows, columns], blend=blend[rows, columns])


def _little_endian(values: NDArray[Any]) -> NDArray[Any]:
    return values.byteswap() if sys.byteorder == "big" else values
