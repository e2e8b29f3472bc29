"""What the artist can choose, and what it means to the server."""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client.errors import LamaFillError
from lama_core.client.options import MAX_FEATHER, MAX_GROW, Context, FillOptions, Quality
from lama_fill_gimp.texts import N_, _


class OptionError(LamaFillError):
    """An argument that means nothing."""


@dataclass(frozen=True)
class Choice:
    """One of several: how a script calls it and how the dialog does."""

    name: str
    label: str


CONTEXTS = (
    Choice("auto", N_("Automatic")),
    Choice("32", "32 px"),
    Choice("64", "64 px"),
    Choice("128", "128 px"),
    Choice("256", "256 px"),
    Choice("512", "512 px"),
    Choice("1024", "1024 px"),
    Choice("whole", N_("Everything")),
)
INPUTS = (
    Choice("layer", N_("Active layer")),
    Choice("visible", N_("What is visible")),
)
OUTPUTS = (
    Choice("layer", N_("New layer")),
    Choice("mask", N_("New layer with an editable mask")),
)
QUALITIES = (
    Choice("fast", N_("Fast")),
    Choice("balanced", N_("Balanced")),
    Choice("best", N_("Best")),
)

#: GIMP's integers have a sign; the protocol takes twice as many.
MAX_VARIATION = 2**31 - 1


@dataclass(frozen=True)
class Options:
    """The arguments of the procedure, checked.

    `grow` and `feather` are pixels, -1 finds them from the hole's size. `variation`: another number gives
    another fill, the same one the same. The others are names of choices above, but `model`: the name of an
    installed model, "" for the server's own default.

    Raises:
        OptionError: a value that is none of these.
    """

    grow: int = -1
    feather: int = -1
    context: str = "auto"
    input: str = "layer"
    output: str = "layer"
    quality: str = "balanced"
    variation: int = 0
    model: str = ""

    def __post_init__(self) -> None:
        for name, value, most in (("grow", self.grow, MAX_GROW), ("feather", self.feather, MAX_FEATHER)):
            if not -1 <= value <= most:
                raise OptionError(
                    _("{name} is from 0 to {most} pixels, or -1 for automatic, not {value}.").format(
                        name=name, most=most, value=value
                    )
                )
        if not 0 <= self.variation <= MAX_VARIATION:
            raise OptionError(
                _("{name} is from 0 to {most}, not {value}.").format(
                    name="variation", most=MAX_VARIATION, value=self.variation
                )
            )
        for name, chosen, choices in (
            ("context", self.context, CONTEXTS),
            ("input", self.input, INPUTS),
            ("output", self.output, OUTPUTS),
            ("quality", self.quality, QUALITIES),
        ):
            names = [choice.name for choice in choices]
            if chosen not in names:
                raise OptionError(
                    _("{name} is one of {names}, not “{value}”.").format(
                        name=name, names=", ".join(names), value=chosen
                    )
                )

    @property
    def fill(self) -> FillOptions:
        """How to fill, as planning and the server want it."""
        # Which words there are was checked when this was made.
        context: Context = int(self.context) if self.context.isdigit() else self.context  # type: ignore[assignment]
        quality: Quality = self.quality  # type: ignore[assignment]
        return FillOptions(
            grow=None if self.grow < 0 else self.grow,
            feather=None if self.feather < 0 else self.feather,
            context=context,
            quality=quality,
            seed=self.variation,
        )
