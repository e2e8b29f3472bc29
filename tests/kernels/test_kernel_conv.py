"""The kernels' convolutions against F.conv2d in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.inference.kernel_conv import KernelConv

pytest.importorskip("lama_fill_kernels", reason="the kernels are not built: pip install ./kernels")

# The largest error in parts of the largest sum of absolute products: some three times what these tests
# measure, which is 3.5e-7, 1.0e-7, 5.0e-3 and 1.2e-3.
BOUNDS = {("fp32", 4): 1e-6, ("fp32", 2): 3e-7, ("bf16", 4): 1.5e-2, ("bf16", 2): 4e-3}
DIRECT_BOUND = 2e-3
BF16 = 2**-8

needs_matrix_unit = pytest.mark.skipif(
    not kernels.has_matrix_unit("bf16"), reason="this CPU has no matrix unit for bf16"
)


def channels_last(*shape: int) -> Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def reference(weights, biases, maps, adds, residuals, *, relu: bool) -> list[tuple[Tensor, float]]:
    """Each output in float64, and the largest sum of absolute products in it."""
    outs = []
    for row, bias, add, residual in zip(weights, biases, adds, residuals, strict=True):
        y, size = 0, 0
        for x, w in zip(maps, row, strict=True):
            if w is not None:
                padded = F.pad(x.double(), (1, 1, 1, 1), mode="reflect")
                y = y + F.conv2d(padded, w.double())
                size = size + F.conv2d(padded.abs(), w.double().abs())
        if bias is not None:
            y = y + bias.double()[:, None, None]
        if add is not None:
            y = y + add.double()
        if relu:
            y = y.relu()
        if residual is not None:
            y = y + residual.double()
        outs.append((y, float(size.max())))
    return outs


def worst(conv: KernelConv, weights, biases, maps, adds, residuals) -> float:
    """The largest error in parts of the largest sum of absolute products, but for bf16 outputs' rounding."""
    outs = conv(maps, adds=adds, residuals=residuals)
    expected = reference(weights, biases, maps, adds, residuals, relu=conv.relu)
    found = 0.0
    for out, (y, size) in zip(outs, expected, strict=True):
        error = (out.double() - y).abs()
        if out.dtype == torch.bfloat16:
            error = (error - y.abs() * BF16).clamp(min=0)
        found = max(found, float(error.max()) / size)
    return found


def worst_of_a_block(dtype, batch, height, width, local, other, precision, tile) -> float:
    """`worst` of the convolutions of an FFC, with all that may be added."""
    torch.manual_seed(height)
    weights = [
        [torch.randn(local, local, 3, 3), torch.randn(local, other, 3, 3)],
        [torch.randn(other, local, 3, 3), None],
    ]
    biases = [torch.randn(local), None]
    maps = [channels_last(batch, c, height, width).to(dtype) for c in (local, other)]
    adds = [None, channels_last(batch, other, height, width).to(dtype)]
    residuals = [channels_last(batch, local, height, width).to(dtype), None]
    conv = KernelConv(weights, biases, relu=True, precision=precision, tile=tile)
    return worst(conv, weights, biases, maps, adds, residuals)


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "height", "width", "local", "other"),
    [(1, 8, 8, 16, 16), (2, 7, 5, 24, 40), (1, 2, 3, 5, 7), (1, 21, 18, 48, 144), (1, 10, 9, 128, 384)],
)
def test_the_convolutions_of_a_block(isa, tile, dtype, batch, height, width, local, other):
    for precision in ("fp32", "bf16"):
        if kernels.best_isa(precision) is not None:
            error = worst_of_a_block(dtype, batch, height, width, local, other, precision, tile)
            assert error < BOUNDS[precision, tile]


