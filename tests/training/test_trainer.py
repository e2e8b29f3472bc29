from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from lama_core.model import GeneratorConfig
from lama_core.training.config import TrainingConfig
from lama_core.training.curve import draw_curve
from lama_core.training.data import Batch, Photos, make_batch
from lama_core.training.trainer import Trainer, TrainingError, learning_rate


def states_equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    mine, other = a.state_dict(), b.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


def test_one_picture_is_learnt_by_heart(photos_folder: Path) -> None:
    config = TrainingConfig(
        generator=GeneratorConfig(width=8, blocks=2, output="residual"),
        steps=400,
        sizes=(32,),
        step_pixels=2 * 32**2,
        rate=4e-3,
        warmup=10,
        perceptual=0.0,
    )
    batch = make_batch(Photos(photos_folder), 0, config)
    trainer = Trainer(config)
    first = trainer.step(batch)["hole_l1"]
    for _ in range(150):
        last = trainer.step(batch)["hole_l1"]
    assert last < first / 4


def test_a_paper_generator_learns_known_pixels_too(photos_folder: Path, tiny: TrainingConfig) -> None:
    generator = GeneratorConfig(width=8, blocks=1)
    plain = dataclasses.replace(tiny, generator=generator, known_l1=10.0, rate=1e-2, steps=100)
    batch = make_batch(Photos(photos_folder), 0, plain)
    trainer = Trainer(plain)
    first = trainer.step(batch)
    for _ in range(40):
        last = trainer.step(batch)
    assert {"hole_l1", "known_l1", "perceptual"} <= first.keys()
    assert last["known_l1"] < first["known_l1"] * 0.8


def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(
    photos_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    photos = Photos(photos_folder)
    unbroken = Trainer(tiny)
    unbroken.run(photos, tmp_path / "unbroken")

    class Stop(Exception):
        pass

    def stop_at_five(step: int, losses: dict[str, float]) -> None:
        if step == 5:
            raise Stop

    with pytest.raises(Stop):
        Trainer(tiny).run(photos, tmp_path / "broken", save_every=1, on_step=stop_at_five)
    resumed = Trainer.resume(tmp_path / "broken" / "last.pt")
    assert resumed.steps_done == 5
    resumed.run(photos, tmp_path / "broken")
    assert states_equal(resumed.generator, unbroken.generator)
    assert states_equal(resumed.average, unbroken.average)


def test_a_resumed_run_may_be_longer(tiny: TrainingConfig, tmp_path: Path) -> None:
    Trainer(tiny).save(tmp_path / "last.pt")
    assert Trainer.resume(tmp_path / "last.pt", steps=99).config.steps == 99


@pytest.mark.parametrize("content", [b"", b"no run", b"PK\x03\x04 cut short"])
def test_what_is_not_a_run_cannot_be_resumed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="is not a run that can be resumed"):
        Trainer.resume(path)


def test_a_step_that_is_not_finite_stops_the_run_and_leaves_the_weights(
    photos_folder: Path, tiny: TrainingConfig
) -> None:
    trainer = Trainer(tiny)
    good = make_batch(Photos(photos_folder), 0, tiny)
    before = [parameter.clone() for parameter in trainer.generator.parameters()]
    with pytest.raises(TrainingError, match="not finite at step 0"):
        trainer.step(Batch(good.image * torch.inf, good.hole))
    after = trainer.generator.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_rate_rises_then_falls_to_a_fiftieth() -> None:
    config = TrainingConfig(steps=1000, warmup=100, rate=1.0)
    rates = [learning_rate(config, step) for step in range(1001)]
    assert rates[:100] == sorted(rates[:100])
    assert rates[100] == pytest.approx(1.0)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_a_run_leaves_a_log_and_a_curve(photos_folder: Path, tiny: TrainingConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny, steps=20)
    Trainer(config).run(Photos(photos_folder), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20]
    assert all(line["hole_l1"] > 0 for line in lines)
    assert draw_curve(tmp_path / "log.jsonl", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
