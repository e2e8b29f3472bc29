"""From a file of weights to a compiled generator, by way of what an earlier load left in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch

from lama_core import kernels
from lama_core.inference.cache import Cache, read_kernel_use, write_kernel_use
from lama_core.inference.choosing import BackendOf, choose_kernel_use
from lama_core.inference.compile import PRECISIONS, UseOf, compile_folded, folded_in, precision_of
from lama_core.inference.fold import Folded, fold
from lama_core.inference.generator import FastGenerator, Precision
from lama_core.inference.kernel_use import KernelUse
from lama_core.inference.memory import give_back_freed_memory
from lama_core.model.checkpoint import read_generator
from lama_core.model.config import GeneratorConfig
from lama_core.model.generator import Generator
from lama_core.model.installed.registry import resolve


def load_fast(
    path_or_name: str | Path,
    *,
    device: str | torch.device = "cpu",
    precision: Precision | Literal["auto"] = "auto",
) -> FastGenerator:
    """Load a generator from any form of weights, or an installed one by its name, and compile it.

    The same as `compile_generator(load_generator(...))`; but what the compiled kernels are used for is
    measured (see `lama_core.inference.choosing`). That, folded weights and the choice of a precision are kept
    in the user's cache folder, so that the next load is a quick one. The plain generator is then loaded when
    it is first asked for.

    Raises:
        UnknownModelError, CheckpointError: as `load_generator`.
        FastError: as `compile_generator`.
    """
    path, place = resolve(path_or_name), torch.device(device)
    cache = Cache.of(path)
    wanted = precision
    if cache is not None and precision == "auto":
        choice = cache.read_choice(str(place))
        wanted = precision_of(choice) if choice in PRECISIONS else "auto"
    if cache is not None and wanted != "auto":
        found = _from_cache(cache, path, place, wanted)
        if found is not None:
            return found
    generator = read_generator(path)
    folded = fold(generator)
    config = generator.config
    fast = compile_folded(
        folded, config, _loader(path), device=place, precision=wanted, use_of=_known_use(config, place)
    )
    if cache is not None:
        if precision == "auto":
            cache.write_choice(str(place), fast.precision)
        rounded = folded_in(fast.precision, folded)
        cache.write_weights(fast.precision, rounded, asdict(config))
        del rounded
    del generator, folded
    give_back_freed_memory()
    return fast


def _from_cache(cache: Cache, path: Path, device: torch.device, precision: Precision) -> FastGenerator | None:
    kept = cache.read_weights(precision)
    if kept is None:
        return None
    folded, facts = kept
    try:
        config = GeneratorConfig(**facts)
        return compile_folded(
            folded,
            config,
            _loader(path),
            device=device,
            precision=precision,
            use_of=_known_use(config, device),
        )
    except (TypeError, ValueError, KeyError):  # written by another version
        return None


def _known_use(config: GeneratorConfig, device: torch.device) -> UseOf:
    """What an earlier load measured, of this or another model of the same sizes, else a measurement."""

    def use_of(precision: Precision, folded: Folded, backend_of: BackendOf) -> KernelUse:
        if device.type != "cpu" or not kernels.available():
            return KernelUse()
        layers = f"{precision} {config.local_channels}+{config.global_channels}"
        known = read_kernel_use(str(device), layers)
        if known is None:
            known = choose_kernel_use(folded, config, backend_of)
            write_kernel_use(str(device), layers, known)
        return known

    return use_of


def _loader(path: Path) -> Callable[[], Generator]:
    return lambda: read_generator(path)
