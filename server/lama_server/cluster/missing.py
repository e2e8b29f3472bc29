"""Whether Ray is installed; found out without importing it, which takes a second."""

from __future__ import annotations

import importlib.util

from lama_core.client.errors import LamaFillError

HOW_TO_GET = "the Ray engine needs the package ray, which is not installed: pip install 'lama-fill[ray]'"


class RayMissingError(LamaFillError):
    """Ray is not installed."""


def check_ray() -> None:
    """Raises RayMissingError, which says how to get it."""
    if importlib.util.find_spec("ray") is None:
        raise RayMissingError(HOW_TO_GET)
