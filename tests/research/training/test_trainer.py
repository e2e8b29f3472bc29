from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lama_core.model import GeneratorConfig
from lama_core.research.training import trainer as trainer_module
from lama_core.research.training.checkpoints import resume_trainer, save_trainer
from lama_core.research.training.config import ConfigError, TrainingConfig
from lama_core.research.training.curve import draw_curve
from lama_core.research.training.data import Photos, make_batch
from lama_core.research.training.loop import RunOptions, train
from lama_core.research.training.state_files import StateError, find_state
from lama_core.research.training.trainer import Trainer, TrainingError, learning_rate


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


def test_one_picture_is_learnt_against_an_adversary_too(
    photos_folder: Path, adversarial: TrainingConfig
) -> None:
    config = dataclasses.replace(
        adversarial, sizes=(32,), step_pixels=2 * 32**2, rate=4e-3, steps=400, adversarial_from=20
    )
    batch = make_batch(Photos(photos_folder), 0, config)
    trainer = Trainer(config)
    first = trainer.step(batch)
    for _ in range(120):
        last = trainer.step(batch)
    for name in ("hole_l1", "perceptual", "feature_distance"):
        assert float(last[name]) < float(first[name]) / 2, name


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


def stopped_at_five(config: TrainingConfig, photos: Photos, folder: Path, **how: Any) -> Trainer:
    """A run that was broken off after its fifth step, and resumed."""

    class Stop(Exception):
        pass

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 6:
            raise Stop

    with pytest.raises(Stop):
        train(Trainer(config), photos, folder, RunOptions(save_every=5, **how), on_step=stop)
    resumed = resume_trainer(folder)
    assert resumed.steps_done == 5
    return resumed


