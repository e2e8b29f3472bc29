"""LPIPS and FID, by the package torchmetrics, where it and the weights of their networks are at hand.

They are the figures of the paper (section 3). Nothing here needs them: the feature distance stands in.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from lama_core.client.errors import LamaFillError
from lama_core.research.evaluation.metrics import Picture


class MetricError(LamaFillError):
    """A metric cannot be computed here."""


class LearnedMetric:
    """A metric of whole sets of fills, one set for each method."""

    def __init__(self, new: Callable[[], Any], update: Callable[[Any, Tensor, Tensor], None]) -> None:
        """Keep how such a metric is made and fed.

        Args:
            new: makes an object of torchmetrics.
            update: gives it a fill and its photo, (1, 3, H, W) float in 0..1 each.
        """
        self._new = new
        self._update = update
        self._sets: dict[str, Any] = {}

    def add(self, method: str, filled: Picture, truth: Picture) -> None:
        """Take a method's fill into account: (H, W, 3) uint8 twice."""
        if method not in self._sets:
            self._sets[method] = self._new()
        pictures = (
            torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
            for picture in (filled, truth)
        )
        with torch.no_grad():
            self._update(self._sets[method], *pictures)

    def check(self) -> None:
        """Make one, and throw it away: what it needs is there when this returns."""
        self._new()

    def take(self) -> dict[str, float]:
        """The value for each method, and begin new sets."""
        values = {method: float(one.compute()) for method, one in self._sets.items()}
        for one in self._sets.values():
            one.reset()
        return values


def _lpips() -> LearnedMetric:
    """Learned perceptual image patch similarity over AlexNet (Zhang et al., 2018); lower is better."""
    package = importlib.import_module("torchmetrics.image.lpip")
    return LearnedMetric(
        lambda: package.LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True),
        lambda one, filled, truth: one.update(filled, truth),
    )


def _fid() -> LearnedMetric:
    """Frechet inception distance (Heusel et al., 2017) of all fills to all photos; lower is better.

    It wants thousands of pictures: of a few it says little.
    """
    package = importlib.import_module("torchmetrics.image.fid")

    def update(one: Any, filled: Tensor, truth: Tensor) -> None:
        one.update(truth, real=True)
        one.update(filled, real=False)

    return LearnedMetric(lambda: package.FrechetInceptionDistance(feature=2048, normalize=True), update)


LEARNED: Mapping[str, Callable[[], LearnedMetric]] = MappingProxyType({"lpips": _lpips, "fid": _fid})


def learned_metrics(names: Iterable[str]) -> dict[str, LearnedMetric]:
    """The metrics of these names, ready.

    Raises:
        MetricError: there is none of a name, its package is missing, or its network's weights are.
    """
    metrics: dict[str, LearnedMetric] = {}
    for name in names:
        if name not in LEARNED:
            raise MetricError(f"there is no metric {name!r}: there are {', '.join(LEARNED)}")
        try:
            metrics[name] = LEARNED[name]()
            # Making one loads its network: what is missing must show before hours of fills, not after.
            metrics[name].check()
        except ModuleNotFoundError as error:
            raise MetricError(f"{error.name} is missing: pip install 'torchmetrics[image]'") from error
        except Exception as error:  # a download that fails does so in any way
            reason = " ".join(str(error).split())[:200]
            raise MetricError(f"{name} cannot be computed here: {reason}") from error
    return metrics
