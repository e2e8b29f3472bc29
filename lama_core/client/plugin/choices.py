"""What both dialogs offer for an option, and what it is called there.

The names are the values that `FillOptions` declares; a test holds them against the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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


def names(choices: tuple[Choice, ...]) -> tuple[str, ...]:
    """The names of choices, in their order."""
    return tuple(choice.name for choice in choices)


def fill_options(*, grow: int, feather: int, context: str, quality: str, seed: int = 0) -> FillOptions:
    """What was chosen in a dialog, as a fill takes it.

    Args:
        grow: pixels, or `AUTOMATIC`.
        feather: pixels, or `AUTOMATIC`.
        context: a name of `CONTEXTS`.
        quality: a name of `QUALITIES`.
        seed: another number gives another fill.

    Raises:
        OptionError: a value that an option cannot have.
    """
    margin: Context = int(context) if context.isdigit() else context  # type: ignore[assignment] # it is checked
    chosen: Quality = quality  # type: ignore[assignment] # it is checked
    return FillOptions(
        grow=None if grow == AUTOMATIC else grow,
        feather=None if feather == AUTOMATIC else feather,
        context=margin,
        quality=chosen,
        seed=seed,
    )
