"""Figures for how good a fill is, where the truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lama_core.research.evaluation.artifact_metrics import boundary_step, grain_ratio
from lama_core.research.networks.perceptual import PerceptualNetwork, direction_difference

Picture = npt.NDArray[np.uint8]
Hole = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How far a fill is from the truth."""

    hole_l1: float
    """Mean absolute difference in the hole, of 255; lower is better."""
    psnr: float
    """Peak signal-to-noise ratio in the hole, dB; higher is better, and blur is rewarded on large holes."""
    ssim: float
    """Structural similarity of the whole picture (Wang et al., 2004), at most 1; higher is better."""
    feature_distance: float
    """How different the whole picture looks to a segmentation network; lower is better, 0 is the same."""
    boundary_step: float
    """Steps across the hole's boundary as a multiple of those around it; above 1 a seam may show."""
    grain_ratio: float
    """Grain in the hole as a multiple of that around it; below 1 the fill is too smooth."""


def hole_l1(filled: Picture, truth: Picture, hole: Hole) -> float:
    """Mean absolute difference in the hole: (H, W, 3) uint8 twice, (H, W) bool; of 255."""
    return float(np.abs(filled[hole].astype(np.float64) - truth[hole]).mean())


def hole_psnr(filled: Picture, truth: Picture, hole: Hole) -> float:
    """Peak signal-to-noise ratio in the hole: (H, W, 3) uint8 twice, (H, W) bool; dB, inf where equal."""
    error = float(np.square(filled[hole].astype(np.float64) - truth[hole]).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(filled: Picture, truth: Picture) -> float:
    """Structural similarity with its paper's Gaussian window of 11 pixels, sigma 1.5.

    Args:
        filled: (H, W, 3) uint8, sides of 11 or more.
        truth: the same.

    Returns:
        The mean over channels and all places where the window lies inside the picture.
    """
    # Around 0 float32 is exact enough: variances do not change, and means are moved back.
    x, y = (picture.astype(np.float32) - 128 for picture in (filled, truth))
    mean_x, mean_y = _window(x), _window(y)
    variances = _window(x * x) - mean_x * mean_x + _window(y * y) - mean_y * mean_y
    covariance = _window(x * y) - mean_x * mean_y
    mean_x += 128
    mean_y += 128
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * covariance + c2) / (variances + c2)
    values = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1) * structure
    return float(values[5:-5, 5:-5].mean(dtype=np.float64))


def _window(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5), np.float32)


class Judge:
    """Gives fills of one photograph their figures; what it needs of the photograph is worked out once."""

    def __init__(self, truth: Picture, hole: Hole, network: PerceptualNetwork | None) -> None:
        """Look at the photograph.

        Args:
            truth: (H, W, 3) uint8.
            hole: (H, W) bool, not empty.
            network: gives the features; None where their distance is not asked for, which takes longer than
                all the rest: it is not a number then.
        """
        self._truth = truth
        self._hole = hole
        self._network = network
        self._features = [] if network is None else _features(network, truth)

    def score(self, filled: Picture) -> Score:
        """All figures of one fill, (H, W, 3) uint8."""
        distance = math.nan
        if self._network is not None:
            distance = float(direction_difference(_features(self._network, filled), self._features))
        return Score(
            hole_l1=hole_l1(filled, self._truth, self._hole),
            psnr=hole_psnr(filled, self._truth, self._hole),
            ssim=ssim(filled, self._truth),
            feature_distance=distance,
            boundary_step=boundary_step(filled, self._hole),
            grain_ratio=grain_ratio(filled, self._hole),
        )

    def original(self) -> Score:
        """The figures of the photograph itself: no difference, and what traces there are without a fill."""
        return Score(
            hole_l1=0.0,
            psnr=math.inf,
            ssim=1.0,
            feature_distance=math.nan if self._network is None else 0.0,
            boundary_step=boundary_step(self._truth, self._hole),
            grain_ratio=grain_ratio(self._truth, self._hole),
        )


def _features(network: PerceptualNetwork, picture: Picture) -> list[Tensor]:
    with torch.no_grad():
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        features: list[Tensor] = network(image)
    return features


def mean_score(scores: Sequence[Score]) -> Score:
    """The mean of each figure over one or more: of ratios the geometric one, of which 2 and 1/2 give 1."""
    return Score(
        hole_l1=float(np.mean([one.hole_l1 for one in scores])),
        psnr=float(np.mean([one.psnr for one in scores])),
        ssim=float(np.mean([one.ssim for one in scores])),
        feature_distance=float(np.mean([one.feature_distance for one in scores])),
        boundary_step=float(np.exp(np.mean([math.log(one.boundary_step) for one in scores]))),
        grain_ratio=float(np.exp(np.mean([math.log(one.grain_ratio) for one in scores]))),
    )
