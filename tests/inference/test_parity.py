"""The compiled generator predicts what the plain one does."""

from __future__ import annotations

import itertools
import platform

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lama_core import kernels
from lama_core.inference import FastError, compile_generator, convolution, row_strips
from lama_core.inference.convolution import OneDnn, Portable
from lama_core.inference.fold import fold
from lama_core.inference.network import Network
from lama_core.model import Generator, GeneratorConfig

CONFIGS = {
    "narrow": GeneratorConfig(width=8, blocks=2),
    "odd channels": GeneratorConfig(width=10, blocks=1, global_ratio=0.6),
    "local Fourier unit": GeneratorConfig(width=8, blocks=2, local_fourier_unit=True),
    "tanh, capped": GeneratorConfig(width=16, blocks=1, max_channels=64, output="tanh"),
    "residual": GeneratorConfig(width=24, blocks=2, output="residual"),
    "one level": GeneratorConfig(width=8, blocks=1, downsamplings=1),
    "two levels": GeneratorConfig(width=16, blocks=2, downsamplings=2),
    "four levels": GeneratorConfig(width=8, blocks=1, downsamplings=4),
}

each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


@pytest.fixture(params=["kernels", "direct"])
def _with_and_without_kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "direct":
        monkeypatch.setattr(convolution, "kernel_precision", lambda dtype: None)
    elif not kernels.available("fp32"):
        pytest.skip("lama-fill-kernels is not installed, or not for this CPU")


@each_config
@pytest.mark.usefixtures("_with_and_without_kernels")
def test_same_as_the_plain_one(config: GeneratorConfig, make_generator, picture) -> None:
    plain = make_generator(config)
    fast = compile_generator(plain, precision="fp32")
    assert (fast.precision, fast.plain, fast.config) == ("fp32", plain, config)
    for size in ((64, 64), (61, 35)):
        image, hole = picture(*size, batch=2)
        with torch.no_grad():
            expected = plain(image, hole)
        assert expected.std() > 0.01, "a prediction with something in it"
        # Without a sigmoid values are as large as the head makes them.
        assert (fast(image, hole) - expected).abs().max() < 2e-5 * expected.abs().max().clamp(min=1)


@given(height=st.integers(1, 90), width=st.integers(1, 90), batch=st.integers(1, 2))
@example(height=1, width=1, batch=2)
@example(height=1, width=90, batch=1)
@example(height=17, width=16, batch=1)
@settings(max_examples=12)
def test_any_size(make_generator, picture, height: int, width: int, batch: int) -> None:
    plain = make_generator(CONFIGS["narrow"])
    image, hole = picture(height, width, batch)
    with torch.no_grad():
        expected = plain(image, hole)
    prediction = compile_generator(plain, precision="fp32")(image, hole)
    assert prediction.shape == image.shape
    assert prediction.dtype == torch.float32
    assert torch.allclose(prediction, expected, atol=2e-5)


@given(height=st.integers(1, 12), width=st.integers(2, 9), rows=st.integers(1, 5))
@settings(max_examples=12)
def test_strips_of_any_height_change_nothing(
    make_generator, picture, height: int, width: int, rows: int
) -> None:
    """In cells of the bottleneck."""
    plain = make_generator(CONFIGS["narrow"])
    image, hole = picture(height * 8, width * 8, 2)
    with torch.no_grad():
        expected = plain(image, hole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_strips, "STRIP_BYTES", 1)
        patch.setattr(row_strips, "_MIN_ROWS", rows)
        prediction = compile_generator(plain, precision="fp32")(image, hole)
    assert torch.allclose(prediction, expected, atol=2e-5)


@given(rows=st.integers(1, 3000), width=st.integers(1, 9000), channels=st.integers(4, 64), element=st.just(4))
def test_strips_cover_all_rows_once(rows: int, width: int, channels: int, element: int) -> None:
    cut = list(row_strips.row_strips(rows, width, channels, element))
    assert cut[0][0] == 0
    assert cut[-1][1] == rows
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(cut))
    assert all(end > begin for begin, end in cut)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available(),
    reason="this torch has no oneDNN for x86",
)
def test_onednn_is_used_where_torch_has_it() -> None:
    """Otherwise every fill would be right, and slow."""
    assert OneDnn.is_available()


