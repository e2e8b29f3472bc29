from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    y, x = np.mgrid[0:40, 0:48]
    photo = np.stack([x * 5, y * 6, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "a.png")
    return tmp_path


def test_the_table_the_sheet_and_the_page_are_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, page = folder / "sheets" / "all.png", folder / "pages" / "all.html"
    arguments = ["eval", str(folder), "--model", "compact", "--sheet", str(sheet), "--page", str(page)]
    assert main([*arguments, "--quality", "fast,balanced", "--no-seam", "--kinds", "thin,object"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == "1 photo as they are:"
    rows = [line.split(" | ")[:2] for line in lines[4:]]
    methods = [
        *("OpenCV Telea", "OpenCV Navier-Stokes", "compact alone", "compact fast", "compact balanced"),
        *("compact fast, no seam", "compact balanced, no seam", "original"),
    ]
    assert rows == [[f"| {kind}", method] for kind in ("thin", "object") for method in methods]
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert page.read_text("utf-8").count("<figure") == 2


def test_a_brief_table_at_two_sizes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--brief", "--sizes", "40,80", "--kinds", "object", "--quality", "fast", "--grainy"]
    assert main(["eval", str(folder), "--model", "compact", *arguments]) == 0
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert [block.startswith("1 photo, short side") for block in blocks] == [True, False, True, False]
    assert "1 enlarged from 40 pixels by Lanczos" in blocks[2]
    assert "synthetic grain" in blocks[2]
    for table in (blocks[1], blocks[3]):
        titles = "| holes | OpenCV Telea | OpenCV Navier-Stokes | compact alone | compact fast |"
        assert table.splitlines()[0] == titles
        assert len(table.splitlines()) == 3


def test_rendered_sets_go_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--sizes", "64", "--pictures", "1", "--kinds", "object", "--quality", "fast", "--json"]
    for name in ("periodic", "grainy", "clean"):
        assert main(["eval", name, "--model", "compact", *arguments]) == 0
        (only,) = json.loads(capsys.readouterr().out)
        assert only["pictures"].endswith("drawn at 64 x 64 pixels")
        assert only["figures"].keys() == {"object"}


def test_structures_go_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = folder / "structures.png"
    arguments = ["--sizes", "96", "--pictures", "2", "--kinds", "slats,things", "--sheet", str(sheet)]
    assert main(["eval", "structures", "--model", "compact", *arguments]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == "2 rendered structures, drawn at 96 x 96 pixels:"
    rows = [line.strip("| ").split(" | ")[:2] for line in lines[4:]]
    methods = ["OpenCV Telea", "OpenCV Navier-Stokes", "compact alone", "compact balanced", "original"]
    assert rows == [[kind, method] for kind in ("slats", "things", "all") for method in methods]
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_json_has_every_figure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(folder), "--model", "compact", "--kinds", "thin", "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    figures = only["figures"]["thin"]["OpenCV Telea"]
    ours = {"hole_l1", "psnr", "ssim", "feature_distance", "boundary_step", "grain_ratio", "seconds"}
    assert figures.keys() == ours


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{folder}/none"], "is not a folder"),
        (["{folder}", "--model", "nobodys"], "nobodys"),
        (["{folder}", "--metrics", "beauty"], "there is no metric 'beauty'"),
        (["{folder}", "--sheet-rows", "0"], "--sheet-rows must be 1 or more"),
        (["{folder}", "--pictures", "0"], "--pictures must be 1 or more"),
        (["{folder}", "--quality", "great"], "--quality is of fast, balanced, best, not 'great'"),
        (["{folder}", "--sizes", "512,big"], "--sizes are numbers of pixels from 16 up"),
        (["{folder}", "--kinds", "round"], "--kinds are of thin, medium, thick, object, not 'round'"),
        (["structures", "--kinds", "clouds"], "--kinds of the structures are lines, curves"),
        (["structures", "--sizes", "48"], "structures of 48 pixels are too small: give 64 or more"),
        (["structures", "--metrics", "lpips"], "--metrics is not for the structures"),
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
    for photo in sorted((data / "photos").iterdir())[::17]:
        (tmp_path / "photos" / photo.name).symlink_to(photo)
    (tmp_path / "masks").symlink_to(data / "masks")
    assert main(["eval", str(tmp_path), "--model", "compact", "--json", "--kinds", "thin,object"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    table = only["figures"]
    assert table.keys() == {"thin", "object"}
    for row in table.values():
        assert row["compact alone"]["feature_distance"] < row["OpenCV Telea"]["feature_distance"]
