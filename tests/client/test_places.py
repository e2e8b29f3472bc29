from __future__ import annotations

import os
import sys
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


def test_variables_are_made_absolute_for_who_works_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in places.PLACES:
        monkeypatch.delenv(name, raising=False)
    assert places.absolute_variables() == {}
    monkeypatch.setenv(places.DATA_DIR_VARIABLE, "data/../models")
    monkeypatch.setenv(places.CONFIG_VARIABLE, "config.toml")
    monkeypatch.setenv(places.COMMAND_VARIABLE, "lama-fill --option")
    assert places.absolute_variables() == {
        places.DATA_DIR_VARIABLE: str(tmp_path / "models"),
        places.CONFIG_VARIABLE: str(tmp_path / "config.toml"),
    }


def test_processes_work_in_a_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(places.RUNTIME_DIR_VARIABLE, str(tmp_path / "a" / "state"))
    assert places.working_folder() == tmp_path / "a" / "state"
    assert places.working_folder().is_dir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(places.RUNTIME_DIR_VARIABLE, str(tmp_path / "file" / "state"))
    assert places.working_folder() == Path(os.path.abspath(os.sep))


def test_no_home_folder_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    if sys.platform != "win32":
        import pwd

        def unknown(uid: int) -> object:
            raise KeyError(uid)

        monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(
        places.PlaceError, match="name one for each of LAMA_FILL_RUNTIME_DIR, LAMA_FILL_DATA_DIR"
    ):
        places.home_folder()
