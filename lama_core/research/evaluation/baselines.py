"""Fills without a network, to compare with."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from lama_core.model.prefill import push_pull
from lama_core.research.evaluation.metrics import Hole, Picture

RADIUS = 3
"""Pixels around each filled one that OpenCV looks at."""


def telea(photo: Picture, hole: Hole) -> Picture:
    """OpenCV's fast marching fill (Telea, 2004): (H, W, 3) uint8 and (H, W) bool to (H, W, 3) uint8."""
    return np.asarray(cv2.inpaint(photo, hole.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA), np.uint8)


def navier_stokes(photo: Picture, hole: Hole) -> Picture:
    """OpenCV's fluid fill (Bertalmio et al., 2001): (H, W, 3) uint8 and (H, W) bool to (H, W, 3) uint8."""
    return np.asarray(cv2.inpaint(photo, hole.astype(np.uint8), RADIUS, cv2.INPAINT_NS), np.uint8)


def push_pull_fill(photo: Picture, hole: Hole) -> Picture:
    """The smooth push-pull fill: (H, W, 3) uint8 and (H, W) bool to (H, W, 3) uint8."""
    image = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
    smooth = push_pull(image, torch.from_numpy(hole.copy())[None, None].float())
    filled = (smooth[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return np.where(hole[:, :, None], filled, photo)
