"""Texts that the artist reads, in the artist's language.

Texts are looked up when they are shown, so that modules can be imported before the language is known.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from pathlib import Path

DOMAIN = "lama_fill"
FOLDER = Path(__file__).resolve().parent / "locale"

_chosen: list[gettext.NullTranslations] = [gettext.NullTranslations()]


def use_languages(languages: Iterable[str], folder: Path = FOLDER) -> None:
    """Translate into the first of these languages that there is a translation for.

    A language is as Qt or the environment names it: "de", "de_AT", "pt-BR", "zh_CN.UTF-8", "zh-Hans-CN".
    English needs no translation and ends the search.
    """
    _chosen[0] = gettext.NullTranslations()
    for language in languages:
        code = language.partition(".")[0].partition("@")[0].replace("-", "_")
        short = code.partition("_")[0].lower()
        if short in ("en", "c", "posix"):
            return
        found = gettext.find(DOMAIN, str(folder), languages=[code, short])
        if found is not None:
            with open(found, "rb") as file:
                _chosen[0] = gettext.GNUTranslations(file)
            return


def _(text: str) -> str:
    """The text in the artist's language."""
    return _chosen[0].gettext(text)


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a text for translation; it is translated where it is shown."""
    return text
