"""What an official config.yaml says that the weights cannot: the activation at the end."""

from __future__ import annotations

import yaml

from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import ArchitectureError, DamagedFileError
from lama_core.model.config import Output

MAX_BYTES = 256 << 10
"""The released one has 5 KB."""

_MAX_SHOWN = 120

_TRUE = ("true", "yes", "on")
FFC_KINDS = ("ffc_resnet",)
_OUTPUTS: dict[str, Output] = {"sigmoid": "sigmoid", "tanh": "tanh"}


def read_official_output(text: bytes, label: str, kinds: tuple[str, ...] = FFC_KINDS) -> Output | None:
    """The activation at the end of the generator, `generator.add_out_act`.

    Args:
        text: of the file.
        label: how it is called in errors.
        kinds: of generators, as the file names them, that are expected.

    Returns:
        None when the file has no section about a generator. `true`, and a section that does not name it, mean
        tanh, as in the official code.

    Raises:
        DamagedFileError: it is no YAML.
        ArchitectureError: it describes a generator that `Generator` does not cover.
    """
    try:
        # BaseLoader is stricter than safe_load: it knows no tags at all, so every value is a string, a list
        # or a dict. No object can be asked for, and neither merge keys nor base-60 numbers can be made to
        # take forever.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{label} is not readable as YAML: fetch it again, or load the .ckpt alone"
        ) from error
    section = content.get("generator") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        return None
    kind = section.get("kind", kinds[0])
    if kind not in kinds:
        raise ArchitectureError(
            f"{label}: a generator of kind {_shown(kind)} is not supported, only {' and '.join(kinds)}"
        )
    padding = section.get("padding_type", "reflect")
    if padding != "reflect":
        raise ArchitectureError(f"{label}: padding_type {_shown(padding)} is not supported, only reflect")
    output = section.get("add_out_act", "true")
    if isinstance(output, str) and output.lower() in _TRUE:
        return "tanh"
    if not isinstance(output, str) or output not in _OUTPUTS:
        raise ArchitectureError(
            f"{label}: add_out_act {_shown(output)} is not supported, only sigmoid, tanh and true (tanh)"
        )
    return _OUTPUTS[output]


def _shown(value: object) -> str:
    """A value for an error. A list is not unfolded: aliases can make it have billions of items."""
    return one_line(value, _MAX_SHOWN) if isinstance(value, str) else "that is not a word"
