"""Finding out a generator's architecture from its weights, and whether they are complete."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import torch

from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import ArchitectureError, WeightsError
from lama_core.model.checkpoint.keys import MAX_BLOCKS, MAX_DOWNSAMPLINGS, KeyMapping, is_batchnorm_counter
from lama_core.model.checkpoint.tensors import StoredTensor
from lama_core.model.config import GeneratorConfig, Output
from lama_core.model.generator import Generator

_MAX_CHANNELS = 8192
_MAX_VALUES = 1 << 29
"""2 GiB in float32, ten times big-lama. A file that asks for more is not meant well."""

_DEFAULT_MAX_CHANNELS = 1024
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# What else the official code can be told to build, by a part of the names that its tensors get.
_UNSUPPORTED: Mapping[str, str] = {
    ".ffc.gate.": "gated FFC",
    ".fu.se.": "squeeze-and-excitation in the Fourier unit",
    ".lfu.se.": "squeeze-and-excitation in the local Fourier unit",
    ".impl.": "learned spatial transforms",
    ".convg2g.downsample.": "a global branch before the blocks",
}


def check_size(keys: KeyMapping) -> None:
    """Check that there are not absurdly many layers, before anything is done for each of them.

    Raises:
        ArchitectureError: there are, or there are none.
    """
    if not 1 <= keys.downsamplings <= MAX_DOWNSAMPLINGS:
        raise ArchitectureError(
            f"it has {keys.downsamplings} downsamplings; 1 to {MAX_DOWNSAMPLINGS} are supported"
        )
    if not 1 <= keys.blocks <= MAX_BLOCKS:
        raise ArchitectureError(f"it has {keys.blocks} FFC blocks; 1 to {MAX_BLOCKS} are supported")


def find_config(tensors: Mapping[str, StoredTensor], keys: KeyMapping, *, output: Output) -> GeneratorConfig:
    """The architecture whose weights these are.

    Each number is taken from all tensors that show it, by majority: one tensor of a wrong shape is then the
    one that does not fit, and not what all others are measured by.

    Args:
        tensors: by our names.
        keys: how many downsamplings and blocks there are, which `check_size` has passed.
        output: what the weights cannot tell.

    Raises:
        ArchitectureError: there is no such generator.
    """

    def sizes(module: str, axis: int) -> Iterable[int]:
        shape = tensors[f"{module}.weight"].shape if f"{module}.weight" in tensors else ()
        return shape[axis : axis + 1]

    last = f"downs.{keys.downsamplings - 1}"
    convs = [last, *(f"blocks.{block}.conv{n}" for block in range(keys.blocks) for n in (1, 2))]
    width = _majority(
        "width",
        [
            *sizes("stem.ffc.local_to_local", 0),
            *sizes("stem.norm_local", 0),
            *sizes("downs.0.ffc.local_to_local", 1),
            *sizes(f"ups.{keys.downsamplings - 1}.conv", 1),
            *sizes(f"ups.{keys.downsamplings - 1}.norm", 0),
            *sizes("head", 1),
        ],
    )
    local_channels, global_channels = (
        _majority(
            f"{branch} channels", [n for c in convs for m in (path, norm) for n in sizes(f"{c}.{m}", 0)]
        )
        for branch, path, norm in (
            ("local", "ffc.local_to_local", "norm_local"),
            ("global", "ffc.local_to_global", "norm_global"),
        )
    )
    total = local_channels + global_channels
    capped = total < width * 2**keys.downsamplings
    ratio = global_channels / total
    if int(total * ratio) != global_channels:
        ratio = (global_channels + 0.5) / total  # the quotient's last bit was lost
    try:
        return GeneratorConfig(
            width=width,
            blocks=keys.blocks,
            downsamplings=keys.downsamplings,
            max_channels=total if capped else max(total, _DEFAULT_MAX_CHANNELS),
            global_ratio=ratio,
            local_fourier_unit=any(".local_fourier_unit." in name for name in tensors),
            output=output,
        )
    except ValueError as error:
        raise ArchitectureError(f"its architecture is not supported: {error}") from error


def _majority(what: str, sizes: list[int]) -> int:
    if not sizes:
        raise ArchitectureError(f"its {what} cannot be told: too many tensors are missing")
    size = Counter(sizes).most_common(1)[0][0]
    if not 1 <= size <= _MAX_CHANNELS:
        raise ArchitectureError(f"its {what} would be {size}; 1 to {_MAX_CHANNELS} are supported")
    return size


def empty_generator(config: GeneratorConfig) -> Generator:
    """A generator without memory for its weights: they are assigned later.

    Raises:
        ArchitectureError: it would be too large.
    """
    # Before anything is built: a config may come from a file too.
    if config.blocks > MAX_BLOCKS or config.channels(config.downsamplings) > _MAX_CHANNELS:
        raise ArchitectureError(f"it would have more than {MAX_BLOCKS} blocks or {_MAX_CHANNELS} channels")
    with torch.device("meta"):
        generator = Generator(config)
    if sum(math.prod(value.shape) for value in generator.state_dict().values()) > _MAX_VALUES:
        raise ArchitectureError(f"it would have more than {_MAX_VALUES} weights")
    return generator


def check_unsupported(names: Iterable[str]) -> None:
    """Refuse by name what the official code can build and `Generator` does not cover.

    Raises:
        ArchitectureError: there is a tensor of such a part.
    """
    for name in names:
        for part, meaning in _UNSUPPORTED.items():
            if part in f".{name}.":
                raise ArchitectureError(f"it uses {meaning} ({one_line(name)}), which is not supported")


def check_tensors(
    expected: Generator,
    found: Mapping[str, StoredTensor],
    keys: KeyMapping,
    others: Iterable[str],
) -> None:
    """Check that a file has every tensor of a generator, of its shape, floating-point, and no others.

    Args:
        expected: a generator of the architecture.
        found: the file's tensors, by our names.
        keys: for the names in errors, which are the file's own.
        others: names in the file of what is no part of the generator.

    Raises:
        ArchitectureError: there is a part that `Generator` does not cover.
        WeightsError: names the tensor.
    """
    wanted = {
        name: tuple(value.shape)
        for name, value in expected.state_dict().items()
        if not is_batchnorm_counter(name)
    }
    extra = [
        *others,
        *(keys.in_file(name) for name in found if name not in wanted and not is_batchnorm_counter(name)),
    ]
    for name, shape in wanted.items():
        if name not in found:
            count = sum(n not in found for n in wanted) - 1
            more = f" (nor {count} others)" if count else ""
            raise WeightsError(f"it has no tensor {keys.in_file(name)}{more}")
        have = found[name].shape
        if name.endswith("fourier_unit.conv.weight") and have[1:] == (shape[1] + 2, 1, 1):
            raise ArchitectureError(
                f"it uses spectral position encoding ({keys.in_file(name)}), which is not supported"
            )
    if extra:
        count = len(extra) - 1
        raise WeightsError(
            f"it has tensors that a LaMa generator has not: {one_line(extra[0])}"
            f"{f' and {count} more' if count else ''}"
        )
    for name, shape in wanted.items():
        have = found[name].shape
        if have != shape:
            raise WeightsError(
                f"tensor {keys.in_file(name)} has shape {_shape(have)}, expected {_shape(shape)}"
            )
        if found[name].dtype not in _FLOATS:
            kind = str(found[name].dtype).removeprefix("torch.")
            raise WeightsError(f"tensor {keys.in_file(name)} holds {kind} instead of floating-point numbers")


def _shape(shape: tuple[int, ...]) -> str:
    return one_line("x".join(map(str, shape))) if shape else "of a single number"
