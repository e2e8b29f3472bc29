"""Figures for how good a fill is, where the truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.metrics import structural_similarity

from lama_core.evaluation.perceptual import PerceptualNetwork, feature_distance

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


def hole_l1(filled: Picture, truth: Picture, hole: Hole) -> float:
    """Mean absolute difference in the hole: (H, W, 3) uint8 twice, (H, W) bool; of 255."""
    return float(np.abs(filled[hole].astype(np.float64) - truth[hole]).mean())


def hole_psnr(filled: Picture, truth: Picture, hole: Hole) -> float:
    """Peak signal-to-noise ratio in the hole: (H, W, 3) uint8 twice, (H, W) bool; dB, inf where equal."""
    error = float(np.square(filled[hole].astype(np.float64) - truth[hole]).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(filled: Picture, truth: Picture) -> float:
    """Structural similarity with its paper's Gaussian window: (H, W, 3) uint8 twice, sides of 11 or more."""
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            filled,
            truth,
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def score(filled: Picture, truth: Picture, hole: Hole, network: PerceptualNetwork) -> Score:
    """All figures of one fill.

    Args:
        filled: (H, W, 3) uint8.
        truth: (H, W, 3) uint8.
        hole: (H, W) bool, not empty.
        network: gives the features.
    """
    a, b = (
        torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255 for picture in (filled, truth)
    )
    return Score(
        hole_l1=hole_l1(filled, truth, hole),
        psnr=hole_psnr(filled, truth, hole),
        ssim=ssim(filled, truth),
        feature_distance=float(feature_distance(network, a, b)),
    )


def mean_score(scores: list[Score]) -> Score:
    """The mean of each figure over a list that is not empty."""
    return Score(
        hole_l1=float(np.mean([one.hole_l1 for one in scores])),
        psnr=float(np.mean([one.psnr for one in scores])),
        ssim=float(np.mean([one.ssim for one in scores])),
        feature_distance=float(np.mean([one.feature_distance for one in scores])),
    )
