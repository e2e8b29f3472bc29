from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lama_cli import main
from lama_core.model.installed.load import load_generator
from lama_core.research.training.ablation import load_ablation


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    y, x = np.mgrid[0:96, 0:96]
    photo = np.stack([x * 5 % 256, y * 6 % 256, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    Image.fromarray(photo).save(folder / "a.png")
    return folder


def small(photos: Path, folder: Path, *more: str) -> list[str]:
    """A run small enough for a test: every other setting is as the command has it."""
    settings = ("generator.width=8", "generator.blocks=1", "sizes=64", "step_pixels=8192")
    settings += ("discriminator_width=4", "adversarial_from=0")
    arguments = ["train", "--data", str(photos), "--run", str(folder), *more]
    return arguments + [part for setting in settings for part in ("--set", setting)]


def test_a_run_gives_a_model_and_goes_on(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(small(photos, folder, "--steps", "20", "--save-every", "10")) == 0
    assert "lama-fill models import" in capsys.readouterr().out
    model = load_generator(folder / "model.safetensors")
    assert model.config.output == "residual"
    assert model.config.width == 8
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    with Image.open(folder / "samples.jpg") as samples:
        assert samples.size == (3 * 256, 6 * 256)
    first = (folder / "model.safetensors").read_bytes()
    assert main(["train", "--data", str(photos), "--run", str(folder), "--steps", "21"]) == 0
    assert (folder / "model.safetensors").read_bytes() != first


def test_a_run_in_a_limited_time_says_that_it_can_go_on(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    limits = ("--steps", "1000", "--minutes", "0.0001", "--light", "--part-mib", "1")
    assert main(small(photos, folder, *limits)) == 0
    assert "1 of 1000 steps are done: the same command goes on" in capsys.readouterr().out
    assert all(path.stat().st_size <= 1 << 20 for path in folder.iterdir() if path.name.startswith("last"))
    assert main(small(photos, folder, *limits)[:-12]) == 0
    assert "2 of 1000" in capsys.readouterr().out


def test_a_run_can_begin_with_a_model_s_weights(photos: Path, tmp_path: Path) -> None:
    assert main(small(photos, tmp_path / "first", "--steps", "1")) == 0
    first = tmp_path / "first" / "model.safetensors"
    arguments = ["train", "--data", str(photos), "--run", str(tmp_path / "second"), "--from", str(first)]
    settings = (
        "sizes=64",
        "step_pixels=4096",
        "rate=1e-12",
        "warmup=0",
        "adversarial=0",
        "feature_matching=0",
    )
    arguments += [part for setting in settings for part in ("--set", setting)]
    assert main([*arguments, "--steps", "1"]) == 0
    # At no rate at all the weights are those that it began with.
    before, after = (
        load_generator(tmp_path / name / "model.safetensors").state_dict() for name in ("first", "second")
    )
    assert all(
        torch.allclose(before[name], after[name], atol=1e-3) for name in before if ".running_" not in name
    )


def test_the_paper_s_other_generators_are_trained_too(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = small(photos, folder, "--steps", "1", "--config", "lama-fourier")
    assert main([*arguments, "--set", "architecture=plain"]) == 0
    assert load_ablation(folder / "model.safetensors").kind == "plain"


def test_bad_input_is_one_line_and_exit_status_2(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    base = ["train", "--data", str(photos), "--run", str(run)]
    (tmp_path / "encoder.pth").write_bytes(b"nothing")
    for arguments, said in [
        (["train", "--data", str(tmp_path / "none"), "--run", str(run)], "is not a folder"),
        ([*base, "--steps", "0"], "--steps must be 1 or more"),
        ([*base, "--minutes", "0"], "--minutes must be more than 0"),
        ([*base, "--workers", "-1"], "--workers must be 0 or more"),
        ([*base, "--set", "rate"], "write it as NAME=VALUE"),
        ([*base, "--set", "rate=fast"], "rate must be a number, not 'fast'"),
        ([*base, "--set", "pace=1"], "there is no setting 'pace'"),
        ([*base, "--set", "generator.width=3"], "width must be an even number"),
        ([*base, "--set", "loss_on=both"], "loss_on must be one of fill, prediction"),
        ([*base, "--set", "architecture=plain"], "set generator.output"),
        ([*base, "--set", "perceptual_network=resnet50"], "without its weights"),
        ([*base, "--perceptual", str(tmp_path / "encoder.pth")], "not a checkpoint"),
        ([*base, "--from", "nobodys"], "nobodys"),
    ]:
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err.strip()
        assert said in error
        assert "\n" not in error
    (run / "last.pt").write_bytes(b"something else")
    assert main(base) == 2
    assert "is not a run that can be resumed" in capsys.readouterr().err
    assert main([*base, "--from", "compact"]) == 2
    assert "holds a run already" in capsys.readouterr().err
