"""What the page is told of the project's declarations, so that it repeats none of them."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from lama_core.client import geometry, selection, tiles
from lama_core.client.options import OPTIONS, FillOptions
from lama_core.client.plugin.choices import CHOICES
from lama_core.client.plugin.messages import FAILURES, STAGES
from lama_core.client.protocol.codec import OPTION_KEYS


def declaration() -> dict[str, Any]:
    """Options with ranges and defaults, what they and their choices are called, and the words for faults.

    Texts are English, which is what the catalogues of translations are looked up by.
    """
    defaults = {each.name: each.default for each in fields(FillOptions)}
    return {
        "options": {
            key: {**asdict(OPTIONS[name]), "default": defaults[name]} for name, key in OPTION_KEYS.items()
        },
        "choices": {
            name: [asdict(choice) for choice in choices]
            for name, choices in CHOICES.items()
            if name in OPTIONS
        },
        "failures": FAILURES,
        "stages": STAGES,
        "geometry": {
            "minWindow": geometry.MIN_WINDOW,
            "marginShare": geometry.MARGIN_SHARE,
            "minMargin": geometry.MIN_MARGIN,
            "maxMargin": geometry.MAX_MARGIN,
            "minContext": geometry.MIN_CONTEXT,
            "windowStep": geometry.WINDOW_STEP,
            "minGrow": geometry.MIN_GROW,
            "maxGrow": geometry.MAX_GROW,
            "minFeather": geometry.MIN_FEATHER,
            "maxFeather": geometry.MAX_FEATHER,
            "windowOverhead": geometry.WINDOW_OVERHEAD,
            "onePiece": selection.ONE_PIECE,
            "cell": tiles.CELL,
            "maxParts": tiles.MAX_HOLES,
        },
    }
