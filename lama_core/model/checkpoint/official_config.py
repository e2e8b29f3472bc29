"""What an official config.yaml says that the weights cannot: the activation at the end."""

from __future__ import annotations

import yaml

from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import ArchitectureError, DamagedFileError
from lama_core.model.config import Output

MAX_BYTES = 256 << 10
"""The released one has 5 KB."""

_MAX_SHOWN = 120


class _Loader(yaml.BaseLoader):
    """A loader without aliases: a few lines of them stand for billions of values.

    Its base is stricter than the safe loader. It knows no tags at all, so every value is a string, a list or
    a dict: no object can be asked for, and neither merge keys nor base-60 numbers can take forever.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


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
        content = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{label} is not readable as YAML: fetch it again, or load the .ckpt alone"
        ) from error
    section = content.get("generator") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        return None
    kind = _word(section, "kind", kinds[0], label)
    if kind not in kinds:
        raise ArchitectureError(
            f"{label}: a generator of kind {_shown(kind)} is not supported, only {' and '.join(kinds)}"
        )
    padding = _word(section, "padding_type", "reflect", label)
    if padding != "reflect":
        raise ArchitectureError(f"{label}: padding_type {_shown(padding)} is not supported, only reflect")
    output = _word(section, "add_out_act", "true", label)
    if output.lower() in _TRUE:
        return "tanh"
    if output not in _OUTPUTS:
        raise ArchitectureError(
            f"{label}: add_out_act {_shown(output)} is not supported, only sigmoid, tanh and true (tanh)"
        )
    return _OUTPUTS[output]


def _word(section: dict[str, object], name: str, default: str, label: str) -> str:
    """A value of the section that has to be one word; nothing else is ever turned into text."""
    value = section.get(name, default)
    if not isinstance(value, str):
        raise ArchitectureError(f"{label}: generator.{name} is no word: load the .ckpt alone")
    return value


def _shown(word: str) -> str:
    return one_line(word, _MAX_SHOWN)
