"""Sets that are made by a program: nothing to download, exact at every size, the same every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from lama_core.research.evaluation.dataset import SMALLEST, Case, EvaluationError, hole_for
from lama_core.research.evaluation.metrics import Picture
from lama_core.research.evaluation.periodic import PATTERNS, periodic_picture
from lama_core.research.evaluation.synthetic_scenes import drawing, soft_scene
from lama_core.research.holes.masks import JUDGED_KINDS

DEFAULT_SIZE = 512
SCENES = 12
VIEWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a set is made of: names, and the picture of a name and a size."""

    what: str
    names: tuple[str, ...]
    picture: Callable[[str, int], Picture]


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "periodic": Recipe(
            what="rendered periodic structures",
            names=tuple(f"{pattern}-{view}" for view in range(VIEWS) for pattern in PATTERNS),
            picture=periodic_picture,
        ),
        "grainy": Recipe(
            what="soft rendered scenes with grain",
            names=tuple(f"scene-{number}" for number in range(SCENES)),
            picture=soft_scene,
        ),
        "clean": Recipe(
            what="drawings without noise",
            names=tuple(f"scene-{number}" for number in range(SCENES)),
            picture=drawing,
        ),
    }
)


@lru_cache(maxsize=32)
def _picture(recipe: str, name: str, size: int) -> Picture:
    return RECIPES[recipe].picture(name, size)


@dataclass(frozen=True, slots=True)
class RenderedSet:
    """The pictures of a recipe, drawn at a size, with LaMa's random holes."""

    recipe: str
    names: tuple[str, ...]
    size: int

    @classmethod
    def make(cls, recipe: str, *, size: int | None = None, most: int | None = None) -> RenderedSet:
        """A set by the name of its recipe.

        Args:
            recipe: a key of `RECIPES`.
            size: of both sides, pixels.
            most: so many pictures at most; None: all.

        Raises:
            EvaluationError: there is no such recipe, or the size is too small.
        """
        if recipe not in RECIPES:
            raise EvaluationError(f"there is no set {recipe!r}: there are {', '.join(RECIPES)}")
        size = DEFAULT_SIZE if size is None else size
        if size < SMALLEST:
            raise EvaluationError(f"pictures of {size} pixels are too small: give {SMALLEST} or more")
        return cls(recipe, RECIPES[recipe].names[:most], size)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of holes, thin first."""
        return JUDGED_KINDS

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.names)

    @property
    def remark(self) -> str:
        """What the pictures are."""
        return f"{self.count} {RECIPES[self.recipe].what}, drawn at {self.size} x {self.size} pixels"

    def cases(self, kind: str) -> Iterator[Case]:
        """Every picture with its hole of a kind."""
        for name in self.names:
            photo = _picture(self.recipe, name, self.size)
            yield Case(name=name, kind=kind, photo=photo, hole=hole_for(name, kind, *photo.shape[:2]))
