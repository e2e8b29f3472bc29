"""The LaMa generator and its weights."""

from __future__ import annotations

from lama_core.model.config import GeneratorConfig
from lama_core.model.generator import Generator

__all__ = ["Generator", "GeneratorConfig"]
