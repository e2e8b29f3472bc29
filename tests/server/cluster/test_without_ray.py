"""What is said where Ray is not installed, or is asked for what cannot be."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from lama_cli import main
from lama_server.cluster.engine import RayEngine
from lama_server.settings import Settings, SettingsError


def _is_not_there(name: str, *rest: Any) -> Any:
    return None if name == "ray" else importlib.machinery.PathFinder.find_spec(name)


@pytest.mark.parametrize("command", [["serve", "--engine", "ray"], ["batch", "in", "--engine", "ray"]])
def test_without_ray_one_line_says_how_to_get_it(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(importlib.util, "find_spec", _is_not_there)
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install 'lama-fill[ray]'" in said


def test_more_workers_at_least_than_at_most_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(SettingsError, match="min_workers is 5 and max_workers 2"):
        RayEngine(Settings(min_workers=5, max_workers=2), tmp_path)
