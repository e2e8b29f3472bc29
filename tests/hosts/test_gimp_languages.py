"""In the real GIMP: the plug-in speaks the artist's language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.hosts.gimp import Gimp


@pytest.mark.parametrize(
    ("language", "menu", "words"),
    [
        ("de_DE", "LaMa-_Füllung …", "was verschwinden soll"),
        ("ja_JP", "LaMa 塗りつぶし(_F)...", "消したいものを選択"),
    ],
)
def test_a_language(
    system: Path,
    inside_folder: Path,
    archives: Mapping[str, Path],
    language: str,
    menu: str,
    words: str,
) -> None:
    environment = {"LANG": f"{language}.UTF-8", "LANGUAGE": language[:2]}
    gimp = Gimp.install(system, inside_folder / language, archives["gimp"], environment)
    try:
        said = gimp.call("what_a_person_reads")
    finally:
        gimp.close()
    assert said["menu"] == menu
    assert words in said["error"]


def test_english_is_spoken_without_a_translation(gimp: Gimp) -> None:
    said = gimp.call("what_a_person_reads")
    assert said["menu"] == "LaMa _Fill..."
    assert "select what should disappear" in said["error"]
    assert said["output"] == "O_utput"
