from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_core.model import load_generator
from lama_server.cli import main


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    y, x = np.mgrid[0:300, 0:300]
    photo = np.stack([x * 5 % 256, y * 6 % 256, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    Image.fromarray(photo).save(folder / "a.png")
    return folder


def test_a_run_gives_a_model_and_goes_on(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ["train", "--data", str(photos), "--run", str(folder)]
    assert main([*arguments, "--steps", "1"]) == 0
    assert load_generator(folder / "model.safetensors").config.output == "residual"
    first = (folder / "model.safetensors").read_bytes()
    assert main([*arguments, "--steps", "2"]) == 0
    assert "lama-fill models import" in capsys.readouterr().out
    assert (folder / "model.safetensors").read_bytes() != first


def test_bad_input_is_one_line_and_exit_status_2(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert main(["train", "--data", str(tmp_path / "none"), "--run", str(run)]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(["train", "--data", str(photos), "--run", str(run), "--steps", "0"]) == 2
    assert "--steps must be 1 or more" in capsys.readouterr().err
    (run / "last.pt").write_bytes(b"something else")
    assert main(["train", "--data", str(photos), "--run", str(run)]) == 2
    error = capsys.readouterr().err.strip()
    assert "is not a run that can be resumed" in error
    assert "\n" not in error
