"""The list of models that clients are given, while models are installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lama_core.model.installed import registry
from lama_server.catalogue import StoreCatalogue


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has installed nothing yet."""
    monkeypatch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path))
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def install(folder: Path, name: str) -> None:
    shutil.copy(registry.resolve("compact"), folder / f"{name}.safetensors")


def test_model_that_was_installed_a_moment_ago_can_be_used(models: Path) -> None:
    catalogue = StoreCatalogue("")
    assert [model.name for model in catalogue.models()] == ["compact"]
    assert not catalogue.has("mine")
    install(models, "mine")
    assert catalogue.has("mine")
    assert not catalogue.has("other")


@pytest.mark.parametrize("chosen", ["", "big-lama"])
def test_default_model_is_one_of_those_listed_from_the_moment_it_is_installed(
    models: Path, chosen: str
) -> None:
    catalogue = StoreCatalogue(chosen)
    assert "big-lama" not in [model.name for model in catalogue.models()]
    install(models, "big-lama")
    default = catalogue.default()
    assert default == "big-lama"
    assert default in [model.name for model in catalogue.models()]
