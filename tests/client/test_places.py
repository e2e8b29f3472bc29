from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from lama_core.client import places


@pytest.mark.parametrize(
    ("find", "variable"),
    [
        (places.data_folder, places.DATA_DIR_VARIABLE),
        (places.cache_folder, places.CACHE_DIR_VARIABLE),
        (places.state_folder, places.RUNTIME_DIR_VARIABLE),
    ],
)
def test_a_variable_moves_a_folder(
    find: object, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(find)
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert find() == tmp_path / "elsewhere"


def test_a_relative_state_folder_is_one_place_wherever_a_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(places.RUNTIME_DIR_VARIABLE, "run")
    assert places.state_folder() == tmp_path / "run"


def test_without_variables_folders_are_where_the_system_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(places.DATA_DIR_VARIABLE, raising=False)
    monkeypatch.delenv(places.CACHE_DIR_VARIABLE, raising=False)
    assert places.data_folder() == Path(platformdirs.user_data_dir("lama-fill", appauthor=False))
    assert places.cache_folder() == Path(platformdirs.user_cache_dir("lama-fill", appauthor=False))


def test_every_variable_is_told_of() -> None:
    named = {value for name, value in vars(places).items() if name.endswith("_VARIABLE")}
    assert named == places.PLACES.keys()
