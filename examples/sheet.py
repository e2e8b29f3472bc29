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

IMAGES = Path(__file__).parent.parent / "docs" / "images"
MODEL = "compact"


def main() -> int:
    """Fill every example as an artist would, with the default options."""
    generator = load_generator(MODEL)
    comparisons = []
    for name, example in EXAMPLES.items():
        photo, hole = example.photo(), example.hole()
        fills = {"OpenCV Telea": telea(photo, hole), MODEL: np.asarray(fill(photo, hole, generator))}
        case = Case(name=name, kind="object", photo=photo, hole=hole)
        comparisons.append(Comparison(case=case, fills=fills, scores={}))
    IMAGES.mkdir(parents=True, exist_ok=True)
    contact_sheet(comparisons, side=360).save(IMAGES / "fills.webp", quality=85)

    rocket = comparisons[0]
    marked = mark_hole(rocket.case.photo, rocket.case.hole)
    trio = np.concatenate([rocket.case.photo, marked, rocket.fills[MODEL]], axis=1)
    Image.fromarray(trio).save(IMAGES / "before-hole-after.webp", quality=90)
    return 0


if __name__ == "__main__":
    sys.exit(main())
