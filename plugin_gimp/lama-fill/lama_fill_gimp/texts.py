"""Texts that the artist reads, in the artist's language.

The host says how to translate once GIMP has told it where the translations are; until then, and in tests,
texts stay English.
"""

from __future__ import annotations

from collections.abc import Callable

_translate: Callable[[str], str] = str


def use_translation(translate: Callable[[str], str]) -> None:
    """Translate with this function from now on."""
    global _translate  # noqa: PLW0603 - a process has one language
    _translate = translate


def _(text: str) -> str:
    """The text in the artist's language. Call it where the text is shown, not where a module is loaded."""
    return _translate(text)


def N_(text: str) -> str:  # noqa: N802 - the name that tools for translators look for
    """Marks a text for translators; it is translated later, by `_`."""
    return text
