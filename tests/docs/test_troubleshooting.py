"""docs/troubleshooting.md quotes messages that the programs really say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HEADINGS = re.findall(r"^### (`.*`)$", (PROJECT / "docs/troubleshooting.md").read_text(), re.MULTILINE)


def texts() -> Iterator[str]:
    """Every text that a program may say, with an ellipsis where something is filled in."""
    for folder in ("lama_core", "server", "plugin_gimp", "plugin_krita"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                    yield "".join(map(str, parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.sub(r"\{\w*\}", "…", node.value)
    yield re.sub(r"\$\w+", "…", (PROJECT / "installers/install.sh").read_text())


SAID = tuple(texts())


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_message_exists(heading: str) -> None:
    quoted = (
        heading.removeprefix("``").removesuffix("``").strip(" ")
        if heading.startswith("``")
        else heading[1:-1]
    )
    assert any(quoted in text for text in SAID), quoted


def test_there_are_messages() -> None:
    assert len(HEADINGS) > 10
