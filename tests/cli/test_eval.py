from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_server.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    y, x = np.mgrid[0:40, 0:48]
    photo = np.stack([x * 5, y * 6, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "a.png")
    return tmp_path


def test_the_table_and_the_sheet_are_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = folder / "sheets" / "all.png"
    assert main(["eval", str(folder), "--model", "compact", "--sheet", str(sheet)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| holes | push-pull | OpenCV Telea | compact |"
    assert len(lines) == 2 + 4
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_json_has_every_figure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(folder), "--model", "compact", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["thin"]["OpenCV Telea"].keys() == {"hole_l1", "psnr", "ssim", "feature_distance"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{folder}/none"], "is not a folder"),
        (["{folder}", "--model", "nobodys"], "nobodys"),
        (["{folder}", "--metrics", "beauty"], "there is no metric 'beauty'"),
        (["{folder}", "--sheet-rows", "0"], "--sheet-rows must be 1 or more"),
        (["{folder}", "--sheet", "{folder}/a.unknown"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["eval", *(argument.format(folder=folder) for argument in arguments)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("lama-fill: ")
    assert said in error
    assert "\n" not in error


@pytest.mark.skipif("LAMA_FILL_DATA" not in os.environ, reason="LAMA_FILL_DATA names no evaluation photos")
def test_the_shipped_model_looks_more_like_the_photographs_than_telea(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = Path(os.environ["LAMA_FILL_DATA"]) / "eval"
    (tmp_path / "photos").mkdir()
    for photo in sorted((data / "photos").iterdir())[::12]:
        (tmp_path / "photos" / photo.name).symlink_to(photo)
    (tmp_path / "masks").symlink_to(data / "masks")
    assert main(["eval", str(tmp_path), "--model", "compact", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table.keys() == {"thin", "medium", "thick", "object"}
    for row in table.values():
        assert row["compact"]["feature_distance"] < row["OpenCV Telea"]["feature_distance"]
