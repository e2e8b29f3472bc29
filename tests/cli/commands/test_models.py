"""`lama-fill models`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lama_cli import main
from lama_core.client.places import DATA_DIR_VARIABLE
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors
from lama_core.model.installed import registry


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    built_in = tmp_path / "compact.safetensors"
    write_safetensors(Generator(GeneratorConfig(width=8, blocks=1)), built_in, metadata={})
    monkeypatch.setattr(registry, "built_in_path", lambda: built_in)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "big-lama.pt"
    torch.save(Generator(GeneratorConfig(width=8, blocks=2)).state_dict(), path)
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = main(["models", *map(str, args)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_model_comes_and_goes(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    status, out, _ = run(capsys, "import", weights)
    assert status == 0
    assert "imported big-lama" in out
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert "  compact" in out
    assert "* big-lama" in out
    assert "2 blocks" in out
    status, out, _ = run(capsys, "verify")
    assert status == 0
    assert out.splitlines() == ["compact: whole and unchanged", "big-lama: whole and unchanged"]
    assert run(capsys, "remove", "big-lama")[0] == 0
    assert "* compact" in run(capsys, "list")[1]


def test_list_for_programs(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    run(capsys, "import", weights, "--name", "mine")
    status, out, _ = run(capsys, "list", "--json")
    assert status == 0
    built_in, mine = json.loads(out)
    assert built_in["name"] == "compact"
    assert built_in["default"]
    assert mine["name"] == "mine"
    assert not mine["default"]
    assert mine["config"]["blocks"] == 2
    assert Path(mine["path"]).is_file()
    assert len(mine["source_sha256"]) == 64


def test_an_empty_list(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registry, "built_in_path", lambda: tmp_path / "none")
    assert "no models are installed" in run(capsys, "list")[1]
    assert json.loads(run(capsys, "list", "--json")[1]) == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["import", "none.pt"], "none.pt: there is no such file"),
        (["import", "WEIGHTS", "--name", "A B"], "cannot be a model's name"),
        (["import", "WEIGHTS", "--name", "compact"], "ships with lama-fill"),
        (["remove", "nothing"], "no model 'nothing' is installed"),
        (["remove", "compact"], "cannot be removed"),
        (["verify", "nothing"], "no model 'nothing' is installed"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], weights: Path, args: list[str], said: str
) -> None:
    status, out, err = run(capsys, *(str(weights) if arg == "WEIGHTS" else arg for arg in args))
    assert status == 2
    assert out == ""
    assert err.startswith("lama-fill: ")
    assert said in err
    assert err.count("\n") == 1


def test_importing_twice(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    assert run(capsys, "import", weights)[0] == 0
    status, _, err = run(capsys, "import", weights)
    assert status == 2
    assert "installed already" in err
    assert run(capsys, "import", weights, "--replace")[0] == 0


def test_verify_goes_on_after_a_bad_one(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    run(capsys, "import", weights, "--name", "a")
    run(capsys, "import", weights, "--name", "b")
    path = registry.find_model("a").path
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in run(capsys, "list")[1]
    status, out, err = run(capsys, "verify")
    assert status == 2
    assert "cut short" in err
    assert out.splitlines() == ["compact: whole and unchanged", "b: whole and unchanged"]
