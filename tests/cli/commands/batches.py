"""What tests of `lama-fill batch` share: how it is run, and the pictures in its folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Run = Callable[..., tuple[int, str, str]]
"""Takes arguments; gives the exit status, what was printed, and what was said to the user."""


def save(pixels: np.ndarray, path: str) -> None:
    """Write a picture of the current folder, in a folder that is made."""
    Path(path).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def read(path: str) -> np.ndarray:
    """The pixels of a picture."""
    with Image.open(path) as image:
        return np.asarray(image)
