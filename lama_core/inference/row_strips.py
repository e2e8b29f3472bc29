"""The layers at full and half resolution, a strip of rows at a time.

Their maps are the largest of the network: 64 channels at every pixel. Only the bottleneck needs all of a map
at once; before and after it a strip is computed from its own rows and a few around them, so that what is in
memory is some rows of each map. The result is the same as without strips: every row that is kept has seen all
the rows that it depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.inference.blocks import Branches
from lama_core.inference.convolution import Backend
from lama_core.inference.fold import Folded
from lama_core.model.config import GeneratorConfig

STRIP_BYTES = 32 << 20
"""About how large the largest map of a strip is. Smaller strips compute more rows twice."""
_MIN_ROWS = 4
"""Rows of the bottleneck in a strip: with fewer, most of the work is for the rows around them."""
HEAD_ROWS = 4
"""Rows of the picture that are computed at once."""


def row_strips(rows: int, width: int, channels: int, element: int) -> Iterator[tuple[int, int]]:
    """Cut `rows` rows into strips of about equal height: the first row of each and the first after it.

    `width`, `channels`, `element`: of the largest map of a strip, for one of these rows; `element` in bytes.
    """
    wanted = max(_MIN_ROWS, STRIP_BYTES // (width * channels * element))
    count = -(-rows // wanted)
    for number in range(count):
        yield rows * number // count, rows * (number + 1) // count


class Encoder:
    """The stem and the downsamplings: from the picture to the bottleneck."""

    def __init__(self, folded: Folded, config: GeneratorConfig, backend: Backend) -> None:
        self._backend = backend
        self._width, self._depth = config.width, config.downsamplings
        # The picture itself, rounded to half precision, would be most of the whole network's error, and this
        # layer is a fiftieth of its work.
        self._stem = backend.in_float32().convolution(folded["stem.weight"], folded["stem.bias"], relu=True)

        def down(name: str) -> Callable[[Tensor], Tensor]:
            return backend.convolution(
                folded[f"{name}.weight"], folded[f"{name}.bias"], relu=True, stride=(2, 2)
            )

        last = config.downsamplings - 1
        self._downs = [down(f"downs.{level}") for level in range(last)]
        self._to_local, self._to_global = down(f"downs.{last}.local"), down(f"downs.{last}.global")
        self._channels = config.local_channels, config.global_channels

    def __call__(self, x: Tensor, on_layer: Callable[[], None]) -> Branches:
        """(B, 4, H, W) float32, H and W multiples of 2**downsamplings, to both branches."""
        batch, _, height, width = x.shape
        cell = 2**self._depth
        rows = height // cell
        size = (rows, width // cell)
        out = Branches(*(self._map(batch, channels, *size) for channels in self._channels))
        for image in range(batch):
            for begin, end in row_strips(rows, width * cell, self._width, self._backend.dtype.itemsize):
                on_layer()
                y = self._padded(x[image : image + 1], self._depth - 1, begin, end)
                out.local[image, :, begin:end] = self._to_local(y)[0]
                out.globals[image, :, begin:end] = self._to_global(y)[0]
        return out

    def _map(self, batch: int, channels: int, height: int, width: int) -> Tensor:
        return torch.empty(
            batch,
            channels,
            height,
            width,
            dtype=self._backend.dtype,
            device=self._backend.device,
            memory_format=torch.channels_last,
        )

    def _rows(self, x: Tensor, level: int, begin: int, end: int) -> Tensor:
        """Rows begin..end of the map after `level` downsamplings."""
        if level:
            return self._downs[level - 1](self._padded(x, level - 1, begin, end))
        height = x.shape[2]
        top, bottom = max(0, 3 - begin), max(0, end + 3 - height)
        around = x[:, :, max(0, begin - 3) : min(height, end + 3)]
        around = F.pad(around, (3, 3, top, bottom), mode="reflect")
        return self._stem(around.contiguous(memory_format=torch.channels_last)).to(self._backend.dtype)

    def _padded(self, x: Tensor, level: int, begin: int, end: int) -> Tensor:
        """What rows begin..end of the map after level + 1 downsamplings are computed from.

        Sides are even, so a stride of 2 with a padding of 1 never gets to the padding at right and bottom.
        """
        y = self._rows(x, level, max(0, 2 * begin - 1), 2 * end)
        return F.pad(y, (1, 0, 1 if begin == 0 else 0, 0), mode="reflect")


class Decoder:
    """The upsamplings and the head: from the bottleneck to the picture."""

    def __init__(self, folded: Folded, config: GeneratorConfig, backend: Backend) -> None:
        self._backend = backend
        self._width, self._depth = config.width, config.downsamplings
        self._ups = [
            backend.upsample_conv(folded[f"ups.{level}.weight"], folded[f"ups.{level}.bias"])
            for level in range(config.downsamplings)
        ]
        self._head = backend.convolution(_rows_at_once(folded["head.weight"]), None, stride=(HEAD_ROWS, 1))
        self._bias = folded["head.bias"].clone().to(backend.device).view(1, 3, 1, 1)

    def __call__(self, x: Branches, on_layer: Callable[[], None]) -> Tensor:
        """Both branches to (B, 3, H, W) float32."""
        batch, _, rows, columns = x.local.shape
        cell = 2**self._depth
        height, width = rows * cell, columns * cell
        out = torch.empty(batch, 3, height, width, device=self._backend.device)
        for image in range(batch):
            for begin, end in row_strips(rows, width * cell, self._width, self._backend.dtype.itemsize):
                on_layer()
                first, last = begin * cell, end * cell
                # What the head's last group of rows has too many is computed, and left away.
                end_of_group = last + -(last - first) % HEAD_ROWS
                top, bottom = max(0, 3 - first), max(0, end_of_group + 3 - height)
                y = self._rows(x, image, self._depth, max(0, first - 3), min(height, end_of_group + 3))
                y = self._head(F.pad(y, (3, 3, top, bottom), mode="reflect"))
                out[image, :, first:last] = _in_rows(y)[0, :, : last - first]
        return out.add_(self._bias)

    def _rows(self, x: Branches, image: int, level: int, begin: int, end: int) -> Tensor:
        """Rows begin..end of the map after `level` upsamplings.

        Row 2j is made of row j alone, row 2j + 1 of rows j and j + 1 (beyond the last is nothing).
        """
        if not level:
            return torch.cat([branch[image : image + 1, :, begin:end] for branch in x], dim=1)
        rows_before = x.local.shape[2] << (level - 1)
        first, last = begin // 2, min(rows_before, end // 2 + 1)
        y = self._ups[level - 1](self._rows(x, image, level - 1, first, last))
        return y[:, :, begin - 2 * first : end - 2 * first]


def _rows_at_once(weight: Tensor) -> Tensor:
    """(3, C, 7, 7), a head, to (3 * HEAD_ROWS, C, 7 + HEAD_ROWS - 1, 7): rows of its output as channels.

    Three channels would leave most of a vector unused.
    """
    colours, channels, height, width = weight.shape
    wide = weight.new_zeros(HEAD_ROWS, colours, channels, height + HEAD_ROWS - 1, width)
    for row in range(HEAD_ROWS):
        wide[row, :, :, row : row + height] = weight
    return wide.flatten(0, 1)


def _in_rows(y: Tensor) -> Tensor:
    """(B, HEAD_ROWS * 3, H, W) of such a head to (B, 3, HEAD_ROWS * H, W) float32."""
    batch, _, height, width = y.shape
    return y.view(batch, HEAD_ROWS, 3, height, width).permute(0, 2, 3, 1, 4).float().flatten(2, 3)
