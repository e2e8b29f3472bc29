"""Writing the pixels of a JPEG file again as that file stores them: its own quantization and subsampling.

A block of a JPEG that is decoded and encoded with the same tables gets the coefficients that it had, as long
as nothing between loses anything. So colours stay YCbCr, and chroma that is stored at half the size is
neither interpolated nor averaged: it is read at that size, and written as two by two equal pixels. What is
left are blocks with values beyond black and white, and coefficients of the finest steps.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from lama_cli.pictures.jpeg import insert_segments

Image.MAX_IMAGE_PIXELS = None  # the limit for pictures is ours, and was held when the picture was read

#: JFIF's YCbCr of full range, by ITU-R BT.601.
_TO_YCBCR: Final = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
_OFFSETS: Final = np.array([0, 128, 128], np.float32)
#: Pixels that a sample of chroma stands for, down and across, and what Pillow calls that.
_SUBSAMPLINGS: Final = {(1, 1): 0, (1, 2): 1, (2, 2): 2}
#: Rows that are worked on at a time.
_ROWS: Final = 256
#: Steps in which what interpolation did to a row of chroma is taken back.
_STEPS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A JPEG file, and the share of the pixels in blocks without any fill that are not as they were."""

    data: bytes
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a file stores its pixels: tables of luma and chroma, pixels a sample of chroma (down, across)."""

    tables: tuple[tuple[int, ...], ...]
    cell: tuple[int, int]
    progressive: bool


def encode_like(source: bytes, pixels: NDArray[Any]) -> Encoded | None:
    """Encode pixels of which most are those of a JPEG file as that file is encoded.

    Args:
        source: the file that they were read from.
        pixels: (H, W, 1 or 3) uint8, as the file stores them, not turned.

    Returns:
        A file without metadata; None where the file stores its pixels in a rare way.
    """
    try:
        # Without metadata, which may be as odd as it likes, and pictures behind the first.
        return _encode_like(insert_segments(source, ()), pixels)
    except OSError:  # Pillow does not read what libvips reads
        return None


def _encode_like(source: bytes, pixels: NDArray[Any]) -> Encoded | None:
    gray = pixels.shape[2] == 1
    form = _form(source, gray=gray)
    if form is None:
        return None
    before = _decoded(source, gray=gray)
    if before.shape != pixels.shape:
        return None
    changed = (before != pixels).any(axis=2)
    if gray:
        image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
    else:
        planes = _planes(source, form)
        _put(planes, pixels, changed, form.cell)
        image = Image.merge("YCbCr", [Image.fromarray(plane) for plane in planes])
    output = io.BytesIO()
    options: dict[str, Any] = {} if gray else {"subsampling": _SUBSAMPLINGS[form.cell]}
    image.save(output, "JPEG", qtables=form.tables, optimize=True, progressive=form.progressive, **options)
    data = output.getvalue()
    # Interpolated chroma reaches a little out of a block.
    far = ~_wider(_blocks(changed, 8 * form.cell[0], 8 * form.cell[1]))
    after = _decoded(data, gray=gray)
    lost = int(np.count_nonzero((after != before).any(axis=2) & far))
    return Encoded(data=data, changed=lost / max(1, int(np.count_nonzero(far))))


def _form(source: bytes, *, gray: bool) -> _Form | None:
    """How a file is stored; None where Pillow cannot write it so."""
    with Image.open(io.BytesIO(source), formats=["JPEG"]) as image:
        layers: list[tuple[int, int, int, int]] = image.layer
        tables = {number: tuple(table) for number, table in image.quantization.items()}
        # Adobe's marker says 0 for RGB that is stored as such.
        transform = image.info.get("adobe_transform", 1)
        progressive = bool(image.info.get("progressive"))
    if len(layers) != (1 if gray else 3) or (transform == 0 and not gray):
        return None
    used = [layer[3] for layer in layers]
    if any(number not in tables or max(tables[number]) > 255 for number in used):
        return None
    if gray:
        return _Form(tables=(tables[used[0]],), cell=(1, 1), progressive=progressive)
    (_, across, down, _), *chroma = layers
    is_plain = all(layer[1:3] == (1, 1) for layer in chroma) and used[1] == used[2]
    if not is_plain or (down, across) not in _SUBSAMPLINGS:
        return None
    return _Form(tables=(tables[used[0]], tables[used[1]]), cell=(down, across), progressive=progressive)


def _decoded(source: bytes, *, gray: bool) -> NDArray[Any]:
    image = pyvips.Image.jpegload_buffer(source, access="sequential")
    stored: NDArray[Any] = image.numpy().reshape(image.height, image.width, 1 if gray else image.bands)
    return stored


def _planes(source: bytes, form: _Form) -> list[NDArray[Any]]:
    """Luma and chroma as they are stored, each of the picture's size."""
    with Image.open(io.BytesIO(source), formats=["JPEG"]) as image:
        width, height = image.size
        image.draft("YCbCr", image.size)
        luma, *chroma = (np.array(plane) for plane in image.split())
    down, across = form.cell
    if (down, across) == (2, 2) and min(width, height) >= 2:
        # At half the size the decoder has nothing to interpolate.
        with Image.open(io.BytesIO(source), formats=["JPEG"]) as image:
            image.draft("YCbCr", (width // 2, height // 2))
            chroma = [np.asarray(plane) for plane in image.split()[1:]]
    elif (down, across) == (1, 2):
        chroma = [_before_interpolation(plane) for plane in chroma]
    rows = np.arange(height) // down if chroma[0].shape[0] < height else np.arange(height)
    columns = np.arange(width) if chroma[0].shape[1] == width else np.arange(width) // 2
    return [luma, *(plane[rows][:, columns] for plane in chroma)]


def _before_interpolation(plane: NDArray[Any]) -> NDArray[Any]:
    """Chroma at half the width, from which libjpeg's triangle filter made this of the whole width.

    Each two pixels are 3/4 of a sample and 1/4 of its neighbour to their side: their mean is 3/4 of the
    sample and 1/8 of each neighbour. That is solved for the samples by Jacobi's method.
    """
    height, width = plane.shape
    samples = np.empty((height, -(-width // 2)), np.uint8)
    for top in range(0, height, _ROWS):
        part = plane[top : top + _ROWS].astype(np.float32)
        if width % 2:
            part = np.concatenate([part, part[:, -1:]], axis=1)
        mean = (part[:, 0::2] + part[:, 1::2]) / 2
        found = mean
        for _ in range(_STEPS):
            near = np.pad(found, ((0, 0), (1, 1)), mode="edge")
            found = (mean - (near[:, :-2] + near[:, 2:]) / 8) / 0.75
        samples[top : top + _ROWS] = np.rint(found).clip(0, 255)
    return samples


def _put(
    planes: list[NDArray[Any]], pixels: NDArray[Any], changed: NDArray[np.bool_], cell: tuple[int, int]
) -> None:
    """Put changed pixels into planes; a sample of chroma is the mean of the pixels that it stands for."""
    cells = _blocks(changed, *cell)
    down, across = cell
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        if not changed[rows].any():
            continue
        colours = pixels[rows].astype(np.float32) @ _TO_YCBCR.T + _OFFSETS
        luma, *chroma = (colours[:, :, number] for number in range(3))
        np.copyto(planes[0][rows], _as_bytes(luma), where=changed[rows])
        for plane, values in zip(planes[1:], chroma, strict=True):
            mean = values
            if cell != (1, 1):
                height, width = values.shape
                padded = np.pad(values, ((0, -height % down), (0, -width % across)), mode="edge")
                small = padded.reshape(padded.shape[0] // down, down, -1, across).mean(axis=(1, 3))
                mean = small.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
            np.copyto(plane[rows], _as_bytes(mean), where=cells[rows])


def _wider(marked: NDArray[np.bool_], pixels: int = 2) -> NDArray[np.bool_]:
    wider: NDArray[np.bool_] = marked.copy()
    for axis in (0, 1):
        within = wider.copy().swapaxes(0, axis)
        wide = wider.swapaxes(0, axis)
        wide[pixels:] |= within[:-pixels]
        wide[:-pixels] |= within[pixels:]
    return wider


def _as_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded


def _blocks(marked: NDArray[np.bool_], down: int, across: int) -> NDArray[np.bool_]:
    """All of each block of pixels of which one is marked."""
    height, width = marked.shape
    padded = np.pad(marked, ((0, -height % down), (0, -width % across)))
    small = padded.reshape(padded.shape[0] // down, down, -1, across).any(axis=(1, 3))
    blocks: NDArray[np.bool_] = small.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
    return blocks