@needs_matrix_unit
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "height", "width", "local", "other"),
    [(1, 8, 8, 16, 16), (2, 7, 5, 24, 40), (1, 2, 2, 5, 7), (1, 21, 118, 48, 144), (1, 10, 9, 128, 384)],
)
def test_the_convolutions_of_a_block_by_a_matrix_unit(dtype, batch, height, width, local, other):
    assert worst_of_a_block(dtype, batch, height, width, local, other, "bf16", 1) < DIRECT_BOUND


@needs_matrix_unit
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(1, 2),
    height=st.integers(2, 70),
    width=st.integers(2, 210),
    inputs=st.lists(st.integers(1, 100), min_size=1, max_size=3),
    outputs=st.lists(st.integers(1, 100), min_size=1, max_size=2),
    relu=st.booleans(),
    count=st.integers(1, 3),
)
def test_any_shape_by_a_matrix_unit(threads, batch, height, width, inputs, outputs, relu, count):
    """Whole numbers that bf16 and fp32 hold: every sum is exact, in whatever order."""
    threads(count)
    torch.manual_seed(0)
    weights = [[torch.randint(-2, 3, (o, i, 3, 3)).float() for i in inputs] for o in outputs]
    maps = [channels_last(batch, i, height, width).mul_(2).round_().bfloat16() for i in inputs]
    conv = KernelConv(weights, [None] * len(outputs), relu=relu, precision="bf16", tile=1)
    wanted = [
        torch.empty(batch, o, height, width).contiguous(memory_format=torch.channels_last) for o in outputs
    ]
    padded = [F.pad(x.float(), (1, 1, 1, 1), mode="reflect") for x in maps]
    for out, row in zip(conv(maps, outs=wanted), weights, strict=True):
        sums = sum(F.conv2d(x, w) for x, w in zip(padded, row, strict=True))
        assert torch.equal(out, sums.relu() if relu else sums)


def test_without_a_matrix_unit(monkeypatch):
    monkeypatch.setenv("LAMA_FILL_ISA", "avx512_bf16")
    assert not kernels.has_matrix_unit("bf16")
    with pytest.raises(RuntimeError, match="no compiled kernels for bf16"):
        KernelConv([[torch.randn(4, 8, 3, 3)]], [None], relu=True, precision="bf16", tile=1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    tile=st.sampled_from([2, 4]),
    batch=st.integers(1, 2),
    height=st.integers(2, 70),
    width=st.integers(2, 70),
    inputs=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    outputs=st.lists(st.integers(1, 140), min_size=1, max_size=2),
    relu=st.booleans(),
    count=st.integers(1, 3),
)
def test_any_shape(threads, data, tile, batch, height, width, inputs, outputs, relu, count):
    threads(count)
    torch.manual_seed(0)
    weights = []
    for o in outputs:
        paths = data.draw(st.lists(st.booleans(), min_size=len(inputs), max_size=len(inputs)))
        paths[0] = True  # each output has one at least, and each input
        weights.append(
            [torch.randn(o, i, 3, 3) if path else None for i, path in zip(inputs, paths, strict=True)]
        )
    weights[0] = [torch.randn(outputs[0], i, 3, 3) for i in inputs]
    biases = [torch.randn(o) for o in outputs]
    maps = [channels_last(batch, i, height, width) for i in inputs]
    nothing = [None] * len(outputs)
    conv = KernelConv(weights, biases, relu=relu, precision="fp32", tile=tile)
    assert worst(conv, weights, biases, maps, nothing, nothing) < BOUNDS["fp32", tile]


def test_slices_of_channels_and_results_in_place():
    torch.manual_seed(1)
    both = channels_last(2, 48, 13, 11)
    maps = [both[:, :16], both[:, 16:]]
    weights = [[torch.randn(24, 16, 3, 3), torch.randn(24, 32, 3, 3)]]
    conv = KernelConv(weights, [None], relu=True, precision="fp32")
    before = channels_last(2, 24, 13, 11)
    room = torch.full((2, 40, 13, 11), 7.0).contiguous(memory_format=torch.channels_last)
    out = room[:, 8:32]
    out.copy_(before)
    (returned,) = conv(maps, adds=[out], outs=[out])
    ((expected, size),) = reference(weights, [None], maps, [before], [None], relu=True)
    assert returned.data_ptr() == out.data_ptr()
    assert float((out - expected).abs().max()) < BOUNDS["fp32", 4] * size
    assert bool((room[:, :8] == 7).all())
    assert bool((room[:, 32:] == 7).all())


