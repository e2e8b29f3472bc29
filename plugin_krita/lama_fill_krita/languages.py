"""Krita's language, and the catalogue that translates into it."""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from pathlib import Path

from lama_core.client.plugin.texts import use_translation

DOMAIN = "lama_fill"
FOLDER = Path(__file__).resolve().parent / "locale"

_CATALOGUES = {"zh": "zh_CN"}
"""The catalogue of a language, where it is named after a country."""


def use_languages(languages: Iterable[str], folder: Path = FOLDER) -> None:
    """Translate into the first of these languages that there is a translation for.

    English needs no translation and ends the search.

    Args:
        languages: as Qt or the environment names them: "de", "de_AT", "pt-BR", "zh_CN.UTF-8", "zh-Hans-CN".
        folder: of the catalogues.
    """
    use_translation(str)
    for language in languages:
        code = language.partition(".")[0].partition("@")[0].replace("-", "_")
        short = code.partition("_")[0].lower()
        if short in ("en", "c", "posix"):
            return
        found = gettext.find(DOMAIN, str(folder), languages=[code, short, _CATALOGUES.get(short, short)])
        if found is not None:
            with open(found, "rb") as file:
                use_translation(gettext.GNUTranslations(file).gettext)
            return
