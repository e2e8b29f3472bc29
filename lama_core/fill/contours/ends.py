"""Ends of contours: where edges of the picture run into the hole, and between which colours."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lama_core.fill.common.sampling import Reals, sample
from lama_core.fill.contours.gradients import Gradients, edge_of
from lama_core.image.pixels import Floats, Mask

Places = NDArray[np.intp]

NEAREST = 4.0
"""Edges are looked for this far from the hole, pixels: nearer, gradients see what is in it."""

STARTS = (NEAREST, 11.0)
"""Contours are found in rings so far from the hole, pixels: near it another line may lie over one."""

RING = 1.5
"""Width of such a ring, pixels."""

LEAST_STRENGTH = 0.014
"""Derivatives below are no edges, of white a pixel."""

LEAST_CROSSING = 0.25
LEAST_CROSSING_FAR = 0.5
"""Cosine between a contour and the normal of the hole's boundary, below which it passes the hole by; the
latter in all rings but the nearest."""

SAME_PLACE = 2.0
"""A contour that is found again in a farther ring is so near to where it was found first, pixels."""

LONGEST = 48
SHORTEST = 10
"""Contours are followed so far away from the hole, and those that end sooner are texture; pixels."""

WIDEST = 11
"""Colours on both sides of a contour are known so far from it, pixels."""

APART = 12.0
"""Edges nearer than this to each other, pixels, one beyond the other, are one contour."""

SAME_DIRECTION = 0.9
SAME_COLOURS = 0.6
SAME_STRENGTH = 0.4
"""From step to step: least cosine of directions; to where the contour was found: least cosine of the
gradients' colours, and least share of the strength."""

MOST_ENDS = 160
"""Of more ends than these, those of the highest contrast are kept: each is compared with each."""

LEAST_DISTINCT = 1.6
"""The least contrast of a contour, as a multiple of how much colours change along it."""

SMOOTH = 6
"""Directions of a path are those between places so many pixels before and behind."""

AROUND = 2.5
NEAR = np.exp(-((np.arange(-WIDEST, WIDEST + 1) / AROUND) ** 2) / 2).astype(np.float32)
NEAR /= NEAR.sum()
"""Standard deviation of the Gaussian that weighs colours by their distance from the contour, pixels."""

BESIDE = (slice(WIDEST - 6, WIDEST), slice(WIDEST + 1, WIDEST + 7))
LINE = 4
PROFILED = 20
"""Where the two sides of a contour are in a profile; and a line at it is at most so wide, pixels;
profiles are the means of so many."""

FITTED = 36
"""Of a contour so many pixels tell where it goes on into the hole."""

