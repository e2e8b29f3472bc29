"""What a fill promises beyond likeness, measured: soft selections, depth, light, and trying again."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, groupby

import numpy as np
import numpy.typing as npt

from lama_core.fill import FillOptions, fill, fill_region
from lama_core.research.evaluation.experiments import Bench
from lama_core.research.evaluation.methods import PRODUCT
from lama_core.research.evaluation.metrics import Judge, Picture
from lama_core.research.evaluation.synthetic_scenes import drawing
from lama_core.research.evaluation.tables import markdown
from lama_core.research.networks.perceptual import PerceptualNetwork

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[np.generic]

EXACTLY = FillOptions(grow=0, feather=0)
SEEDS = (0, 1, 2, 3)

PHOTOS = 0.12
"""The share of a bench's photos that these take."""

EDGE = 3
"""Over so many pixels the thing that is removed fades into what is behind it, as lenses draw edges."""

SHOWS = 0.02
"""Where less of a thing than this is left it cannot be seen."""

LAMP = 6.0
"""A light in a picture of high dynamic range, as a multiple of white."""


def soft_selections(bench: Bench) -> str:
    """What still shows of a removed thing, and whether a pixel that is selected more gets less of the fill.

    The same picture is filled with the thing and without it. What differs between the results is what still
    shows of the thing, by itself or by what the network made of its rim.
    """
    size = bench.small
    without = drawing("scene-4", size)
    distance = _from_middle(size) - size / 8
    cover = np.clip(0.5 - distance / EDGE, 0, 1)[:, :, None]
    thing = np.array([255.0, 0.0, 255.0])
    with_thing = np.asarray((without * (1 - cover) + thing * cover).round(), np.uint8)
    selections = {
        "hard, along its edge": (distance < 0).astype(np.float32),
        "soft over 8 pixels": np.clip(0.5 - distance / 8, 0, 1).astype(np.float32),
    }
    rows = []
    for title, selection in selections.items():
        for named, options in (("none", EXACTLY), ("default", FillOptions())):
            one, other = (
                fill(picture, selection, bench.generator, options).astype(np.float64)
                for picture in (with_thing, without)
            )
            left = np.abs(one - other).sum(axis=2) / np.abs(thing - without).sum(axis=2)
            falls, pairs = _falls(selection, _blend(bench, without, selection, options))
            shows = int((left > SHOWS).sum())
            rows.append([title, named, f"{left.max():.0%}", str(shows), f"{falls} of {pairs}"])
    return markdown(
        ["selection", "grow and feather", "most that shows", "pixels where it shows", "falls"], rows
    )


def _blend(bench: Bench, picture: Picture, selection: Floats, options: FillOptions) -> Floats:
    """How much of the fill every pixel gets."""
    region = fill_region(picture, selection, bench.generator, options)
    blend = np.zeros(selection.shape, np.float32)
    rect = region.rect
    blend[rect.y : rect.bottom, rect.x : rect.right] = region.blend
    return blend


def _falls(selection: Floats, blend: Floats) -> tuple[int, int]:
    """Neighbours of which the one that is selected more gets less of the fill; and how many differ at all."""
    falls = pairs = 0
    for axis in (0, 1):
        selected, filled = np.diff(selection, axis=axis), np.diff(blend, axis=axis)
        falls += int((selected * filled < -1e-6).sum())
        pairs += int((selected != 0).sum())
    return falls, pairs


def depth(bench: Bench) -> str:
    """The widest band of equal values in a filled gentle slope: as 8 bit, and in the picture's own depth."""
    size = bench.small
    y, x = np.mgrid[0:size, 0:size] / size
    slope = np.repeat((0.3 + 0.09 * x + 0.02 * y)[:, :, None], 3, axis=2)
    hole = _from_middle(size) < size / 8
    rows = []
    for dtype, white in ((np.uint8, 255), (np.uint16, 65535), (np.float16, 1), (np.float32, 1)):
        exact = slope * white
        picture = (exact.round() if white > 1 else exact).astype(dtype)
        filled = fill(picture, hole, bench.generator, PRODUCT)
        rows.append(
            [
                np.dtype(dtype).name,
                str(_widest_band(picture, hole)),
                str(_widest_band(filled, hole)),
                str(np.unique(filled[hole]).size),
            ]
        )
    titles = ["pixels", "widest band, original", "widest band, fill", "different values in the fill"]
    return markdown(titles, rows)


