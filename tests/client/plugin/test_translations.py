"""Every text of both plug-ins and of the page is there in every language, with what is filled in."""

from __future__ import annotations

import re

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from installers.build_plugins import CATALOGUES, PROJECT

SOURCES = (
    "lama_core/client/plugin",
    "lama_core/client/gimp",
    "plugin_gimp/lama-fill/lama_fill_gimp",
    "plugin_gimp/gimp-2.10",
    "plugin_krita/lama_fill_krita",
)
#: The page's texts are in the same catalogues, so that equal texts stand once.
PAGE = "web/src"
LANGUAGES = ("de", "es", "fr", "ja", "ko", "zh_CN")
FIELD = re.compile(r"{[^}]*}")


def texts() -> set[str]:
    """All texts in the sources that are marked for translation."""
    found = set()
    for folder in SOURCES:
        marked = extract_from_dir(
            str(PROJECT / folder), method_map=[("**.py", "python")], keywords={"_": None, "N_": None}
        )
        found |= {str(message) for _file, _line, message, _comments, _context in marked}
    marked = extract_from_dir(
        str(PROJECT / PAGE),
        method_map=[("**.ts", "javascript")],
        options_map={"**.ts": {"template_string": "True"}},
        keywords={"_": None, "format": None},
    )
    return found | {str(message) for _file, _line, message, _comments, _context in marked}


def test_there_are_texts() -> None:
    assert len(texts()) > 210
    assert {path.stem for path in CATALOGUES.glob("*.po")} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language(language: str) -> None:
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    translated = {str(message.id): str(message.string) for message in catalog if message.id}
    assert translated.keys() == texts()
    for text, translation in translated.items():
        assert translation, text
        assert sorted(FIELD.findall(translation)) == sorted(FIELD.findall(text)), text
        assert translation.count("_") == text.count("_"), text
    assert not any(message.fuzzy for message in catalog if message.id)


def test_no_text_is_marked_where_the_tools_do_not_find_it() -> None:
    """Inside of an f-string or of a template, that is."""
    inside = re.compile(r"""f"[^"]*\{_\(|f'[^']*\{_\(""")
    for folder in SOURCES:
        for path in (PROJECT / folder).rglob("*.py"):
            assert inside.search(path.read_text(encoding="utf-8")) is None, path.name
    inside = re.compile(r"\$\{(?:_|format)\(")
    for path in (PROJECT / PAGE).rglob("*.ts"):
        assert inside.search(path.read_text(encoding="utf-8")) is None, path.name