@pytest.mark.parametrize("change", ["gone", "other arguments", "wrong result"])
def test_a_torch_whose_onednn_has_changed_computes_without_it(
    make_generator, picture, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    class Mkldnn:
        def __getattr__(self, name: str) -> object:
            if change == "gone":
                raise AttributeError(name)
            if change == "other arguments":
                return lambda: None
            real = getattr(torch.ops.mkldnn, name)
            return real if name != "_linear_pointwise" else lambda *given: real(*given) + 1

    class Operators:
        mkldnn = Mkldnn()

    class Torch:
        ops = Operators()

        def __getattr__(self, name: str) -> object:
            return getattr(torch, name)

    plain = make_generator(CONFIGS["narrow"])
    image, hole = picture(64, 64)
    OneDnn.is_available.cache_clear()
    try:
        monkeypatch.setattr(convolution, "torch", Torch())
        assert not OneDnn.is_available()
        with torch.no_grad():
            expected = plain(image, hole)
        assert torch.allclose(compile_generator(plain, precision="fp32")(image, hole), expected, atol=2e-5)
    finally:
        OneDnn.is_available.cache_clear()


@each_config
def test_other_devices_compute_the_same(config: GeneratorConfig, make_generator, picture) -> None:
    """What is used on a GPU, run on the CPU."""
    plain = make_generator(config)
    network = Network(fold(plain), config, Portable(torch.device("cpu"), torch.float32))
    x = torch.cat(picture(*plain.padded_size(64, 48)), dim=1)
    with torch.no_grad():
        assert torch.allclose(network(x, lambda: None), plain.network(x), atol=1e-4)


@each_config
@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU has no bfloat16")
@pytest.mark.usefixtures("_with_and_without_kernels")
def test_bf16_is_near(config: GeneratorConfig, make_generator, picture) -> None:
    plain = make_generator(config)
    fast = compile_generator(plain, precision="bf16")
    image, hole = picture(64, 80)
    with torch.no_grad():
        expected = plain(image, hole)
    error = (fast(image, hole) - expected).abs().mean()
    assert 0 < error < 0.05 * expected.std()


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU has no bfloat16")
def test_bf16_does_not_round_the_picture(make_generator) -> None:
    fast = compile_generator(make_generator(CONFIGS["narrow"]), precision="bf16")
    hole = torch.zeros(1, 1, 64, 64)
    hole[:, :, 20:40, 20:40] = 1
    # Neighbours in bfloat16 are 1/256 apart here.
    grays = [torch.full((1, 3, 64, 64), 0.5 + part / 1024) for part in (0, 1)]
    assert len({gray.to(torch.bfloat16).max().item() for gray in grays}) == 1
    one, other = (fast(gray, hole) for gray in grays)
    assert not torch.equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_half_precision_on_a_gpu(make_generator, picture) -> None:
    plain = make_generator(CONFIGS["narrow"])
    fast = compile_generator(plain, device="cuda", precision="fp16")
    image, hole = picture(128, 96)
    with torch.no_grad():
        expected = plain(image, hole)
    got = fast(image.cuda(), hole.cuda()).cpu()
    assert (got - expected).abs().mean() < 0.02 * expected.std()


def test_it_looks_up_between_layers(make_generator, picture) -> None:
    fast = compile_generator(make_generator(CONFIGS["narrow"]), precision="fp32")
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    fast.on_layer = count
    with pytest.raises(InterruptedError):
        fast(*picture(64, 64))
    assert calls == 3
    fast.on_layer = None
    assert fast(*picture(64, 64)).shape == (1, 3, 64, 64)


def test_precision_that_the_cpu_has_not(make_generator) -> None:
    if torch.ops.mkldnn._is_mkldnn_fp16_supported():
        pytest.skip("this CPU computes in fp16")
    with pytest.raises(FastError, match="use the precision auto"):
        compile_generator(make_generator(CONFIGS["narrow"]), precision="fp16")


def test_shapes_are_checked_as_by_the_plain_one(make_generator: object) -> None:
    fast = compile_generator(Generator(GeneratorConfig(width=4, blocks=1)).eval(), precision="fp32")
    with pytest.raises(ValueError, match="hole must be"):
        fast(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 9))
