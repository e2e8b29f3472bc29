"""The generator compiled for a device: the same prediction as the plain one, several times as fast."""

from __future__ import annotations

from lama_core.fast.compile import PRECISIONS, FastError, compile_generator
from lama_core.fast.generator import FastGenerator, Precision
from lama_core.fast.load import load_fast

__all__ = ["PRECISIONS", "FastError", "FastGenerator", "Precision", "compile_generator", "load_fast"]
