"""What can be chosen of a fill. Each option is declared here, once: its name, what it may be, its default.

The command line, the protocol, both editors' dialogs and the fill itself read this declaration, so a new
option is one field of `FillOptions` (and a widget in each editor).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, Union

from lama_core.client.errors import LamaFillError

Context = Union[Literal["auto", "whole"], int]
Quality = Literal["fast", "balanced", "best"]
Transfer = Literal["perceptual", "linear"]

QUALITIES: Final[tuple[Quality, ...]] = ("fast", "balanced", "best")
TRANSFERS: Final[tuple[Transfer, ...]] = ("perceptual", "linear")

MAX_GROW: Final = 4096
MAX_FEATHER: Final = 4096
MAX_CONTEXT: Final = 65536
MAX_SEED: Final = (1 << 32) - 1
MAX_FRAME: Final = (1 << 32) - 1
MAX_MEMORY: Final = (1 << 63) - 1


class OptionError(LamaFillError):
    """An option has a value that it cannot have.

    Attributes:
        name: of the option.
        allowed: what it may be, in words.
    """

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {allowed}, not {value!r}")
        self.name = name
        self.allowed = allowed


@dataclass(frozen=True)
class Option:
    """What one option means, and what it may be.

    Attributes:
        about: what it is for, in a few words.
        low: the smallest number allowed.
        high: the largest number allowed; None where no number is.
        unit: of the number: "pixels", "bytes" or "" for none.
        choices: the words allowed.
        flag: whether it is true or false.
        automatic: whether it may be None, which leaves the choice to the fill.
    """

    about: str
    low: int = 0
    high: int | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    flag: bool = False
    automatic: bool = False

    def accepts(self, value: object) -> bool:
        """Whether the option may have this value."""
        if value is None:
            return self.automatic
        if isinstance(value, bool):
            return self.flag
        if isinstance(value, int):
            return self.high is not None and self.low <= value <= self.high
        return isinstance(value, str) and value in self.choices

    @property
    def allowed(self) -> str:
        """What the option may be, in words."""
        if self.flag:
            return "true or false"
        if self.high is None:
            return f"one of {', '.join(self.choices)}"
        number = f"a number of {self.unit}" if self.unit else "a number"
        words = ", ".join(f'"{word}"' for word in self.choices)
        return f"{words}{' or ' if words else ''}{number} from {self.low} to {self.high}"


@dataclass(frozen=True)
class FillOptions:
    """How to fill; the defaults are what an artist wants. None leaves the choice to the fill.

    Python 3.9 has no keyword-only dataclasses: give the options by keyword nevertheless.

    Attributes:
        grow: by how many pixels the hole is dilated first; None: by the size of the hole.
        feather: over how many pixels around the grown hole the fill is blended in; None: by the size of the
            hole.
        context: what the network sees: "auto" by the hole's size, "whole" the whole picture, or a margin in
            pixels around the grown hole.
        join_islands: whether known regions that the hole encloses are filled too. None: those that are
            smaller than the hole itself, and none with a grow of 0, which means exactly this hole.
        quality: "fast" calls the network once for each window; "balanced" and "best" take more time.
        seed: another one varies the fill, the same one gives the same pixels.
        frame: the number of the frame, where the picture is one of a sequence: the same fill, and grain that
            moves from frame to frame; None: the picture stands alone.
        seam: whether offsets of colour at the hole's edge are evened out.
        grain: whether the fill gets the grain of its surroundings.
        transfer: how the picture's numbers stand for light: "perceptual" (sRGB and the like, as files have
            them) or "linear", in proportion to it; then the fill works in a perceptual encoding and gives
            linear numbers back.
        memory: bytes that a fill may take beside the picture and the model; None: by what there is. It is
            not part of the protocol: a server has a setting for it.

    Raises:
        OptionError: a value that an option cannot have.
    """

    grow: int | None = field(
        default=None,
        metadata={
            "option": Option(
                about="pixels by which the hole is dilated first",
                high=MAX_GROW,
                unit="pixels",
                automatic=True,
            )
        },
    )
    feather: int | None = field(
        default=None,
        metadata={
            "option": Option(
                about="pixels over which the fill is blended in",
                high=MAX_FEATHER,
                unit="pixels",
                automatic=True,
            )
        },
    )
    context: Context = field(
        default="auto",
        metadata={
            "option": Option(
                about="what the model sees: by the hole's size, all, or N pixels around the hole",
                high=MAX_CONTEXT,
                unit="pixels",
                choices=("auto", "whole"),
            )
        },
    )
    join_islands: bool | None = field(
        default=None,
        metadata={
            "option": Option(about="fill everything that the hole encloses", flag=True, automatic=True)
        },
    )
    quality: Quality = field(
        default="balanced",
        metadata={"option": Option(about="the better, the longer it takes", choices=QUALITIES)},
    )
    seed: int = field(
        default=0, metadata={"option": Option(about="another number varies the fill", high=MAX_SEED)}
    )
    frame: int | None = field(
        default=None,
        metadata={
            "option": Option(
                about="number of the frame in a sequence: the same fill with other grain",
                high=MAX_FRAME,
                automatic=True,
            )
        },
    )
    seam: bool = field(
        default=True,
        metadata={"option": Option(about="even out offsets of colour at the hole's edge", flag=True)},
    )
    grain: bool = field(
        default=True,
        metadata={"option": Option(about="give the fill the grain of its surroundings", flag=True)},
    )
    transfer: Transfer = field(
        default="perceptual",
        metadata={"option": Option(about="how the picture's numbers stand for light", choices=TRANSFERS)},
    )
    memory: int | None = field(
        default=None,
        metadata={
            "option": Option(
                about="memory that a fill may take", low=1, high=MAX_MEMORY, unit="bytes", automatic=True
            )
        },
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if not option.accepts(value):
                raise OptionError(name, value, option.allowed)


OPTIONS: Final[Mapping[str, Option]] = {each.name: each.metadata["option"] for each in fields(FillOptions)}
"""Every option by its name, in the order of the fields of `FillOptions`."""
