"""Make the pictures of the README and the documentation: `make pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pictures import EXAMPLES
from PIL import Image

from lama_core.fill import fill
from lama_core.model.installed.load import load_generator
from lama_core.research.evaluation.baselines import telea
from lama_core.research.evaluation.dataset import Case
from lama_core.research.evaluation.evaluate import Comparison
from lama_core.research.evaluation.sheet import contact_sheet, mark_hole
from lama_core.research.evaluation.structures.scenes import make_scene

IMAGES = Path(__file__).parent.parent / "docs" / "images"
MODEL = "compact"
SCENES = ("tiles-1", "railings-0", "facades-0", "bricks-1", "lines-2")
"""Rendered scenes that are shown too."""


def main() -> int:
    """Fill every example as an artist would, with the default options."""
    generator = load_generator(MODEL)

    def filled(case: Case) -> Comparison:
        ours = np.asarray(fill(case.photo, case.hole, generator))
        fills = {"OpenCV Telea": telea(case.photo, case.hole), MODEL: ours}
        return Comparison(case=case, fills=fills, scores={})

    photos = [
        filled(Case(name=name, kind="object", photo=example.photo(), hole=example.hole()))
        for name, example in EXAMPLES.items()
    ]
    IMAGES.mkdir(parents=True, exist_ok=True)
    contact_sheet(photos, side=360).save(IMAGES / "fills.webp", quality=85)
    scenes = [filled(make_scene(name)) for name in SCENES]
    contact_sheet(scenes, side=360).save(IMAGES / "structures.webp", quality=85)

    rocket = photos[0]
    marked = mark_hole(rocket.case.photo, rocket.case.hole)
    trio = np.concatenate([rocket.case.photo, marked, rocket.fills[MODEL]], axis=1)
    Image.fromarray(trio).save(IMAGES / "before-hole-after.webp", quality=90)
    return 0


if __name__ == "__main__":
    sys.exit(main())
