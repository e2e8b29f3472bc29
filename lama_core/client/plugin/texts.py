"""Texts that the artist reads, in the artist's language.

A plug-in says how to translate once it knows the language. Before that, and in tests, texts stay English.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_translate: Callable[[str], str] = str


def use_translation(translate: Callable[[str], str]) -> None:
    """Translate with this function from now on."""
    global _translate  # noqa: PLW0603 - a process has one language
    _translate = translate


def _(text: str) -> str:
    """The text in the artist's language. Call it where the text is shown, not where a module is loaded."""
    return _translate(text)


def N_(text: str) -> str:  # noqa: N802 - the name that tools for translators look for
    """Mark a text for translators; `_` translates it later."""
    return text


@dataclass(frozen=True)
class Message:
    """A text that is translated when it is shown.

    Attributes:
        id: the English text, with `{fields}`.
        values: of the fields.
    """

    id: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return _(self.id).format_map(self.values)