STRAIGHTNESS = 400.0
"""Weight, in pixels^4, of a contour's straightness beside the pixels that it was seen at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContourEnds:
    """Contours that run into the hole.

    Attributes:
        places: (N, 2) float32, row and column, where they meet it.
        directions: (N, 2), unit vectors into it.
        paths: (N, `LONGEST` + 1, 2), where they are, from the hole outwards, a pixel apart.
        lengths: (N,) int64, how many of these were seen, 1 or more.
        profiles: (N, 2 `WIDEST` + 1, 3), colours across them, from the left to the right of who looks
            into the hole.
        known: (N, 2 `WIDEST` + 1), how much of these is known, 0 to 1.
        contrasts: (N,), differences between the two sides, of white.
        strengths: (N,), derivatives across them, of white a pixel.
        unseen: (N,) int64, how far from the hole they are seen, pixels; 0 in the nearest ring.
    """

    places: Reals
    directions: Reals
    paths: Reals
    lengths: Places
    profiles: Reals
    known: Reals
    contrasts: Reals
    strengths: Reals
    unseen: Places

    def __len__(self) -> int:
        return len(self.places)

    def and_those(self, others: ContourEnds) -> ContourEnds:
        """These and others."""
        return ContourEnds(
            **{
                one.name: np.concatenate((getattr(self, one.name), getattr(others, one.name)))
                for one in fields(ContourEnds)
            }
        )

    def those(self, which: Mask) -> ContourEnds:
        """Some of them."""
        return ContourEnds(
            places=self.places[which],
            directions=self.directions[which],
            paths=self.paths[which],
            lengths=self.lengths[which],
            profiles=self.profiles[which],
            known=self.known[which],
            contrasts=self.contrasts[which],
            strengths=self.strengths[which],
            unseen=self.unseen[which],
        )


def left_of(directions: Reals) -> Reals:
    """Unit vectors (..., 2), row and column, a quarter turned."""
    return np.stack((-directions[..., 1], directions[..., 0]), axis=-1)


def find_ends(
    image: Floats,
    unknown: Mask,
    distance: Floats,
    gradients: Gradients,
    before: ContourEnds | None = None,
) -> ContourEnds | None:
    """Find the contours that a hole interrupts.

    Args:
        image: (3, H, W) float32 in 0..1, smooth in the hole.
        unknown: (H, W), True in the hole.
        distance: (H, W), from it, pixels.
        gradients: of the image.
        before: ends that are known already.

    Returns:
        Those and others; None where there are none.
    """
    ends = before
    for start in STARTS:
        found = _ends_from(image, unknown, distance, gradients, start)
        if found is not None:
            ends = found if ends is None else ends.and_those(found.those(~_found_before(found, ends)))
    if ends is None:
        return None
    if len(ends) > MOST_ENDS:
        most = np.zeros(len(ends), np.bool_)
        rank = -ends.contrasts
        if before is not None:
            rank[: len(before)] = -np.inf
        most[np.argsort(rank, kind="stable")[:MOST_ENDS]] = True
        ends = ends.those(most)
    return ends if len(ends) else None


def _ends_from(
    image: Floats, unknown: Mask, distance: Floats, gradients: Gradients, start: float
) -> ContourEnds | None:
    """Those that begin in the ring `start` pixels from the hole; other arguments as of `find_ends`."""
    places, outwards = _edges_around(gradients, distance, start)
    if not len(places):
        return None
    paths, lengths = _followed(gradients, distance, places, outwards)
    kept = lengths >= SHORTEST
    if not kept.any():
        return None
    strengths = edge_of(*gradients.at(places[kept]))[0]
    return _fitted(image, unknown, distance, paths[kept], lengths[kept], strengths, start)


def _found_before(found: ContourEnds, ends: ContourEnds) -> Mask:
    """(N,): whether ends are those of contours that were found nearer to the hole."""
    between = found.places[:, None] - ends.places[None]
    beside = np.abs((between * left_of(ends.directions)[None]).sum(axis=-1))
    same = (np.linalg.norm(between, axis=-1) < APART) & (beside < SAME_PLACE)
    same &= found.directions @ ends.directions.T > SAME_DIRECTION
    return np.asarray(same.any(axis=1))


def _edges_around(gradients: Gradients, distance: Floats, start: float) -> tuple[Reals, Reals]:
    """Where edges are strongest in a ring, (N, 2), and their directions away from the hole."""
    near = (distance >= start) & (distance < start + RING)
    near[:2] = near[-2:] = False
    near[:, :2] = near[:, -2:] = False
    row, column = np.nonzero(near)
    places = np.stack((row, column), axis=-1).astype(np.float32)
    strength, normal = edge_of(gradients.down[:, row, column], gradients.across[:, row, column])
    sides = [edge_of(*gradients.at(places + side * normal))[0] for side in (-1, 1)]
    slope_down, slope_across = np.gradient(distance)
    away = np.stack((slope_down, slope_across), axis=-1)[row, column]
    away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
    along = left_of(normal)
    crossing = (along * away).sum(axis=-1)
    along *= np.where(crossing < 0, -1, 1)[:, None]
    top = (strength >= LEAST_STRENGTH) & (strength >= sides[0]) & (strength > sides[1])
    top &= np.abs(crossing) >= (LEAST_CROSSING if start == NEAREST else LEAST_CROSSING_FAR)
    # The vertex of a parabola through the three.
    bend = np.maximum(2 * strength - sides[0] - sides[1], 1e-9)
    places += normal * ((sides[1] - sides[0]) / (2 * bend)).clip(-0.5, 0.5)[:, None]
    strength, places, along = strength[top], places[top], along[top]
    return _apart(strength, places, along)


def _apart(strength: Reals, places: Reals, along: Reals) -> tuple[Reals, Reals]:
    """Without those that are seen twice: of places on one contour, beside each other, the strongest."""
    order = np.argsort(-strength, kind="stable")
    places, along = places[order], along[order]
    between = places[:, None] - places[None]
    beside = np.abs((between * left_of(along)[None]).sum(axis=-1))
    same = ((between**2).sum(axis=-1) < APART**2) & (beside < 1.2)
    same &= (along[:, None] * along[None]).sum(axis=-1) > SAME_DIRECTION
    kept = np.ones(len(places), np.bool_)
    for number in range(len(places)):
        if kept[number]:
            kept[number + 1 :] &= ~same[number + 1 :, number]
    return places[kept], along[kept]


def _followed(gradients: Gradients, distance: Floats, places: Reals, outwards: Reals) -> tuple[Reals, Places]:
    """Follow contours away from the hole: (N, `LONGEST` + 1, 2), and of how many places, (N,)."""
    height, width = distance.shape
    count = len(places)
    paths = np.repeat(places[:, None], LONGEST + 1, axis=1)
    lengths = np.ones(count, np.intp)
    going = np.ones(count, np.bool_)
    direction = outwards.copy()
    first_down, first_across = gradients.at(places)
    first, _normal = edge_of(first_down, first_across)
    side = left_of(direction)
    colours = first_down * side[:, 0] + first_across * side[:, 1]
    colours /= np.maximum(np.linalg.norm(colours, axis=0), 1e-9)
    steps = np.linspace(-1.5, 1.5, 7, dtype=np.float32)
    place = places.copy()
    for number in range(1, LONGEST + 1):
        ahead = place + direction
        side = left_of(direction)
        tried = ahead[:, None] + steps[None, :, None] * side[:, None]
        strength, _normals = edge_of(*gradients.at(tried))
        best = (strength - 1e-4 * np.abs(steps)).argmax(axis=1).clip(1, len(steps) - 2)
        before, middle, behind = (strength[np.arange(count), best + step] for step in (-1, 0, 1))
        bend = 2 * middle - before - behind
        shift = np.where(bend > 1e-9, (behind - before) / np.maximum(2 * bend, 1e-9), 0).clip(-1, 1)
        ahead = ahead + (steps[best] + shift * (steps[1] - steps[0]))[:, None] * side
        down, across = gradients.at(ahead)
        here, normal = edge_of(down, across)
        along = left_of(normal)
        cosine = (along * direction).sum(axis=-1)
        along *= np.where(cosine < 0, -1, 1)[:, None]
        seen = down * side[:, 0] + across * side[:, 1]
        seen /= np.maximum(np.linalg.norm(seen, axis=0), 1e-9)
        going &= here >= SAME_STRENGTH * first
        going &= np.abs(cosine) >= SAME_DIRECTION
        going &= (seen * colours).sum(axis=0) >= SAME_COLOURS
        going &= (ahead >= 1).all(axis=-1) & (ahead[:, 0] < height - 1) & (ahead[:, 1] < width - 1)
        going &= sample(distance[None], ahead)[0] >= NEAREST - 1
        if not going.any():
            break
        direction = direction + along
        direction /= np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-6)
        place = ahead
        paths[going, number] = ahead[going]
        lengths += going
    return paths, lengths


def _fitted(
    image: Floats,
    unknown: Mask,
    distance: Floats,
    paths: Reals,
    lengths: Places,
    strengths: Reals,
    start: float,
) -> ContourEnds:
    """Where the contours meet the hole, and what they look like."""
    places, directions, reached = _meeting(unknown, paths, lengths, start)
    full = _with_start(places, paths, lengths)
    unseen = np.linalg.norm(paths[:, 0] - places, axis=-1).round().astype(np.intp)
    if start == NEAREST:
        unseen[:] = 0
    lengths = np.minimum(lengths + unseen, LONGEST + 1)
    number, hidden = np.arange(LONGEST + 1), unseen[:, None]
    ends, distinct = described(
        image,
        distance,
        (number < lengths[:, None] + 3) & (number >= hidden) & (number < hidden + PROFILED),
        places=places,
        directions=directions,
        paths=full,
        lengths=lengths,
        strengths=strengths,
        unseen=unseen,
    )
    return ends.those(reached & distinct)


def described(
    image: Floats,
    distance: Floats,
    seen: Mask,
    *,
    places: Reals,
    directions: Reals,
    paths: Reals,
    lengths: Places,
    strengths: Reals,
    unseen: Places,
) -> tuple[ContourEnds, Mask]:
    """Ends with the colours that are beside them.

    Args:
        image: (3, H, W) float32 in 0..1, smooth in the hole.
        distance: (H, W), from the hole, pixels.
        seen: (N, `LONGEST` + 1), at which places of the paths the colours are to be taken.
        places, directions, paths, lengths, strengths, unseen: as of `ContourEnds`.

    Returns:
        N of them; and (N,), which have more contrast than colours change along them.
    """
    profiles, known, spread = _profiles(image, distance, paths, seen)
    left, right = (profiles[:, part].mean(axis=1) for part in BESIDE)
    middle = profiles[:, WIDEST - LINE : WIDEST + LINE + 1]
    # The sides of a line may be alike, but not like its middle.
    contrasts = np.maximum(np.abs(left - right), middle.max(axis=1) - middle.min(axis=1)).max(axis=-1)
    ends = ContourEnds(
        places=places,
        directions=directions,
        paths=paths,
        lengths=lengths,
        profiles=profiles,
        known=known,
        contrasts=contrasts,
        strengths=strengths,
        unseen=unseen,
    )
    return ends, np.asarray(contrasts >= LEAST_DISTINCT * spread)


def _meeting(unknown: Mask, paths: Reals, lengths: Places, start: float) -> tuple[Reals, Reals, Mask]:
    """Where parabolas through contours meet the hole: places, directions there, and whether they do."""
    every, number = np.arange(len(paths)), np.arange(paths.shape[1])
    first_place = paths[:, 0]
    inwards = first_place - paths[every, np.minimum(lengths - 1, FITTED // 2)]
    inwards /= np.maximum(np.linalg.norm(inwards, axis=-1, keepdims=True), 1e-6)
    side = left_of(inwards)
    from_start = paths - first_place[:, None]
    along = (from_start * inwards[:, None]).sum(axis=-1)
    beside = (from_start * side[:, None]).sum(axis=-1)
    seen = (number < lengths[:, None]) & (number <= FITTED)
    weight = np.where(seen, np.exp(-2 * number / FITTED), 0)
    powers = np.stack((np.ones_like(along), along, along * along), axis=-1)
    normal = np.einsum("np,npi,npj->nij", weight, powers, powers) + 1e-6 * np.eye(3)
    normal[:, 2, 2] += STRAIGHTNESS
    right = np.einsum("np,npi,np->ni", weight, powers, beside)
    offset, slope, bend = np.linalg.solve(normal, right[..., None])[..., 0].T
    ahead = np.arange(0, 2.5 * start, 0.5)
    curve = offset[:, None] + slope[:, None] * ahead + bend[:, None] * ahead**2
    tried = first_place[:, None] + ahead[:, None] * inwards[:, None] + curve[..., None] * side[:, None]
    last = np.array(unknown.shape) - 1
    row, column = np.moveaxis(tried.round().astype(np.intp).clip(0, last), -1, 0)
    inside = unknown[row, column]
    first = inside.argmax(axis=1)
    directions = inwards + (slope + 2 * bend * ahead[first])[:, None] * side
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return tried[every, first], directions, inside.any(axis=1)


def _with_start(places: Reals, paths: Reals, lengths: Places) -> Reals:
    """Paths that begin at the hole, a pixel apart."""
    count, number = paths.shape[:2]
    full = np.empty_like(paths)
    for at in range(count):
        seen = np.concatenate((places[at][None], paths[at, : lengths[at]]))
        length = np.concatenate(([0], np.linalg.norm(np.diff(seen, axis=0), axis=1).cumsum()))
        wanted = np.minimum(np.arange(number), length[-1])
        for axis in (0, 1):
            full[at, :, axis] = np.interp(wanted, length, seen[:, axis])
    return full


def normals_of(paths: Reals) -> Reals:
    """(N, P, 2) to the same: of paths away from the hole, what is left of who looks into it."""
    padded = np.pad(paths, ((0, 0), (SMOOTH, SMOOTH), (0, 0)), mode="edge")
    inwards = padded[:, : -2 * SMOOTH] - padded[:, 2 * SMOOTH :]
    inwards = inwards / np.maximum(np.linalg.norm(inwards, axis=-1, keepdims=True), 1e-6)
    return left_of(inwards)


def _profiles(image: Floats, distance: Floats, paths: Reals, seen: Mask) -> tuple[Reals, Reals, Reals]:
    """Mean colours across contours, at those places of the paths where they are seen.

    Returns:
        (N, 2 `WIDEST` + 1, 3); (N, 2 `WIDEST` + 1), the share of them that is known; and (N,), how far
        single ones are from the mean.
    """
    steps = np.arange(-WIDEST, WIDEST + 1, dtype=np.float32)
    part = slice(2, 3 + int(np.flatnonzero(seen.any(axis=0)).max(initial=PROFILED)))
    # From the left to the right of who looks into the hole.
    tried = paths[:, part, None] - steps[None, None, :, None] * normals_of(paths)[:, part, None]
    colours = sample(image, tried)
    weight = seen[:, part, None] & (sample(distance[None], tried)[0] >= 0.5)
    weight = weight.astype(np.float32) + 1e-4
    total = weight.sum(axis=1)
    mean = (colours * weight).sum(axis=2) / total
    square = (np.square(colours - mean[:, :, None]) * weight).sum(axis=2) / total
    return (
        np.moveaxis(mean, 0, -1),
        total / (PROFILED - 2),
        np.sqrt((square.mean(axis=0) * NEAR).sum(axis=-1)),
    )
