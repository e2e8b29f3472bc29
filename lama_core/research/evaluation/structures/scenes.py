"""The set: scenes of every kind, each with its hole, as photographs and without their noise."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from lama_core.research.evaluation.dataset import Case, EvaluationError
from lama_core.research.evaluation.metrics import Picture
from lama_core.research.evaluation.structures.built import bricks, facades, planks, railings, slats, tiles
from lama_core.research.evaluation.structures.canvas import COARSE, FINE, THING, Paint, Plane, render
from lama_core.research.evaluation.structures.copies import Thing, things_of
from lama_core.research.evaluation.structures.holes import SHAPES, figure_hole
from lama_core.research.evaluation.structures.land import horizons, regions, shores
from lama_core.research.evaluation.structures.strokes import cables, curves, lines
from lama_core.research.evaluation.structures.things import things

KINDS: Mapping[str, Callable[[np.random.Generator], Paint]] = MappingProxyType(
    {
        "lines": lines,
        "curves": curves,
        "horizons": horizons,
        "shores": shores,
        "railings": railings,
        "slats": slats,
        "planks": planks,
        "tiles": tiles,
        "bricks": bricks,
        "facades": facades,
        "cables": cables,
        "regions": regions,
        "things": things,
    }
)
"""How a scene of every kind is made by chance."""

NAMES = tuple(f"{kind}-{view}" for view in range(len(SHAPES)) for kind in KINDS)
"""All scenes: of every kind one with each shape of hole, and first one of every kind."""

DEFAULT_SIZE = 512
SMALLEST = 64
"""Below so many pixels there is too little of a structure in a picture."""

NOISE = 2.0
"""Standard deviation of the sensor's noise, of 255."""

TEXTURES = MappingProxyType({FINE: 0.7, COARSE: 2.5})
"""Of the Gaussians, pixels, by which textures are correlated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Case):
    """A picture, its hole, and what is known of it.

    Attributes:
        clean: (H, W, 3) uint8, the picture without noise and texture.
        things: what must not appear in the hole.
    """

    clean: Picture
    things: tuple[Thing, ...]


def kind_of(name: str) -> str:
    """The kind of a scene, one of `KINDS`."""
    return name.rpartition("-")[0]


def make_scene(name: str, size: int = DEFAULT_SIZE) -> Scene:
    """One scene.

    Args:
        name: one of `NAMES`: the same name is the same scene at every size.
        size: of both sides, pixels, `SMALLEST` or more.
    """
    kind, view = kind_of(name), int(name.rpartition("-")[2])
    seed = zlib.crc32(name.encode())
    rng = np.random.default_rng(seed)
    layers = render(KINDS[kind](rng), size)
    layers[:, :, :FINE] *= _light(size, rng)[:, :, None]
    shape = list(SHAPES)[(list(KINDS).index(kind) + view) % len(SHAPES)]
    hole = figure_hole(shape, size, np.random.default_rng((seed, 1)))
    clean = np.asarray((layers[:, :, :FINE] * 255).round().clip(0, 255), np.uint8)
    thing = layers[:, :, THING] > 0
    return Scene(
        name=name,
        kind=kind,
        photo=photograph(layers, np.random.default_rng((seed, 2))),
        hole=hole & ~(cv2.dilate(thing.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0),
        clean=clean,
        things=things_of(clean, thing),
    )


def photograph(layers: Plane, rng: np.random.Generator) -> Picture:
    """A scene with its textures and with a sensor's noise.

    Args:
        layers: (H, W, 6), as rendered.
        rng: of the noise.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = layers.shape[:2]
    picture = layers[:, :, :FINE] * 255
    for layer, sigma in TEXTURES.items():
        field = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), sigma)
        picture = picture + (255 * layers[:, :, layer] * field / field.std())[:, :, None]
    # The same in the three channels, mostly, as from a camera.
    picture += rng.normal(0, NOISE, (height, width, 1)) + rng.normal(0, NOISE / 3, (height, width, 3))
    return np.asarray(picture.round().clip(0, 255), np.uint8)


def _light(size: int, rng: np.random.Generator) -> Plane:
    """Light from one side and a soft shadow, as factors (size, size)."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    constant, per_x, per_y = rng.uniform(0.88, 1.02), *rng.uniform(-0.25, 0.25, 2)
    at_x, at_y, radius, depth = *rng.uniform(-0.5, 0.5, 2), rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.3)
    dark = depth * np.exp(-(np.square(x - at_x) + np.square(y - at_y)) / (2 * radius * radius))
    return np.asarray((constant + per_x * x + per_y * y) * (1 - dark))


@dataclass(frozen=True, slots=True)
class StructureSet:
    """Scenes at a size."""

    names: tuple[str, ...]
    size: int

    @classmethod
    def make(
        cls, *, size: int | None = None, most: int | None = None, kinds: Sequence[str] = ()
    ) -> StructureSet:
        """The set.

        Args:
            size: of both sides, pixels; None: `DEFAULT_SIZE`.
            most: so many scenes at most, of all kinds in turn; None: all.
            kinds: of scenes; none: all.

        Raises:
            EvaluationError: the size is too small, or there is no such kind.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise EvaluationError(f"--kinds of the structures are {', '.join(KINDS)}, not {kind!r}")
        size = DEFAULT_SIZE if size is None else size
        if size < SMALLEST:
            raise EvaluationError(f"structures of {size} pixels are too small: give {SMALLEST} or more")
        names = tuple(name for name in NAMES if not kinds or kind_of(name) in kinds)
        return cls(names[:most], size)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of which kinds there are scenes."""
        there = {kind_of(name) for name in self.names}
        return tuple(kind for kind in KINDS if kind in there)

    @property
    def count(self) -> int:
        """How many scenes there are."""
        return len(self.names)

    @property
    def remark(self) -> str:
        """What the pictures are."""
        return f"{self.count} rendered structures, drawn at {self.size} x {self.size} pixels"

    def cases(self, kind: str) -> Iterator[Scene]:
        """The scenes of a kind."""
        for name in self.names:
            if kind_of(name) == kind:
                yield make_scene(name, self.size)