@pytest.mark.parametrize(("height", "width"), [(61, 67), (24, 20)])
@pytest.mark.parametrize(("precision", "tile"), [("fp32", 4), ("bf16", 2), ("bf16", 1)])
def test_the_result_does_not_depend_on_the_number_of_threads(threads, precision, tile, height, width):
    """Many tiles are shared in blocks, few by output channels too."""
    if kernels.best_isa(precision) is None or (tile == 1 and not kernels.has_matrix_unit(precision)):
        pytest.skip(f"this CPU has no {precision} of this form")
    torch.manual_seed(2)
    weights = [
        [torch.randn(100, 24, 3, 3), torch.randn(100, 72, 3, 3)],
        [torch.randn(200, 24, 3, 3), None],
    ]
    conv = KernelConv(weights, [None, None], relu=False, precision=precision, tile=tile)
    maps = [channels_last(1, channels, height, width) for channels in (24, 72)]
    results = []
    for count in (1, 2, 5, 8):
        threads(count)
        results.append(conv(maps))
    for other in results[1:]:
        assert all(torch.equal(ours, first) for ours, first in zip(other, results[0], strict=True))


def test_not_a_number_stays_one():
    conv = KernelConv([[torch.randn(8, 8, 3, 3)]], [None], relu=True, precision="fp32")
    x = channels_last(1, 8, 12, 12)
    x[0, 3, 5, 5] = torch.nan
    assert bool(conv([x])[0][0, :, 5, 5].isnan().all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": [torch.zeros(1, 8, 6, 6)]}, "channels-last"),
        ({"maps": [channels_last(1, 9, 6, 6)]}, "should be"),
        ({"maps": [channels_last(1, 8, 1, 6)]}, "2 pixels"),
        ({"maps": [channels_last(1, 8, 6, 6).half()]}, "float32 or bfloat16"),
        ({"adds": [channels_last(1, 4, 6, 6).bfloat16()]}, "type of the output"),
        ({"residuals": [channels_last(1, 4, 6, 5)]}, "should be"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    conv = KernelConv([[torch.randn(4, 8, 3, 3)]], [None], relu=True, precision="fp32")
    arguments = {"maps": [channels_last(1, 8, 6, 6)], **change}
    with pytest.raises(ValueError, match=message):
        conv(arguments.pop("maps"), **arguments)


def test_weights_that_do_not_fit_each_other_are_refused():
    with pytest.raises(ValueError, match="channels"):
        KernelConv(
            [[torch.randn(4, 8, 3, 3)], [torch.randn(4, 9, 3, 3)]], [None, None], relu=True, precision="fp32"
        )
    with pytest.raises(ValueError, match="no path"):
        KernelConv([[torch.randn(4, 8, 3, 3), None]], [None], relu=True, precision="fp32")
    with pytest.raises(ValueError, match="weights are"):
        KernelConv([[torch.randn(4, 8, 1, 1)]], [None], relu=True, precision="fp32")


def test_without_a_kernel_for_the_precision(monkeypatch):
    monkeypatch.setenv("LAMA_FILL_ISA", "avx2")
    assert kernels.best_isa("bf16") is None
    with pytest.raises(RuntimeError, match="no compiled kernels for bf16"):
        KernelConv([[torch.randn(4, 8, 3, 3)]], [None], relu=True, precision="bf16")


def test_switched_off(monkeypatch):
    assert kernels.best_isa("fp32") is not None
    monkeypatch.setenv("LAMA_FILL_ISA", "none")
    assert kernels.best_isa("fp32") is None
    assert kernels.best_isa("bf16") is None
