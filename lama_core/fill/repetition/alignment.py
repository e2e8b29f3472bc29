"""Steps along a plane to a fraction of a pixel, and which of them hold around the hole.

The vanishing line and all steps are found together by Gauss-Newton: what a step shows should be what is
there (Baker and Matthews, 2004, "Lucas-Kanade 20 Years On"). Differences of light are left to the tone of
pieces, so each step may be brighter or darker as a whole.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lama_core.fill.common.filters import gaussian_blur
from lama_core.fill.common.sampling import Reals, sample
from lama_core.fill.repetition.detection import Steps
from lama_core.fill.repetition.plane import Frame, translated
from lama_core.image.pixels import Floats, Mask

BLUR = 1.5
"""Standard deviation of the Gaussian before pictures are compared, pixels: differences stay smooth over what
a step may be wrong by."""

SURROUNDINGS = 8.0
"""Standard deviation of the Gaussian that detail is without, pixels."""

MOST_COMPARED = 1200
MIN_COMPARED = 30
"""Pixels that are compared for each step."""

FLAT = 0.4
"""This share of the pixels, those of the smallest slopes, says nothing of where a step leads."""

DAMPING = 1e-3
MIN_SCALE = 0.004
"""The smallest difference, of white, beyond which a pixel counts less (Geman and McClure)."""

MAX_TURN, MAX_MOVE = 0.05, 2.0
"""By how much a vanishing line and a step, pixels, may change at once."""

ITERATIONS = 5
DIFFERENCE = 1e-4
"""Derivatives are taken over so much of a parameter."""

MIN_LENGTH = 3.0
APART = 2.0
"""Steps shorter than this are none, and those nearer to each other are the same, pixels."""

MIN_SEEN = 0.05
"""A step shows at least this share of the hole."""

MIN_CORRELATION = 0.75
"""The detail that a step shows around the hole correlates so much with what is there."""

FRACTIONS = (0.38, 0.29)
MIN_FALL = 0.4
"""Where a step may be shortened to any of these shares and still holds, the picture does not repeat but is
the same all along, as a horizon is: the correlation has to fall by this. In rendered and real pictures it
falls by 0.8 or more where something repeats, and by less than 0.1 elsewhere."""

MOST_STEPS = 24


class _Compared:
    """Pixels around the hole, and what is seen at a step from them."""

    def __init__(self, image: Tensor, known: Mask, near: Mask) -> None:
        self.frame = Frame(height=known.shape[0], width=known.shape[1])
        self._known = known
        light = gaussian_blur(image.mean(dim=0, keepdim=True), BLUR)[0].numpy()
        down, across = np.gradient(light)
        # What is left without the large bright and dark parts of the picture, which most steps share.
        detail = light - gaussian_blur(torch.from_numpy(light)[None], SURROUNDINGS)[0].numpy()
        self._planes: Floats = np.stack((light, down, across, detail))
        slope = np.hypot(down, across)
        usable = known & near
        usable &= slope > np.quantile(slope[usable], FLAT)
        pixels = np.argwhere(usable)
        chosen = np.random.default_rng(0).permutation(len(pixels))[:MOST_COMPARED]
        self.places = self.frame.places(pixels[chosen])
        self.light = light[usable][chosen]
        self.detail = detail[usable][chosen]

    def seen(self, vanishing: Reals, step: Reals) -> tuple[NDArray[np.intp], Reals]:
        """Which of the pixels have something known at a step, and where that is: rows and columns."""
        pixels = self.frame.pixels(translated(self.places, vanishing, step))
        there = self.frame.holds(pixels)
        row, column = pixels[there].round().astype(np.intp).T
        there[there] = self._known[row, column]
        return np.flatnonzero(there), pixels[there]

    def at(self, pixels: Reals) -> Floats:
        """(4, N): light there, its slopes down and across, and its detail."""
        return sample(self._planes, pixels)


def align_steps(steps: Steps, image: Tensor, known: Mask, near: Mask) -> Steps | None:
    """Find steps exactly, add what they make together, and leave out what does not hold.

    Args:
        steps: roughly.
        image: (3, H, W) float32.
        known: (H, W), what can be compared.
        near: (H, W), where steps are to hold: around the hole.

    Returns:
        Both directions of each; None where none holds.
    """
    if np.count_nonzero(known & near) < 4 * MIN_COMPARED:
        return None
    compared = _Compared(image, known, near)
    exact = _solved(steps, compared)
    holding = [step for step in exact.steps if _holds(compared, exact.vanishing, step)]
    discrete = [step for step in holding if _is_discrete(compared, exact.vanishing, step)]
    if not discrete or 2 * len(discrete) < len(holding):
        return None
    candidates = _sums(exact.steps, compared.frame.side)
    hole = compared.frame.places(np.argwhere(~known & near)[:: max(1, int((~known & near).sum()) // 500)])
    held = []
    for step in candidates:
        if _share_seen(hole, exact.vanishing, step, compared.frame, known) < MIN_SEEN:
            continue
        correlation = _correlation(compared, exact.vanishing, step)
        if correlation >= MIN_CORRELATION:
            held.append((4 * (1 - correlation) + float(np.linalg.norm(step)), step))
    if not held:
        return None
    held.sort(key=lambda one: one[0])
    best = Steps(vanishing=exact.vanishing, steps=np.array([step for _, step in held[:MOST_STEPS]]))
    return _solved(best, compared)


def _sums(steps: Reals, side: int) -> list[Reals]:
    """Steps, their opposites and the sums of two of them, each once."""
    several: list[Reals] = []
    single = [*steps, *-steps]
    for one in single:
        for candidate in (one, *(one + other for other in single)):
            if np.linalg.norm(candidate) * side < MIN_LENGTH:
                continue
            if all(np.linalg.norm(candidate - other) * side > APART for other in several):
                several.append(candidate)
    return several


def _holds(compared: _Compared, vanishing: Reals, step: Reals) -> bool:
    """Whether a step shows what is there."""
    return _correlation(compared, vanishing, step) >= MIN_CORRELATION


def _is_discrete(compared: _Compared, vanishing: Reals, step: Reals) -> bool:
    """Whether a step holds for its length, not whatever that is."""
    shorter = min(_correlation(compared, vanishing, share * step) for share in FRACTIONS)
    return shorter <= _correlation(compared, vanishing, step) - MIN_FALL


def _share_seen(hole: Reals, vanishing: Reals, step: Reals, frame: Frame, known: Mask) -> float:
    """Which share of the hole's places has something known at a step."""
    pixels = frame.pixels(translated(hole, vanishing, step))
    there = frame.holds(pixels)
    row, column = pixels[there].round().astype(np.intp).T
    return float(np.count_nonzero(known[row, column]) / len(hole))


