"""The curve of a training run, drawn from its log."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # no screen is needed to draw into a file
from matplotlib import pyplot as plt

SMOOTH = 20
"""Log lines that a point of the curve averages: single steps say little."""


def draw_curve(log: Path, picture: Path) -> bool:
    """Draw each loss of a `log.jsonl` over the steps.

    Returns:
        Whether there was enough to draw: a run of fewer than two log lines has no curve.
    """
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    if len(lines) < 2:
        return False
    names = [name for name in lines[-1] if name not in ("step", "seconds", "norm")]
    figure, axes = plt.subplots(len(names), figsize=(7, 2.4 * len(names)), sharex=True, squeeze=False)
    window = min(SMOOTH, len(lines))
    steps = np.convolve([line["step"] for line in lines], np.ones(window) / window, "valid")
    for name, axis in zip(names, axes[:, 0], strict=True):
        values = np.array([line.get(name, np.nan) for line in lines])
        axis.plot(steps, np.convolve(values, np.ones(window) / window, "valid"), linewidth=1)
        axis.set_ylabel(name)
        axis.grid(visible=True, alpha=0.3)
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    plt.close(figure)
    return True
