"""The compiled kernels against what torch has: what one FFC of big-lama needs, and what patches need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.fill.common import patch_search
from lama_core.inference import fourier
from lama_core.inference.convolution import OneDnn
from lama_core.inference.kernel_conv import KernelConv, Tile
from tests.bench.floor import DTYPES
from tests.bench.report import Section
from tests.bench.timing import interleaved

LOCAL, GLOBAL = 128, 384
SIDES = (32, 64, 128)
"""Of the maps of the blocks, for pictures of 256, 512 and 1024 pixels."""
ROUNDS = 9

Convolved = Callable[[], tuple[Tensor, Tensor]]


def main() -> Section:
    """Time both, interleaved, and compare what they compute with float64."""
    section = Section(
        title="Compiled kernels",
        note="The 3x3 convolutions of one FFC (128 and 384 channels), and a pair of Fourier transforms of "
        "192 channels. GFLOP/s count the products of the direct convolution. Patches: the nearest of "
        "14,000 to 2,000, and what those over 70,000 pixels say of them. Errors are the largest, in parts of "
        "the outputs' standard deviation.",
        columns=("what", "maps", "ms", "GFLOP/s", "ratio", "error"),
    )
    torch.manual_seed(0)
    with torch.inference_mode():
        for side in SIDES:
            for precision, dtype in DTYPES.items():
                if kernels.available(precision):
                    _convolutions(section, side, precision, dtype)
                    _transforms(section, side, dtype)
        if kernels.available():
            _nearest(section)
            _votes(section)
    return section


def _convolutions(section: Section, side: int, precision: kernels.Precision, dtype: torch.dtype) -> None:
    def weight(outputs: int, inputs: int) -> Tensor:
        return torch.randn(outputs, inputs, 3, 3) / 60

    to_local = weight(LOCAL, LOCAL), weight(LOCAL, GLOBAL)
    to_global = weight(GLOBAL, LOCAL)
    maps = [_map(1, c, side, side).to(dtype) for c in (LOCAL, GLOBAL)]
    padded = [
        F.pad(x, (1, 1, 1, 1), mode="reflect").contiguous(memory_format=torch.channels_last) for x in maps
    ]
    backend = OneDnn(dtype)
    first = backend.convolution(to_local[0], None)
    second, third = (backend.convolution(w, None, relu=True) for w in (to_local[1], to_global))

    def direct() -> tuple[Tensor, Tensor]:
        local = first(padded[0])
        second.onto(local, padded[1])
        return local, third(padded[0])

    def by_kernels(tile: Tile) -> Convolved:
        conv = KernelConv(
            [to_local, (to_global, None)], [None, None], relu=True, precision=precision, tile=tile
        )

        def run() -> tuple[Tensor, Tensor]:
            local, other = conv(maps)
            return local, other

        return run

    candidates: dict[str, Convolved] = {
        "oneDNN": direct,
        "F(2x2, 3x3)": by_kernels(2),
        "F(4x4, 3x3)": by_kernels(4),
    }
    if kernels.has_matrix_unit(precision):
        candidates["direct, by the matrix unit"] = by_kernels(1)
    seconds = interleaved(candidates, rounds=ROUNDS)
    wide = [x.double() for x in padded]
    exact = (
        (F.conv2d(wide[0], to_local[0].double()) + F.conv2d(wide[1], to_local[1].double())).relu(),
        F.conv2d(wide[0], to_global.double()).relu(),
    )
    operations = 2 * 9 * side**2 * (LOCAL * (LOCAL + GLOBAL) + LOCAL * GLOBAL)
    for name, run in candidates.items():
        error = max(float((y - e).abs().max() / e.std()) for y, e in zip(run(), exact, strict=True))
        section.row(
            f"{name}, {precision}",
            f"{side}x{side}",
            seconds[name] * 1e3,
            operations / seconds[name] / 1e9,
            seconds["oneDNN"] / seconds[name],
            f"{error:.1e}",
        )


def _transforms(section: Section, side: int, dtype: torch.dtype) -> None:
    x = _map(1, GLOBAL // 2, side, side).to(dtype)

    def by_torch() -> Tensor:
        spectrum = torch.fft.rfft2(x.permute(0, 2, 3, 1).float(), dim=(1, 2), norm="ortho").contiguous()
        back = torch.fft.irfft2(spectrum, s=(side, side), dim=(1, 2), norm="ortho")
        return back.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).to(dtype)

    def by_kernels() -> Tensor:
        return fourier.irfft2(fourier.rfft2(x), (side, side))

    seconds = interleaved({"torch": by_torch, "kernels": by_kernels}, rounds=ROUNDS)
    for name, run in (("torch", by_torch), ("kernels", by_kernels)):
        error = float((run().double() - x.double()).abs().max() / x.double().std())
        ratio = seconds["torch"] / seconds[name]
        section.row(
            f"Fourier, {name}, {str(dtype).removeprefix('torch.')}",
            f"{side}x{side}",
            seconds[name] * 1e3,
            None,
            ratio,
            f"{error:.1e}",
        )


def _nearest(section: Section) -> None:
    wanted, among = torch.randn(2000, 24), torch.randn(14000, 24)
    lengths = among.square().sum(dim=1)
    exact = (lengths.double() - 2 * wanted.double() @ among.double().T).amin(dim=1)
    searches = {
        "torch": partial(patch_search.nearest_by_torch, wanted, among, lengths),
        "kernels": partial(patch_search.nearest_by_kernels, wanted, among, lengths),
    }
    results = {name: search()[0] for name, search in searches.items()}
    _compare(section, "nearest patches", "2000 of 14000", searches, results, exact)


def _votes(section: Section) -> None:
    unknown = torch.zeros(448, 544, dtype=torch.bool)
    unknown[105:342, 110:407] = True
    image = torch.rand(3, 448, 544)
    matcher = patch_search.PatchMatcher.of(image, unknown, image, searched=False)
    nnf = matcher.sources[torch.randint(len(matcher.sources), (len(matcher.targets),))]
    weights = torch.rand(len(nnf))
    votes = {
        "torch": partial(matcher.voted_by_torch, matcher.hole, nnf, weights),
        "kernels": partial(matcher.voted_by_kernels, matcher.hole, nnf, weights),
    }
    results = {name: vote() for name, vote in votes.items()}
    _compare(section, "votes of patches", f"{len(matcher.hole)} pixels", votes, results, results["torch"])


def _compare(
    section: Section,
    what: str,
    size: str,
    candidates: Mapping[str, Callable[[], object]],
    results: Mapping[str, Tensor],
    exact: Tensor,
) -> None:
    seconds = interleaved(candidates, rounds=ROUNDS)
    for name, result in results.items():
        error = float((result.double() - exact.double()).abs().max() / exact.double().std())
        ratio = seconds["torch"] / seconds[name]
        section.row(f"{what}, {name}", size, seconds[name] * 1e3, None, ratio, f"{error:.1e}")


def _map(*shape: int) -> Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)
