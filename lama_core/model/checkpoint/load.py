"""From a file of weights, in any form, to a generator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from lama_core.model.checkpoint.architecture import (
    check_size,
    check_tensors,
    check_unsupported,
    empty_generator,
    find_config,
)
from lama_core.model.checkpoint.detect import Opened, open_weights
from lama_core.model.checkpoint.errors import (
    ArchitectureError,
    DamagedFileError,
    NotACheckpointError,
    WeightsError,
)
from lama_core.model.checkpoint.keys import KeyMapping, find_key_mapping, is_batchnorm_counter
from lama_core.model.checkpoint.safetensors_file import FORMAT, TENSORS_HASH, hash_weights
from lama_core.model.config import GeneratorConfig
from lama_core.model.generator import Generator


def read_generator(path: Path, *, device: str | torch.device = "cpu") -> Generator:
    """Read a generator from any form of weights.

    Known forms: the official folder (config.yaml and models/best.ckpt), its zip, the checkpoint alone (also
    as PyTorch wrote it before 1.6), a TorchScript archive, a bare state dict in the official names or ours,
    and safetensors. The architecture is found out from the weights. Nothing inside a file is ever executed,
    and only the generator's tensors are read into memory.

    Args:
        path: of the file or the official folder.
        device: where the weights go.

    Returns:
        The generator in eval mode, in float32.

    Raises:
        CheckpointError: what is wrong with the file, in one line.
    """
    with open_weights(path) as opened:
        try:
            generator = _read(opened)
        except (ArchitectureError, WeightsError) as error:
            raise type(error)(f"{opened.file.label}: {error}") from error
    return generator.eval().to(device)


def _read(opened: Opened) -> Generator:
    file = opened.file
    if not file.tensors:
        raise NotACheckpointError(
            f"{file.label} holds no tensors by name: it is no checkpoint of a generator"
        )
    keys = find_key_mapping(file.tensors)
    if keys is None:
        raise ArchitectureError(f"none of its {len(file.tensors)} tensors is of an FFC generator as LaMa's")
    check_unsupported(name for name in file.tensors if name.startswith(keys.prefix))
    config = _own_config(file.metadata, file.label)
    if config is not None:
        keys = KeyMapping(
            prefix=keys.prefix,
            official=keys.official,
            downsamplings=config.downsamplings,
            blocks=config.blocks,
        )
    check_size(keys)
    in_file, others = keys.to_ours(file.tensors)
    found = {ours: file.tensors[name] for ours, name in in_file.items()}
    if config is None:
        config = find_config(found, keys, output=opened.output or "sigmoid")
    generator = empty_generator(config)
    check_tensors(generator, found, keys, others)

    state: dict[str, Tensor] = {}
    for name in generator.state_dict():
        if is_batchnorm_counter(name):
            state[name] = torch.tensor(0)
            continue
        values = file.read(in_file[name]).to(torch.float32).clone(memory_format=torch.contiguous_format)
        if not torch.isfinite(values).all():
            raise WeightsError(
                f"tensor {in_file[name]} holds a NaN or an infinite value; the file is of no use"
            )
        state[name] = values
    recorded = file.metadata.get(TENSORS_HASH)
    if file.metadata.get("format") == FORMAT and recorded and hash_weights(state) != recorded:
        raise DamagedFileError(
            f"{file.label} has changed since it was written: remove it and import it, or fetch it, again"
        )
    generator.load_state_dict(state, assign=True)
    return generator


def _own_config(metadata: Mapping[str, str], label: str) -> GeneratorConfig | None:
    """The architecture that our own files carry."""
    if metadata.get("format") != FORMAT:
        return None
    try:
        values = json.loads(metadata["config"])
        types = {field.name: type(field.default) for field in fields(GeneratorConfig)}
        if not isinstance(values, dict) or any(types.get(name) is not type(v) for name, v in values.items()):
            raise ValueError("not the fields of a GeneratorConfig")
        return GeneratorConfig(**values)
    except (KeyError, ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{label} is damaged: its description of the architecture is not readable"
        ) from error
