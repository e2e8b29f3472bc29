"""The arguments of the procedure, and what they mean to the server."""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client.errors import LamaFillError
from lama_core.client.options import MAX_FEATHER, MAX_GROW, FillOptions
from lama_core.client.plugin.choices import (
    AUTOMATIC,
    CONTEXTS,
    INPUTS,
    OUTPUTS,
    QUALITIES,
    fill_options,
    names,
)
from lama_core.client.plugin.texts import _

MAX_SEED = 2**31 - 1
"""GIMP's integers have a sign; a fill takes twice as many."""


class ArgumentError(LamaFillError):
    """An argument has a value that it cannot have."""


@dataclass(frozen=True)
class Options:
    """The arguments of the procedure, checked.

    Attributes:
        grow: pixels, or `AUTOMATIC`.
        feather: pixels, or `AUTOMATIC`.
        context: a name of `CONTEXTS`.
        input: a name of `INPUTS`.
        output: a name of `OUTPUTS`.
        quality: a name of `QUALITIES`.
        variation: the seed of the fill.
        model: an installed model; "" is the server's default.

    Raises:
        ArgumentError: a value that is none of these.
    """

    grow: int = AUTOMATIC
    feather: int = AUTOMATIC
    context: str = "auto"
    input: str = "layer"
    output: str = "layer"
    quality: str = "balanced"
    variation: int = 0
    model: str = ""

    def __post_init__(self) -> None:
        for name, value, maximum in (("grow", self.grow, MAX_GROW), ("feather", self.feather, MAX_FEATHER)):
            if not AUTOMATIC <= value <= maximum:
                raise ArgumentError(
                    _("{name} is from 0 to {most} pixels, or -1 for automatic, not {value}.").format(
                        name=name, most=maximum, value=value
                    )
                )
        if not 0 <= self.variation <= MAX_SEED:
            raise ArgumentError(
                _("{name} is from 0 to {most}, not {value}.").format(
                    name="variation", most=MAX_SEED, value=self.variation
                )
            )
        for name, chosen, choices in (
            ("context", self.context, CONTEXTS),
            ("input", self.input, INPUTS),
            ("output", self.output, OUTPUTS),
            ("quality", self.quality, QUALITIES),
        ):
            if chosen not in names(choices):
                raise ArgumentError(
                    _("{name} is one of {names}, not “{value}”.").format(
                        name=name, names=", ".join(names(choices)), value=chosen
                    )
                )

    @property
    def fill(self) -> FillOptions:
        """How to fill."""
        return fill_options(
            grow=self.grow,
            feather=self.feather,
            context=self.context,
            quality=self.quality,
            seed=self.variation,
        )