def _widest_band(picture: Array, hole: npt.NDArray[np.bool_]) -> int:
    """The longest run of one value along the middle row of the hole, pixels."""
    middle = picture.shape[0] // 2
    values = picture[middle, hole[middle], 0].tolist()
    return max(len(list(run)) for _value, run in groupby(values))


def light(bench: Bench) -> str:
    """Pictures in linear light: filled as if they were not, and as what they are."""
    network = PerceptualNetwork.pretrained()
    names = {"perceptual": "taken for perceptual", "linear": "taken for linear"}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for case in bench.of_photos(size=bench.small, share=PHOTOS).cases("object"):
        judge = Judge(case.photo, case.hole, network)
        linear = _to_linear(case.photo)
        for name in names:
            options = replace(PRODUCT, transfer="linear" if name == "linear" else "perceptual")
            score = judge.score(_from_linear(fill(linear, case.hole, bench.generator, options)))
            figures[name].append((score.hole_l1, score.feature_distance))
    rows = []
    for name, title in names.items():
        l1, features = np.mean(figures[name], axis=0)
        rows.append([title, f"{l1:.1f}", f"{features:.4f}"])
    return markdown(["linear photos", "hole L1", "features"], rows)


def bright(bench: Bench) -> str:
    """A hole in the midst of a lamp that is brighter than white: what is filled in."""
    size = bench.small
    from_middle = _from_middle(size)
    lamp = np.where(from_middle[:, :, None] < size / 4, np.float32(LAMP), np.float32(0.2))
    picture = np.repeat(lamp, 3, axis=2)
    hole = from_middle < size / 10
    rows = []
    for title, source in (("clipped to white", picture.clip(0, 1)), ("as it is", picture)):
        filled = fill(source, hole, bench.generator, replace(PRODUCT, transfer="linear"))
        rows.append([title, f"{LAMP:.2f}", f"{filled[hole].mean():.2f}", f"{filled[hole].max():.2f}"])
    return markdown(["picture", "lamp", "mean of the fill", "its largest value"], rows)


def again(bench: Bench) -> str:
    """Fills by several seeds: how much they differ, and what choosing among them gains."""
    network = PerceptualNetwork.pretrained()
    repeated, apart, first, best = [], [], [], []
    for case in bench.of_photos(size=bench.small, share=PHOTOS).cases("object"):
        judge = Judge(case.photo, case.hole, network)
        fills = [
            fill(case.photo, case.hole, bench.generator, replace(PRODUCT, seed=seed)).astype(np.uint8)
            for seed in SEEDS
        ]
        same = fill(case.photo, case.hole, bench.generator, replace(PRODUCT, seed=SEEDS[-1]))
        repeated.append(int((same != fills[-1]).sum()))
        apart += [
            float(np.abs(one[case.hole].astype(float) - other[case.hole]).mean())
            for one, other in combinations(fills, 2)
        ]
        distances = [judge.score(one).feature_distance for one in fills]
        first.append(distances[0])
        best.append(min(distances))
    return markdown(
        [
            "values that differ, same seed",
            "mean difference, other seed",
            "features, first seed",
            f"features, best of {len(SEEDS)}",
        ],
        [[str(sum(repeated)), f"{np.mean(apart):.2f}", f"{np.mean(first):.4f}", f"{np.mean(best):.4f}"]],
    )


def _from_middle(size: int) -> npt.NDArray[np.float64]:
    y, x = np.mgrid[0:size, 0:size] - (size - 1) / 2
    return np.asarray(np.hypot(x, y))


def _to_linear(photo: Picture) -> Floats:
    """sRGB's decoding (IEC 61966-2-1): (H, W, 3) uint8 to float32 in 0..1."""
    share = photo.astype(np.float32) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _from_linear(linear: npt.NDArray[np.generic]) -> Picture:
    """sRGB's encoding: (H, W, 3) float in 0..1 to uint8."""
    share = linear.astype(np.float32).clip(0, 1)
    encoded = np.where(share <= 0.0031308, share * 12.92, 1.055 * share ** (1 / 2.4) - 0.055)
    return np.asarray((encoded * 255).round(), np.uint8)
