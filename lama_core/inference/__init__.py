"""The generator compiled for a device: the same prediction as the plain one, several times as fast."""

from __future__ import annotations

from lama_core.inference.compile import FastError, compile_generator, precision_of
from lama_core.inference.generator import FastGenerator, Precision
from lama_core.inference.load import load_fast

__all__ = ["FastError", "FastGenerator", "Precision", "compile_generator", "load_fast", "precision_of"]