def _correlation(compared: _Compared, vanishing: Reals, step: Reals) -> float:
    index, pixels = compared.seen(vanishing, step)
    if len(index) < MIN_COMPARED:
        return 0.0
    here, there = compared.detail[index], compared.at(pixels)[3]
    here, there = here - here.mean(), there - there.mean()
    return float((here * there).sum() / np.sqrt((here * here).sum() * (there * there).sum() + 1e-9))


def _solved(steps: Steps, compared: _Compared) -> Steps:
    """The vanishing line and all steps at which differences are least."""
    vanishing: Reals = steps.vanishing
    moves: Reals = steps.steps.copy()
    side = compared.frame.side
    for _ in range(ITERATIONS):
        normal = np.zeros((2 + 2 * len(moves),) * 2)
        right = np.zeros(2 + 2 * len(moves))
        for number, step in enumerate(moves):
            index, pixels = compared.seen(vanishing, step)
            if len(index) < MIN_COMPARED:
                continue
            light, down, across, _ = compared.at(pixels)
            residual = light - compared.light[index]
            residual -= np.median(residual)
            scale = max(1.5 * float(np.median(np.abs(residual))), MIN_SCALE)
            weight = 1 / (1 + (residual / scale) ** 2) ** 2
            slopes = np.stack((down, across), axis=1)
            jacobian = np.empty((len(index), 4))
            for parameter in range(4):
                change = np.zeros(4)
                change[parameter] = DIFFERENCE
                moved = translated(compared.places[index], vanishing + change[:2], step + change[2:])
                moved = compared.frame.pixels(moved) - pixels
                jacobian[:, parameter] = (slopes * moved).sum(axis=1) / DIFFERENCE
            at = np.array((0, 1, 2 + 2 * number, 3 + 2 * number))
            normal[np.ix_(at, at)] += jacobian.T @ (weight[:, None] * jacobian)
            right[at] += jacobian.T @ (weight * residual)
        diagonal = np.diag_indices_from(normal)
        normal[diagonal] = normal[diagonal] * (1 + DAMPING) + 1e-6 * normal[diagonal].max() + 1e-9
        solution = -np.linalg.solve(normal, right)
        vanishing = vanishing + _at_most(solution[:2], MAX_TURN)
        for number in range(len(moves)):
            moves[number] += _at_most(solution[2 + 2 * number : 4 + 2 * number], MAX_MOVE / side)
    return Steps(vanishing=vanishing, steps=moves)


def _at_most(change: Reals, length: float) -> Reals:
    """A change, shortened where it is longer."""
    return np.asarray(change * min(1.0, length / max(float(np.linalg.norm(change)), 1e-12)))
