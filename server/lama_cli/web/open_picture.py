"""A picture file that is open in a page: filled at its full depth here, shown there in 8 bit."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lama_cli.filling import Progress, regions_through_server
from lama_cli.pictures import Picture, PictureError, check_output, read_picture, write_picture
from lama_cli.pictures.display import for_display, png_for_display
from lama_core.client.connection import Client
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from lama_core.client.protocol.messages import Preview
from lama_core.fill import FilledRegion, plan_fill
from lama_core.fill.filled_region import composite_into

_HEAD: Final = struct.Struct("<IIII")


class LostFillsError(LamaFillError):
    """Fills are named that are not here: this command was started anew. `names`: theirs."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("fills are named that are not here")
        self.names = list(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One region of a fill.

    Attributes:
        name: of its pixels, the same for the same pixels.
        rect: where in the picture.
        shown: the fill as a screen shows it, 8 bit RGB or RGBA.
        blend: one byte for each pixel, how much of the fill shows.
        full: all of it at full depth, for `OpenPicture.restore`.
    """

    name: str
    rect: Rect
    shown: bytes
    blend: bytes
    full: bytes


class OpenPicture:
    """One picture file. The pixels are read at the first need; one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Note the file.

        Raises:
            PictureError: there is no such file.
        """
        self.path = path.absolute()
        try:
            found = self.path.stat()
        except OSError as error:
            raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
        identity = f"{self.path}\0{found.st_size}\0{found.st_mtime_ns}"
        self.key = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._fills: dict[str, FilledRegion] = {}
        self._applied: tuple[tuple[str, ...], NDArray[Any]] | None = None
        self._saved: Path | None = None
        self._lock = threading.Lock()

    @cached_property
    def picture(self) -> Picture:
        """The picture.

        Raises:
            PictureError: it cannot be read.
        """
        return read_picture(self.path)

    def describe(self) -> dict[str, Any]:
        """What the page is told of it.

        Raises:
            PictureError: it cannot be read.
        """
        height, width, channels = self.picture.pixels.shape
        depth = {"uint8": 8, "uint16": 16, "float32": 32}[self.picture.pixels.dtype.name]
        return {
            "key": self.key,
            "name": self.path.name,
            "width": width,
            "height": height,
            "channels": channels,
            "depth": depth,
            "note": self.picture.note,
        }

    def preview(self) -> bytes:
        """A PNG of the whole picture, 8 bit sRGB.

        Raises:
            PictureError: its profile cannot be used.
        """
        return png_for_display(self.picture)

    def fill(
        self,
        base: Sequence[str],
        hole: NDArray[np.uint8],
        at: Rect,
        options: FillOptions,
        *,
        source: tuple[Rect, NDArray[np.uint8]] | None = None,
        server: Client,
        model: str,
        progress: Progress,
        previewed: Callable[[Preview], None] | None = None,
        cancelled: Callable[[], bool],
    ) -> list[Patch]:
        """Fill a hole.

        Args:
            base: names of the fills that the picture has already, in their order.
            hole: (height, width) uint8, of the rectangle `at`; nothing is selected outside of it.
            at: where the hole is.
            options: how to fill; how its numbers stand for light the file says.
            source: where the fill may be copied from: a rectangle, and (height, width) uint8 of it; None:
                from everywhere.
            server: connected.
            model: an installed one, "" for the default.
            progress: told the stage and the fraction.
            previewed: asks for previews, and takes them, with their place in the picture.
            cancelled: whether to end.

        Raises:
            LostFillsError: of `base`.
            LamaFillError: whatever stands in the way.
        """
        with self._lock:
            pixels = self._with(base)
            mask = _whole_mask(pixels, at, hole)
            copied = None if source is None else _whole_mask(pixels, *source)
            plan = plan_fill(pixels, mask, replace(options, transfer=self.picture.transfer), copied)
            regions, _report = regions_through_server(
                plan, progress, server=server, model=model, previewed=previewed, cancelled=cancelled
            )
            return [self._keep(region) for region in regions]

    def restore(self, fulls: Mapping[str, bytes]) -> None:
        """Take fills back that an earlier command made.

        Raises:
            PictureError: they are not of this picture.
        """
        with self._lock:
            for name, full in fulls.items():
                if _name(full) != name:
                    raise PictureError("a fill that the page kept is damaged: undo it and fill again")
                self._fills[name] = self._unpacked(full)

    def save(self, fills: Sequence[str]) -> Path:
        """Write the picture with these fills beside the original. What is there already stays.

        Returns:
            Where it is; the same place each time.

        Raises:
            LostFillsError, PictureError: it cannot be written.
        """
        with self._lock:
            pixels = self._with(fills)
            path = self._saved or _free_name(self.path)
            changed = [self._fills[name].rect for name in fills]
            check_output(path, pixels, changed=changed, extra_channels=self.picture.extra_channels)
            write_picture(replace(self.picture, pixels=pixels), path)
            self._saved = path
            return path

    def _with(self, fills: Sequence[str]) -> NDArray[Any]:
        """The picture with these fills, in their order."""
        lost = [name for name in fills if name not in self._fills]
        if lost:
            raise LostFillsError(lost)
        wanted = tuple(fills)
        names, pixels = self._applied or ((), self.picture.pixels.copy())
        if wanted[: len(names)] != names:
            names, pixels = (), self.picture.pixels.copy()
        for name in wanted[len(names) :]:
            composite_into(pixels, self._fills[name])
        self._applied = (wanted, pixels)
        return pixels

    def _keep(self, region: FilledRegion) -> Patch:
        blend = np.rint(region.blend * 255).astype(np.uint8).tobytes()
        rect = region.rect
        full = _HEAD.pack(rect.x, rect.y, rect.width, rect.height) + blend + region.pixels.tobytes()
        name = _name(full)
        self._fills[name] = self._unpacked(full)
        shown = for_display(region.pixels, self.picture).tobytes()
        return Patch(name=name, rect=rect, shown=shown, blend=blend, full=full)

    def _unpacked(self, full: bytes) -> FilledRegion:
        pixels = self.picture.pixels
        try:
            rect = Rect(*_HEAD.unpack_from(full))
            count = rect.area
            blend = np.frombuffer(full, np.uint8, count, _HEAD.size).reshape(rect.height, rect.width)
            values = np.frombuffer(full, pixels.dtype, offset=_HEAD.size + count)
            values = values.reshape(rect.height, rect.width, pixels.shape[2])
        except (ValueError, struct.error) as error:
            raise PictureError("a fill that the page kept is of another picture: undo it") from error
        if not Rect(0, 0, pixels.shape[1], pixels.shape[0]).contains(rect):
            raise PictureError("a fill that the page kept is of another picture: undo it")
        return FilledRegion(rect=rect, pixels=values, blend=blend.astype(np.float32) / np.float32(255))


def _whole_mask(pixels: NDArray[Any], at: Rect, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask of a picture's size that has this in a rectangle.

    Raises:
        PictureError: the rectangle reaches out of the picture.
    """
    height, width = pixels.shape[:2]
    if not Rect(0, 0, width, height).contains(at):
        raise PictureError("the mask is larger than the picture: reload the page")
    whole = np.zeros((height, width), np.uint8)
    whole[at.y : at.bottom, at.x : at.right] = mask
    return whole


def _name(full: bytes) -> str:
    return hashlib.sha256(full).hexdigest()[:32]


def _free_name(path: Path) -> Path:
    """PICTURE-filled beside the picture, or the first PICTURE-filled-2, -3... that is not there."""
    number = 1
    while True:
        ending = "-filled" if number == 1 else f"-filled-{number}"
        free = path.with_name(f"{path.stem}{ending}{path.suffix}")
        if not free.exists():
            return free
        number += 1
