"""The arguments of the procedure, and what they mean to the server."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lama_core.client.errors import LamaFillError
from lama_core.client.options import MAX_FEATHER, MAX_GROW, FillOptions
from lama_core.client.plugin.choices import AUTOMATIC, CHOICES, DialogOptions, names
from lama_core.client.plugin.texts import _

MAX_SEED = 2**31 - 1
"""GIMP's integers have a sign; a fill takes twice as many."""


class ArgumentError(LamaFillError):
    """An argument has a value that it cannot have."""


@dataclass(frozen=True)
class Options(DialogOptions):
    """The arguments of the procedure, checked.

    Attributes:
        variation: the seed of the fill.

    Raises:
        ArgumentError: a value that an argument cannot have.
    """

    variation: int = 0

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
        for name, choices in CHOICES.items():
            chosen = getattr(self, name)
            if chosen not in names(choices):
                raise ArgumentError(
                    _("{name} is one of {names}, not “{value}”.").format(
                        name=name, names=", ".join(names(choices)), value=chosen
                    )
                )

    @property
    def fill(self) -> FillOptions:
        """How to fill."""
        return replace(super().fill, seed=self.variation)
