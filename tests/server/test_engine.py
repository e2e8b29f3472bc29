"""The real engine, in this process: pixel formats, holes of every kind, and a lack of memory."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lama_core.client.errors import LamaFillError
from lama_core.client.options import FillOptions
from lama_core.client.protocol.messages import CHANNELS, Depth, Fill, PixelFormat, Preview, Result
from lama_core.fill import fill_region
from lama_core.inference import load_fast
from lama_core.model.installed.load import load_generator
from lama_core.model.installed.registry import UnknownModelError
from lama_server.errors import JobCancelledError, JobError, WorkerLostError
from lama_server.worker import devices, engine
from lama_server.worker.engine import SMALL_CONTEXT, FillEngine
from lama_server.worker.pixels import DTYPES
from tests.server.pretended import Flat, pretended_gpu

FORMATS: tuple[PixelFormat, ...] = ("gray", "graya", "rgb", "rgba", "bgra")
DEPTHS: tuple[Depth, ...] = ("u8", "u16", "f16", "f32")


PLAIN = FillOptions(quality="fast", seam=False, grain=False)


def _engine(generator: nn.Module | None = None) -> FillEngine:
    network = generator or Flat()
    return FillEngine("cpu", 1, load=lambda model, device: network)


def _fill(
    picture: np.ndarray,
    hole: np.ndarray,
    pixel_format: PixelFormat,
    depth: Depth,
    options: FillOptions = PLAIN,
    model: str = "m",
) -> Fill:
    return Fill(
        job=1,
        width=picture.shape[1],
        height=picture.shape[0],
        format=pixel_format,
        depth=depth,
        pixels=np.ascontiguousarray(picture, DTYPES[depth]).tobytes(),
        hole=hole.astype(np.uint8).tobytes(),
        options=options,
        model=model,
    )


def _picture(channels: int, depth: Depth, height: int = 40, width: int = 60) -> np.ndarray:
    values = np.random.default_rng(3).random((height, width, channels))
    if channels in (2, 4):
        values[..., -1] = 1.0
    scale = {"u8": 255, "u16": 65535}.get(depth, 1)
    return (values * scale).astype(DTYPES[depth])


def _hole(height: int = 40, width: int = 60) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    hole[15:25, 20:40] = 255
    return hole


def _run(
    engine: FillEngine,
    fill: Fill,
    cancelled: Callable[[], bool] = lambda: False,
    previewed: Callable[[Preview], None] = lambda preview: None,
) -> Result:
    return engine.fill(fill, lambda stage, fraction: None, cancelled, previewed)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_preview_is_8_bit_rgba_of_every_format(pixel_format: PixelFormat, depth: Depth) -> None:
    previews: list[Preview] = []
    channels = CHANNELS[pixel_format]
    picture = (
        np.ones((320, 384, channels))
        * np.array([0.2, 0.4, 0.6, 1.0] if channels > 2 else [0.4, 1.0])[:channels]
    )
    picture = picture * {"u8": 255, "u16": 65535}.get(depth, 1)
    colour = {"gray": [102, 102, 102], "graya": [102, 102, 102], "bgra": [153, 102, 51]}.get(
        pixel_format, [51, 102, 153]
    )
    hole = np.zeros((320, 384), np.uint8)
    hole[120:200, 150:250] = 255
    fill = _fill(picture, hole, pixel_format, depth, FillOptions(seam=False, grain=False))
    with_preview = _run(_engine(), replace(fill, preview=True), previewed=previews.append)
    without = _run(_engine(), fill, previewed=previews.append)
    assert bytes(with_preview.pixels) == bytes(without.pixels)
    (preview,) = previews
    assert (preview.job, preview.scale) == (1, 2)
    pixels = np.frombuffer(preview.pixels, np.uint8).reshape(preview.height, preview.width, 4)
    middle = pixels[(160 - preview.y) // 2, (200 - preview.x) // 2]
    assert list(map(int, middle)) == pytest.approx([*colour, 255], abs=2)
    assert pixels[0, 0, 3] == 0


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_every_format_comes_back_in_its_own(pixel_format: PixelFormat, depth: Depth) -> None:
    channels = CHANNELS[pixel_format]
    outcome = _run(_engine(), _fill(_picture(channels, depth), _hole(), pixel_format, depth))
    pixels = np.frombuffer(outcome.pixels, DTYPES[depth]).reshape(outcome.height, outcome.width, channels)
    blend = np.frombuffer(outcome.blend, np.uint8).reshape(outcome.height, outcome.width)
    assert blend[20 - outcome.y, 30 - outcome.x] == 255
    assert (outcome.x, outcome.y) <= (20, 15)
    middle = pixels[20 - outcome.y, 30 - outcome.x].astype(float) / {"u8": 255, "u16": 65535}.get(depth, 1)
    wanted = {"rgb": [1, 0.5, 0], "rgba": [1, 0.5, 0, 1], "bgra": [0, 0.5, 1, 1]}.get(pixel_format)
    if wanted is not None:
        assert middle == pytest.approx(wanted, abs=0.01)
    else:
        assert middle[1:] == pytest.approx([1] * (channels - 1))
    assert (outcome.model, outcome.device) == ("m", "cpu")


def test_bgra_is_rgba_with_red_and_blue_swapped() -> None:
    rgba = _picture(4, "u8")
    one = _run(_engine(), _fill(rgba, _hole(), "rgba", "u8"))
    other = _run(_engine(), _fill(rgba[..., [2, 1, 0, 3]], _hole(), "bgra", "u8"))
    swapped = np.frombuffer(other.pixels, np.uint8).reshape(-1, 4)[:, [2, 1, 0, 3]]
    assert swapped.tobytes() == bytes(one.pixels)


def test_empty_hole_gives_an_empty_rectangle() -> None:
    outcome = _run(_engine(), _fill(_picture(3, "u8"), np.zeros((40, 60)), "rgb", "u8"))
    assert (outcome.width, outcome.height, outcome.pixels, outcome.blend) == (0, 0, b"", b"")


@pytest.mark.parametrize("value", [1, 255])
def test_one_pixel_hole(value: int) -> None:
    hole = np.zeros((40, 60), np.uint8)
    hole[7, 11] = value
    outcome = _run(_engine(), _fill(_picture(3, "u8"), hole, "rgb", "u8", FillOptions(grow=0, feather=0)))
    blend = np.frombuffer(outcome.blend, np.uint8).reshape(outcome.height, outcome.width)
    assert blend[7 - outcome.y, 11 - outcome.x] == value, "a faint selection stays faint"
    assert np.count_nonzero(blend) == 1


def test_full_hole_is_a_bad_request() -> None:
    with pytest.raises(JobError) as refused:
        _run(_engine(), _fill(_picture(3, "u8"), np.full((40, 60), 255), "rgb", "u8"))
    assert refused.value.code == "bad_request"


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 500), (3, 3)])
def test_smallest_pictures(size: tuple[int, int]) -> None:
    hole = np.zeros(size, np.uint8)
    hole[0, 0] = 255
    fill = _fill(_picture(3, "u8", *size), hole, "rgb", "u8")
    if size == (1, 1):
        with pytest.raises(JobError) as refused:
            _run(_engine(), fill)
        assert refused.value.code == "bad_request"
    else:
        assert _run(_engine(), fill).width >= 1


@pytest.mark.parametrize("depth", ["f16", "f32"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -5.0, 1000.0])
def test_values_that_are_no_colours(value: float, depth: Depth) -> None:
    """In and around the hole; a float picture may have them, and the fill must not."""
    picture = _picture(4, depth)
    picture[18:30, 30:50, :3] = value
    outcome = _run(_engine(load_generator("compact")), _fill(picture, _hole(), "rgba", depth))
    pixels = np.frombuffer(outcome.pixels, DTYPES[depth]).reshape(outcome.height, outcome.width, 4)
    blend = np.frombuffer(outcome.blend, np.uint8).reshape(outcome.height, outcome.width)
    assert np.isfinite(pixels[blend > 0]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_but_values_that_are_no_colours(value: float) -> None:
    with pytest.raises(JobError) as refused:
        _run(_engine(), _fill(np.full((40, 60, 3), value, np.float32), _hole(), "rgb", "f32"))
    assert refused.value.code == "bad_request"


def test_same_as_a_fill_without_a_server(data_folder: Path) -> None:
    assert data_folder
    picture = _picture(3, "u8", 90, 120)
    hole = _hole(90, 120)
    engine = FillEngine("cpu", 0, precision="fp32")
    outcome = _run(engine, _fill(picture, hole, "rgb", "u8", FillOptions(feather=5), "tiny"))
    region = fill_region(
        picture,
        hole.astype(np.float32) / 255,
        load_fast("tiny", precision="fp32"),
        FillOptions(feather=5),
    )
    assert (outcome.x, outcome.y, outcome.width) == (region.rect.x, region.rect.y, region.rect.width)
    assert bytes(outcome.pixels) == region.pixels.tobytes()
    assert bytes(outcome.blend) == np.rint(region.blend * 255).astype(np.uint8).tobytes()


# Models


def test_one_generator_is_kept_and_changed_when_another_is_asked_for() -> None:
    loaded: list[str] = []

    def load(model: str, device: torch.device) -> nn.Module:
        loaded.append(model)
        return Flat()

    engine = FillEngine("cpu", 1, load=load)
    engine.load("a")
    for model in ("a", "a", "b", "b", "a"):
        assert (
            _run(engine, _fill(_picture(3, "u8"), _hole(), "rgb", "u8", FillOptions(), model)).model == model
        )
    assert loaded == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownModelError("no model x"), "unknown_model"),
        (LamaFillError("the file is damaged"), "model_failed"),
        (OSError("input/output error"), "model_failed"),
        (RuntimeError("size mismatch for stem"), "model_failed"),
        (MemoryError(), "out_of_memory"),
    ],
)
def test_model_that_cannot_be_loaded(error: Exception, code: str) -> None:
    def load(model: str, device: torch.device) -> nn.Module:
        raise error

    with pytest.raises(JobError) as refused:
        _run(FillEngine("cpu", 1, load=load), _fill(_picture(3, "u8"), _hole(), "rgb", "u8"))
    assert refused.value.code == code


def test_model_that_predicts_nonsense() -> None:
    class Nonsense(nn.Module):
        def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
            return torch.full_like(image, torch.nan)

    with pytest.raises(JobError) as refused:
        _run(_engine(Nonsense()), _fill(_picture(3, "u8"), _hole(), "rgb", "u8"))
    assert refused.value.code == "model_failed"


# Cancelling


def test_cancel_is_heeded_in_the_middle_of_the_network(data_folder: Path) -> None:
    assert data_folder
    engine = FillEngine("cpu", 1)
    fill = _fill(
        _picture(3, "u8", 300, 300), _hole(300, 300), "rgb", "u8", FillOptions(context="whole"), "tiny"
    )
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return False

    _run(engine, fill, cancelled)
    assert asked > 5, "between the parts of the network, not only between windows"
    total, asked = asked, 0
    with pytest.raises(JobCancelledError):
        _run(engine, fill, lambda: cancelled() or asked > 3)
    assert asked < total
    _run(engine, fill)


def test_long_network_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.LayerHook, "_SIGN_SECONDS", 0.01)
    parts = nn.Sequential(*(nn.Sequential(Pause()) for _ in range(5)))
    told: list[tuple[str, float]] = []
    _engine(Slow(parts)).fill(
        _fill(_picture(3, "u8"), _hole(), "rgb", "u8"),
        lambda *where: told.append(where),
        lambda: False,
        lambda _: None,
    )
    assert sum(stage == "filling" for stage, _ in told) >= 4


class Pause(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        return image


class Slow(nn.Module):
    def __init__(self, parts: nn.Module) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.parts(image)
        return result


# Memory


def _full(limit: int, error: Exception) -> Flat:
    """A network for which windows of more than `limit` pixels do not fit into the memory."""

    def before(height: int, width: int) -> None:
        if height * width > limit:
            raise error

    return Flat(before)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"),
    RuntimeError("XPU out of memory"),
    MemoryError("Unable to allocate 3 GiB for an array"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("could not create a primitive"),
    RuntimeError("std::bad_alloc"),
    ImportError("mtrand.cpython-311.so: failed to map segment from shared object"),
]


@pytest.fixture
def with_gpu() -> Iterator[list[str]]:
    """Lets the engine believe in a GPU. Gives the devices that models are loaded on."""
    with pretended_gpu():
        yield []


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:20])
def test_less_memory_means_a_smaller_window(error: Exception) -> None:
    network = _full(200 * 200, error)
    options = FillOptions(context="whole")
    fill = _fill(_picture(3, "u8", 400, 400), _hole(400, 400), "rgb", "u8", options)
    outcome = _run(_engine(network), fill)
    assert network.windows[0] == (400, 400)
    height, width = network.windows[1]
    assert height <= 10 + 2 * (SMALL_CONTEXT + 30)
    assert width <= 20 + 2 * (SMALL_CONTEXT + 30)
    assert outcome.device == "cpu"


def test_even_less_memory_means_the_cpu(with_gpu: list[str]) -> None:
    networks = {"cuda": _full(0, OUT_OF_MEMORY[0]), "cpu": Flat()}

    def load(model: str, device: torch.device) -> nn.Module:
        with_gpu.append(device.type)
        return networks[device.type]

    filler = FillEngine("auto", 1, load=load)
    fill = _fill(_picture(3, "u8", 400, 400), _hole(400, 400), "rgb", "u8", FillOptions(context="whole"))
    outcome = _run(filler, fill)
    assert outcome.device == "cpu"
    assert len(networks["cuda"].windows) == 2
    assert networks["cpu"].windows == [(400, 400)], "with all of the context again"
    assert with_gpu == ["cuda", "cpu"]
    networks["cuda"] = Flat()
    assert _run(filler, fill).device == "cpu", "the same network is still full"


def test_no_memory_anywhere(with_gpu: list[str]) -> None:
    filler = FillEngine("auto", 1, load=lambda model, device: _full(0, OUT_OF_MEMORY[0]))
    with pytest.raises(JobError) as refused:
        _run(filler, _fill(_picture(3, "u8"), _hole(), "rgb", "u8"))
    assert refused.value.code == "out_of_memory"
    assert "smaller selection" in str(refused.value)


def test_model_that_does_not_fit_on_the_device_runs_on_the_cpu(with_gpu: list[str]) -> None:
    def load(model: str, device: torch.device) -> nn.Module:
        if device.type == "cuda":
            raise OUT_OF_MEMORY[0]
        return Flat()

    filler = FillEngine("auto", 1, load=load)
    filler.load("m")
    assert _run(filler, _fill(_picture(3, "u8"), _hole(), "rgb", "u8")).device == "cpu"


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: unspecified launch failure",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "HIP error: invalid device function",
    ],
)
def test_device_that_is_gone_ends_the_worker(with_gpu: list[str], message: str) -> None:
    filler = FillEngine("auto", 1, load=lambda model, device: _full(0, RuntimeError(message)))
    with pytest.raises(WorkerLostError):
        _run(filler, _fill(_picture(3, "u8"), _hole(), "rgb", "u8"))


def test_a_bug_is_not_taken_for_anything_else() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        _run(_engine(_full(0, RuntimeError("a bug"))), _fill(_picture(3, "u8"), _hole(), "rgb", "u8"))


# Devices


def test_cpu_is_always_there() -> None:
    assert devices.choose_device("cpu").type == "cpu"
    described = devices.describe_device(torch.device("cpu"))
    assert described.id == "cpu"
    assert described.name
    assert devices.choose_device("auto").type in ("cpu", "cuda", "xpu", "mps")


@pytest.mark.parametrize("name", ["cuda:99", "xpu:99"])
def test_device_that_is_not_there(name: str) -> None:
    with pytest.raises(devices.DeviceError, match="set device to auto or cpu"):
        devices.choose_device(name)


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    FillEngine("cpu", 0)
    FillEngine("cpu", 3)
    assert asked == [3]
