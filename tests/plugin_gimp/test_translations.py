"""Every text of the plug-in is there in every language, with what is filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

PLUGIN = Path(__file__).resolve().parents[2] / "plugin_gimp"
LANGUAGES = ("de", "es", "fr", "ja", "ko", "zh_CN")
FIELD = re.compile(r"{\w*}")


def texts() -> set[str]:
    found = extract_from_dir(
        str(PLUGIN / "lama-fill" / "lama_fill_gimp"),
        method_map=[("**.py", "python")],
        keywords={"_": None, "N_": None},
    )
    return {str(message) for _file, _line, message, _comments, _context in found}


def test_there_are_texts() -> None:
    assert len(texts()) > 40
    assert {path.stem for path in (PLUGIN / "translations").glob("*.po")} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language(language: str) -> None:
    with (PLUGIN / "translations" / f"{language}.po").open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    translated = {str(message.id): str(message.string) for message in catalog if message.id}
    assert translated.keys() == texts()
    for text, translation in translated.items():
        assert translation, text
        assert sorted(FIELD.findall(translation)) == sorted(FIELD.findall(text)), text
        assert translation.count("_") == text.count("_"), text
    assert not any(message.fuzzy for message in catalog if message.id)
