"""What the artist can choose, how it is remembered, and what it means to the server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from lama_core.client.options import MAX_FEATHER, MAX_GROW, Context, FillOptions
from lama_core.client.protocol.limits import MAX_NAME
from lama_fill_krita.texts import N_


@dataclass(frozen=True)
class Choice:
    """One of several: the name it is remembered by, and what it is called."""

    name: str
    label: str


INPUTS = (
    Choice("visible", N_("What is visible")),
    Choice("layer", N_("Active layer")),
)
OUTPUTS = (
    Choice("layer", N_("New layer")),
    Choice("mask", N_("New layer with a transparency mask")),
)
QUALITIES = (
    Choice("fast", N_("Fast")),
    Choice("balanced", N_("Balanced")),
    Choice("best", N_("Best")),
)
CONTEXTS = (
    Choice("auto", N_("Automatic")),
    Choice("32", N_("32 pixels")),
    Choice("64", N_("64 pixels")),
    Choice("128", N_("128 pixels")),
    Choice("256", N_("256 pixels")),
    Choice("512", N_("512 pixels")),
    Choice("1024", N_("1024 pixels")),
    Choice("whole", N_("The whole picture")),
)

#: Sliders that nobody wants end here; the protocol allows more.
MOST_GROW = 256
MOST_FEATHER = 256
AUTOMATIC = -1


@dataclass(frozen=True)
class Options:
    """How to fill. `grow` and `feather` are pixels, `AUTOMATIC` finds them from the hole's size.

    The others are names of choices above, but `model`: the name of an installed model, "" for the server's
    own default. `start_server`: whether a fill starts the server when it does not run. `command`: what
    starts it, "" to look for it.
    """

    grow: int = AUTOMATIC
    feather: int = AUTOMATIC
    context: str = "auto"
    input: str = "visible"
    output: str = "layer"
    quality: str = "balanced"
    model: str = ""
    start_server: bool = True
    command: str = ""

    @property
    def margin(self) -> Context:
        """`context` as a fill wants it: "auto", "whole" or pixels."""
        return self.context if self.context in ("auto", "whole") else int(self.context)

    @property
    def fill(self) -> FillOptions:
        """How to fill, as planning and the server want it."""
        return FillOptions(
            grow=None if self.grow < 0 else self.grow,
            feather=None if self.feather < 0 else self.feather,
            context=self.margin,
            quality=self.quality,
        )

    def to_text(self) -> str:
        """For Krita's configuration."""
        return json.dumps(asdict(self), sort_keys=True)


def from_text(text: str) -> Options:
    """What `to_text` returned, once. Whatever this version does not know is left at its default."""
    try:
        found = json.loads(text)
    except ValueError:
        return Options()
    if not isinstance(found, dict):
        return Options()
    known = {field.name: found[field.name] for field in fields(Options) if field.name in found}
    return Options(**{name: value for name, value in known.items() if _is_valid(name, value)})


def _is_valid(name: str, value: object) -> bool:
    if name in ("grow", "feather"):
        most = min(MOST_GROW, MAX_GROW) if name == "grow" else min(MOST_FEATHER, MAX_FEATHER)
        return type(value) is int and AUTOMATIC <= value <= most
    if name == "start_server":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if name == "model":
        return len(value) <= MAX_NAME
    if name == "command":
        return True
    choices = {"context": CONTEXTS, "input": INPUTS, "output": OUTPUTS, "quality": QUALITIES}[name]
    return value in [choice.name for choice in choices]
