"""`python -m tests.structure`: what ARCHITECTURE.md says of the code's structure, counted."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.test_walls import MODULES, PROJECT, find_circle, folder_of, imports_of

SAME_LINES = 6
"""So many lines that are alike in two places count as a pair that stands twice."""
SOURCES = frozenset({".py", ".c", ".h", ".sh", ".ps1", ".html", ".pyi", ".ts", ".css", ".mjs"})


def source_files() -> list[Path]:
    """Every source file outside of tests."""
    listed = subprocess.run(
        ["git", "-C", str(PROJECT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    paths = (PROJECT / name for name in listed if not name.startswith("tests/"))
    return [path for path in paths if path.suffix in SOURCES and path.is_file()]


def lines_of_code() -> int:
    """Lines outside of tests."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in source_files())


def files_that_name(word: str) -> list[str]:
    """The modules about fills that have a word in their code: as a name, an attribute or a string."""
    pattern = re.compile(rf"(?<![\w-]){word}(?![\w-])")
    return sorted(
        name
        for name, path in MODULES.items()
        if not name.startswith(("lama_core.research", "lama_cli.commands.eval"))
        and pattern.search(_code(path))
    )


def _code(path: Path) -> str:
    """A file's text without comments and docstrings."""
    text = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text(encoding="utf-8"))
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


def circles() -> list[str]:
    """Files and folders that import in a circle."""
    files = {module: imports_of(module) for module in MODULES}
    folders: dict[str, set[str]] = defaultdict(set)
    for module, imported in files.items():
        folders[folder_of(module)] |= {folder_of(other) for other in imported}
    return find_circle(files) + find_circle(folders)


def pairs_that_stand_twice() -> list[tuple[str, str]]:
    """Places with the same lines, as `file:line`; imports and lines without a letter do not count."""
    places: dict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    for path in source_files():
        if path.suffix == ".py":
            lines = list(_counted_lines(path))
            for at in range(len(lines) - SAME_LINES + 1):
                window = lines[at : at + SAME_LINES]
                places[tuple(text for _, text in window)].append((path, window[0][0]))
    pairs = []
    covered: set[tuple[Path, Path, int]] = set()
    for found in places.values():
        for (first, line), (second, other) in pairwise(found):
            # The windows of one long pair lie at the same distance from each other.
            key = (first, second, other - line)
            if key not in covered:
                covered.add(key)
                names = (first.relative_to(PROJECT), second.relative_to(PROJECT))
                pairs.append((f"{names[0]}:{line}", f"{names[1]}:{other}"))
    return pairs


def _counted_lines(path: Path) -> Iterator[tuple[int, str]]:
    source = path.read_text(encoding="utf-8")
    imports = {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip()
        if number not in imports and re.search(r"\w{2}", text) and not text.startswith("#"):
            yield number, text


def main() -> None:
    """Print each figure, and what is behind it."""
    print(f"lines outside tests: {lines_of_code()}")
    for word in ("quality", "seed"):
        files = files_that_name(word)
        print(f"files that name {word}: {len(files)} ({', '.join(files)})")
    found = circles()
    print(f"import circles: {len(found)} {', '.join(found)}")
    pairs = pairs_that_stand_twice()
    print(f"pairs that stand twice: {len(pairs)}")
    for first, second in pairs:
        print(f"  {first} and {second}")


if __name__ == "__main__":
    main()
