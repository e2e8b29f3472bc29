"""The manifest of a batch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_cli.manifest import Entry, Manifest, ManifestError

OPTIONS = {"quality": "fast", "grow": None}


def entry(output: str, error: str = "") -> Entry:
    return Entry(output=output, picture="in", error=error, seconds=0.5, worker="cpu", tries=1)


@given(
    names=st.lists(st.text(max_size=12), unique=True, max_size=6),
    cut=st.integers(0, 400),
    failed=st.integers(0, 6),
)
def test_wherever_a_kill_cuts_it_the_lines_before_count_and_it_goes_on(
    names: list[str], cut: int, failed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.jsonl"
        manifest = Manifest(path, options=OPTIONS)
        for number, name in enumerate(names):
            manifest.add(entry(name, "why" if number == failed else ""))
        manifest.close()
        whole = path.read_bytes()
        path.write_bytes(whole[: max(0, len(whole) - cut)])
        lines = max(0, path.read_bytes().count(b"\n") - 1)
        again = Manifest(path, options=OPTIONS)
        for number, name in enumerate(names):
            assert (name in again) == (number < lines and number != failed)
        again.add(entry("last"))
        again.close()
        last = Manifest(path, options=OPTIONS)
        assert "last" in last
        last.close()


@pytest.mark.parametrize(
    "text", ["not json\n", "[]\n", '{"lama_fill_batch": 99}\n', '{"a": 1}\n{}\n', "\xff\n"]
)
def test_what_is_no_manifest_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ManifestError, match="is no manifest"):
        Manifest(path, options=OPTIONS)
    assert path.read_text(encoding="latin-1") == text


def test_one_of_other_options_and_one_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    Manifest(tmp_path / "m.jsonl", options=OPTIONS).close()
    with pytest.raises(ManifestError, match="other options"):
        Manifest(tmp_path / "m.jsonl", options={**OPTIONS, "grow": 3})
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError, match="--manifest"):
        Manifest(tmp_path / "file" / "m.jsonl", options=OPTIONS)
