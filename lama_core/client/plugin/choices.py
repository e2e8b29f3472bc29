"""What both dialogs offer for an option, and what it is called there.

The names are the values that `FillOptions` declares; a test holds them against the declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from lama_core.client.options import Context, FillOptions, Quality
from lama_core.client.plugin.texts import N_

AUTOMATIC: Final = -1
"""What a number field shows for None: the fill finds the value by the size of the hole."""


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        name: how scripts and settings call it.
        label: how the dialog calls it, in English.
    """

    name: str
    label: str


CONTEXTS: Final = (
    Choice("auto", N_("Automatic")),
    Choice("32", N_("32 pixels")),
    Choice("64", N_("64 pixels")),
    Choice("128", N_("128 pixels")),
    Choice("256", N_("256 pixels")),
    Choice("512", N_("512 pixels")),
    Choice("1024", N_("1024 pixels")),
    Choice("whole", N_("The whole picture")),
)
INPUTS: Final = (
    Choice("layer", N_("Active layer")),
    Choice("visible", N_("What is visible")),
)
OUTPUTS: Final = (
    Choice("layer", N_("New layer")),
    Choice("mask", N_("New layer with an editable mask")),
)
QUALITIES: Final = (
    Choice("fast", N_("Fast")),
    Choice("balanced", N_("Balanced")),
    Choice("best", N_("Best")),
)


CHOICES: Final[Mapping[str, tuple[Choice, ...]]] = {
    "context": CONTEXTS,
    "input": INPUTS,
    "output": OUTPUTS,
    "quality": QUALITIES,
}
"""The choices of an option, by its name in `DialogOptions`."""


def names(choices: tuple[Choice, ...]) -> tuple[str, ...]:
    """The names of choices, in their order."""
    return tuple(choice.name for choice in choices)


@dataclass(frozen=True)
class DialogOptions:
    """What both dialogs ask for; a plug-in adds its own.

    Attributes:
        grow: pixels, or `AUTOMATIC`.
        feather: pixels, or `AUTOMATIC`.
        context: a name of `CONTEXTS`.
        input: a name of `INPUTS`.
        output: a name of `OUTPUTS`.
        quality: a name of `QUALITIES`.
        model: an installed model; "" is the server's default.
    """

    grow: int = AUTOMATIC
    feather: int = AUTOMATIC
    context: str = "auto"
    input: str = "layer"
    output: str = "layer"
    quality: str = "balanced"
    model: str = ""

    @property
    def fill(self) -> FillOptions:
        """How to fill.

        Raises:
            OptionError: a value that an option cannot have.
        """
        margin: int | str = int(self.context) if self.context.isdigit() else self.context
        return FillOptions(
            grow=None if self.grow == AUTOMATIC else self.grow,
            feather=None if self.feather == AUTOMATIC else self.feather,
            context=cast(Context, margin),  # checked by FillOptions, as is the next
            quality=cast(Quality, self.quality),
        )
