"""A page of fills to wipe over with a slider: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from lama_core.research.evaluation.evaluate import Comparison
from lama_core.research.evaluation.metrics import Picture, Score
from lama_core.research.evaluation.sheet import mark_hole, outline_hole, thumbnail

SIDE = 768
"""Longest side of a picture on the page, pixels."""

QUALITY = 92
"""Of the WebP pictures in the page: grain has to survive."""

BEFORE, OUTLINED, HOLE = "before", "before, hole outlined", "hole"


def slider_page(comparisons: Sequence[Comparison], *, title: str = "LaMa Fill") -> str:
    """The page.

    Args:
        comparisons: one or more, all of the same methods. Pictures larger than `SIDE` are shrunk to it.
        title: its heading.

    Returns:
        HTML with pictures, style and script inside. Two lists choose what is left and right of the slider of
        every picture: before, before with the hole outlined, the hole, or any method. Sliders are plain
        range inputs, so the keyboard moves them.
    """
    methods = list(comparisons[0].fills)
    views = [BEFORE, OUTLINED, HOLE, *methods]
    template = (resources.files("lama_core.research.evaluation") / "page.html").read_text("utf-8")
    parts = {
        "{{title}}": html.escape(title),
        "{{left}}": _options(views, OUTLINED),
        "{{right}}": _options(views, methods[-1]),
        "{{figures}}": "\n".join(_figure(number, one) for number, one in enumerate(comparisons, start=1)),
    }
    for mark, text in parts.items():
        template = template.replace(mark, text)
    return template


def save_page(page: str, path: Path) -> None:
    """Write a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, "utf-8")


def _options(names: Sequence[str], chosen: str) -> str:
    return "".join(
        f'<option value="{number}"{" selected" if name == chosen else ""}>{html.escape(name)}</option>'
        for number, name in enumerate(names)
    )


def _figure(number: int, one: Comparison) -> str:
    """One picture: its views on top of each other, a slider over them, and what each fill is worth."""
    photo, hole = one.case.photo, one.case.hole
    before = thumbnail(photo, SIDE)
    small = np.asarray(Image.fromarray(hole).resize(before.size, Image.Resampling.NEAREST))
    known = np.asarray(before)
    fills = [np.asarray(thumbnail(fill, SIDE)) for fill in one.fills.values()]
    pictures = [known, outline_hole(known, small), mark_hole(known, small), *fills]
    said = ["", "", "", *(_said(one.scores.get(name)) for name in one.fills)]
    name = html.escape(f"{one.case.name}, {one.case.kind} hole")
    images = "".join(
        f'<img alt="" data-view="{view}" data-said="{html.escape(text)}" src="{_data(picture)}">'
        for view, (picture, text) in enumerate(zip(pictures, said, strict=True))
    )
    width, height = before.size
    return (
        f'<figure style="--width: {width}; --height: {height}">'
        f'<div class="stack">{images}<span class="edge"></span>'
        '<input type="range" min="0" max="100" value="50" step="any" '
        f'aria-label="Wipe picture {number}: {name}">'
        f'</div><figcaption><b>{name}</b><span class="said"></span></figcaption></figure>'
    )


def _said(score: Score | None) -> str:
    if score is None:
        return ""
    return (
        f"hole L1 {score.hole_l1:.1f}, features {score.feature_distance:.3f}, "
        f"step {score.boundary_step:.2f}, grain {score.grain_ratio:.2f}"
    )


def _data(picture: Picture) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