@pytest.mark.parametrize("name", ["tiny", "adversarial"])
def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(
    photos_folder: Path, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    config: TrainingConfig = request.getfixturevalue(name)
    photos = Photos(photos_folder)
    unbroken = Trainer(config)
    assert train(unbroken, photos, tmp_path / "unbroken")
    resumed = stopped_at_five(config, photos, tmp_path / "broken")
    assert train(resumed, photos, tmp_path / "broken")
    assert states_equal(resumed.generator, unbroken.generator)
    assert states_equal(resumed.ema, unbroken.ema)
    if config.adversarial:
        assert resumed.discriminator is not None
        assert unbroken.discriminator is not None
        assert states_equal(resumed.discriminator, unbroken.discriminator)


def test_parts_of_a_state_are_as_good_as_the_whole(
    photos_folder: Path, adversarial: TrainingConfig, tmp_path: Path
) -> None:
    photos = Photos(photos_folder)
    whole = stopped_at_five(adversarial, photos, tmp_path / "whole")
    parts = stopped_at_five(adversarial, photos, tmp_path / "parts", part_bytes=300_000)
    files = find_state(tmp_path / "parts")
    assert len(files) > 1
    assert all(path.stat().st_size <= 300_000 for path in files)
    assert states_equal(whole.generator, parts.generator)
    assert whole.optimizer.state_dict()["state"].keys() == parts.optimizer.state_dict()["state"].keys()


def test_a_light_state_is_much_smaller_and_goes_on_from_nearly_the_same_place(
    photos_folder: Path, adversarial: TrainingConfig, tmp_path: Path
) -> None:
    photos = Photos(photos_folder)
    whole = stopped_at_five(adversarial, photos, tmp_path / "whole")
    light = stopped_at_five(adversarial, photos, tmp_path / "light", compact=True)
    sizes = [(tmp_path / name / "last.pt").stat().st_size for name in ("whole", "light")]
    assert sizes[1] < 0.4 * sizes[0]
    for name, value in whole.ema.state_dict().items():
        if not value.is_floating_point():
            continue  # counts of steps, which a model does not keep and nothing depends on
        assert torch.allclose(value, light.ema.state_dict()[name], rtol=1e-3, atol=1e-6), name
    (tmp_path / "light" / "model.safetensors").unlink()
    alone = resume_trainer(tmp_path / "light")
    assert states_equal(alone.ema, alone.generator)
    batch = make_batch(photos, 5, adversarial)
    wanted, have = whole.step(batch), light.step(batch)
    assert wanted.keys() == have.keys()
    for name in wanted:
        assert float(have[name]) == pytest.approx(float(wanted[name]), rel=0.05), name


def test_the_adversary_enters_when_it_is_its_time(photos_folder: Path, adversarial: TrainingConfig) -> None:
    config = dataclasses.replace(adversarial, adversarial_from=2)
    photos = Photos(photos_folder)
    trainer = Trainer(config)
    assert trainer.discriminator is not None
    before = copy.deepcopy(trainer.discriminator)
    values = [trainer.step(make_batch(photos, step, config)) for step in range(2)]
    assert all("adversarial" not in one and "discriminator" not in one for one in values)
    assert states_equal(trainer.discriminator, before)
    third = trainer.step(make_batch(photos, 2, config))
    assert {"adversarial", "feature_matching", "discriminator", "feature_distance"} <= third.keys()
    assert not states_equal(trainer.discriminator, before)


def test_the_penalty_comes_every_so_many_steps(photos_folder: Path, adversarial: TrainingConfig) -> None:
    config = dataclasses.replace(adversarial, r1_every=3, adversarial_from=0)
    photos = Photos(photos_folder)
    trainer = Trainer(config)
    values = [trainer.step(make_batch(photos, step, config)) for step in range(4)]
    assert ["r1" in one for one in values] == [True, False, False, True]


def test_the_discriminator_learns_to_tell_a_fixed_fill_from_the_photo(
    photos_folder: Path, adversarial: TrainingConfig
) -> None:
    config = dataclasses.replace(
        adversarial,
        adversarial_from=0,
        discriminator_rate=3e-3,
        discriminator_width=16,
        sizes=(48,),
        rate=1e-9,
        warmup=0,
    )
    trainer = Trainer(config)
    batch = make_batch(Photos(photos_folder), 0, config)
    values = [float(trainer.step(batch)["discriminator"]) for _ in range(25)]
    assert sum(values[-5:]) / 5 < 0.75 * values[0]


def test_an_adversary_can_be_added_to_a_run_that_had_none(
    photos_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    photos = Photos(photos_folder)
    stopped_at_five(tiny, photos, tmp_path)
    settings = {"adversarial": "1.0", "discriminator_width": "4", "sizes": "48"}
    trainer = resume_trainer(tmp_path, settings=settings)
    assert "adversarial" in trainer.step(make_batch(photos, 5, trainer.config))
    with pytest.raises(TrainingError, match="cannot be changed"):
        resume_trainer(tmp_path, settings={"generator.width": "16"})
    with pytest.raises(ConfigError, match="there is no setting 'colur'"):
        resume_trainer(tmp_path, settings={"colur": "1"})


def test_a_state_from_before_there_were_adversaries_is_resumed(
    photos_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    trainer = Trainer(tiny)
    trainer.step(make_batch(Photos(photos_folder), 0, tiny))
    kept = ("generator", "steps", "sizes", "step_pixels", "rate", "warmup", "weight_decay", "clip", "ema")
    config = {name: value for name, value in dataclasses.asdict(tiny).items() if name in kept}
    state = {
        "config": config | {"hole_l1": 10.0, "known_l1": 0.0, "perceptual": 0.02, "seed": 0},
        "steps_done": 1,
        "generator": trainer.generator.state_dict(),
        "average": trainer.ema.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
    }
    torch.save(state, tmp_path / "last.pt")
    resumed = resume_trainer(tmp_path / "last.pt")
    assert resumed.config == tiny
    assert states_equal(resumed.generator, trainer.generator)


def test_a_run_ends_cleanly_when_its_time_is_up(
    photos_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    trainer = Trainer(tiny)
    assert not train(trainer, Photos(photos_folder), tmp_path, RunOptions(minutes=0.0))
    assert trainer.steps_done == 1
    assert resume_trainer(tmp_path).steps_done == 1
    assert (tmp_path / "model.safetensors").is_file()


def test_a_resumed_run_may_be_longer(tiny: TrainingConfig, tmp_path: Path) -> None:
    save_trainer(Trainer(tiny), tmp_path)
    assert resume_trainer(tmp_path / "last.pt", steps=99).config.steps == 99


@pytest.mark.parametrize("content", [b"", b"no run", b"PK\x03\x04 cut short"])
def test_what_is_not_a_run_cannot_be_resumed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(StateError, match="is not a run that can be resumed"):
        resume_trainer(path)
    torch.save({"steps_done": 3}, path)
    with pytest.raises(StateError, match="is not a run that can be resumed"):
        resume_trainer(tmp_path)


def test_a_step_that_is_not_finite_stops_the_run_and_leaves_what_was_saved(
    photos_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    trainer = Trainer(tiny)

    def break_it(step: int, losses: dict[str, float]) -> None:
        if step == 4:
            with torch.no_grad():
                next(trainer.generator.parameters()).fill_(torch.inf)

    with pytest.raises(TrainingError, match="not finite by step 5"):
        train(trainer, Photos(photos_folder), tmp_path, RunOptions(save_every=3), on_step=break_it)
    resumed = resume_trainer(tmp_path)
    assert resumed.steps_done == 3
    assert all(torch.isfinite(value).all() for value in resumed.generator.state_dict().values())


def test_the_layout_of_maps_changes_no_more_than_rounding(
    photos_folder: Path, adversarial: TrainingConfig
) -> None:
    config = dataclasses.replace(adversarial, adversarial_from=0)
    batch = make_batch(Photos(photos_folder), 0, config)
    plain, last = (Trainer(config, channels_last=layout).step(batch) for layout in (False, True))
    assert plain.keys() == last.keys()
    for name, value in plain.items():
        assert float(last[name]) == pytest.approx(float(value), rel=1e-3), name


@pytest.mark.parametrize("has_it", [True, False])
@pytest.mark.parametrize("wanted", ["float32", "bfloat16", "float16"])
def test_a_cpu_computes_in_bfloat16_where_it_has_instructions_for_it(
    tiny: TrainingConfig, monkeypatch: pytest.MonkeyPatch, wanted: str, has_it: bool
) -> None:
    monkeypatch.setattr(trainer_module, "has_bfloat16_instructions", lambda: has_it)
    trainer = Trainer(tiny.with_settings({"precision": wanted}))
    assert trainer.precision is (torch.bfloat16 if has_it and wanted != "float32" else None)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_a_step_in_half_precision_is_nearly_the_same(
    photos_folder: Path,
    adversarial: TrainingConfig,
    precision: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    photos = Photos(photos_folder)
    config = dataclasses.replace(adversarial, adversarial_from=0, precision="float16")
    wanted = Trainer(config).step(make_batch(photos, 0, config))
    # Only accelerators compute so; here the CPU stands in for one.
    monkeypatch.setattr(Trainer, "precision", precision)
    trainer = Trainer(config)
    have = trainer.step(make_batch(photos, 0, config))
    assert have.keys() == wanted.keys()
    for name in have:
        # With a scale the first gradients overflow, until the scale is right.
        if name != "norm" or precision is torch.bfloat16:
            assert float(have[name]) == pytest.approx(float(wanted[name]), rel=0.05, abs=1e-3), name
    before = [parameter.clone() for parameter in trainer.generator.parameters()]
    assert train(trainer, photos, tmp_path)
    after = trainer.generator.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    resumed = resume_trainer(tmp_path)
    assert resumed.scaler.state_dict() == trainer.scaler.state_dict()
    assert bool(resumed.scaler.state_dict()) == (precision is torch.float16)


def test_half_precision_keeps_the_spectral_part_in_single(photos_folder: Path, tiny: TrainingConfig) -> None:
    trainer = Trainer(tiny)
    seen: dict[str, torch.dtype] = {}
    for name, module in trainer.generator.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out.dtype}))
    batch = make_batch(Photos(photos_folder), 0, tiny)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = trainer.generator(batch.image / 255, batch.hole.float())
    assert prediction.dtype == torch.float32  # the residual is added to a start in single precision
    spectral = {name for name in seen if "fourier_unit" in name}
    assert spectral
    assert all(seen[name] == torch.float32 for name in spectral)
    assert all(dtype == torch.bfloat16 for name, dtype in seen.items() if name not in spectral)


def test_the_rate_rises_then_falls_to_a_fiftieth() -> None:
    config = TrainingConfig(steps=1000, warmup=100, rate=1.0)
    rates = [learning_rate(config, step) for step in range(1001)]
    assert rates[:100] == sorted(rates[:100])
    assert rates[100] == pytest.approx(1.0)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_a_run_leaves_a_log_and_a_curve(photos_folder: Path, tiny: TrainingConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny, steps=20)
    train(Trainer(config), Photos(photos_folder), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20]
    assert all(line["hole_l1"] > 0 for line in lines)
    assert draw_curve(tmp_path / "log.jsonl", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
