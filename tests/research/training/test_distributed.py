from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from lama_core.research.training.checkpoints import resume_trainer, save_trainer
from lama_core.research.training.config import TrainingConfig
from lama_core.research.training.data import Photos, make_batch
from lama_core.research.training.loop import train
from lama_core.research.training.trainer import Trainer

PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from lama_core.research.training.checkpoints import resume_trainer
from lama_core.research.training.data import Photos, make_batch
from lama_core.research.training.distributed import DistributedContext
from lama_core.research.training.loop import train
from lama_core.research.training.trainer import Trainer

photos, start, folder = map(Path, sys.argv[1:])
context = DistributedContext.from_environment("cpu")
trainer = resume_trainer(start, context=context)
whole = [make_batch(Photos(photos), step, trainer.config) for step in range(2)]
for batch in whole:  # the same for all
    trainer.step(batch)
weights = trainer.generator.state_dict() | trainer.discriminator.state_dict()
torch.save(weights, folder / f"same-{context.share.part}.pt")
train(trainer, Photos(photos), folder)  # each its share
weights = {name: value for name, value in trainer.generator.named_parameters()}
weights |= {name: value for name, value in trainer.discriminator.named_parameters()}
weights = {name: value.detach() for name, value in weights.items()}
torch.save(weights, folder / f"own-{context.share.part}.pt")
context.close()
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_train_one_model(
    photos_folder: Path, adversarial: TrainingConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(adversarial, adversarial_from=0, steps=6)
    start, folder = tmp_path / "start", tmp_path / "run"
    start.mkdir()
    folder.mkdir()
    alone = Trainer(config)
    save_trainer(alone, start)
    environment = os.environ | {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(photos_folder), str(start), str(folder)],
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=200)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], errors

    # Of the same batch in both processes, the mean gradient is that of one process alone.
    for step in range(2):
        alone.step(make_batch(Photos(photos_folder), step, config))
    assert alone.discriminator is not None
    wanted = alone.generator.state_dict() | alone.discriminator.state_dict()
    for rank in range(2):
        have = torch.load(folder / f"same-{rank}.pt", weights_only=True)
        for name, value in wanted.items():
            assert torch.allclose(have[name], value, atol=1e-5), name

    # Of different shares, both have learnt the same, and one has kept it.
    first, second = (torch.load(folder / f"own-{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.allclose(first[name], wanted[name], atol=1e-5) for name in first)
    kept = resume_trainer(folder)
    assert kept.steps_done == 6
    assert all(torch.equal(value, first[name]) for name, value in kept.generator.named_parameters())
    assert (folder / "log.jsonl").exists()


def test_a_log_of_ten_steps_has_the_means_of_all_losses(
    photos_folder: Path, adversarial: TrainingConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(adversarial, steps=10)
    seen: list[dict[str, float]] = []
    train(
        Trainer(config),
        Photos(photos_folder),
        tmp_path,
        on_step=lambda _step, losses: seen.append(dict(losses)),
    )
    (line,) = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    penalties = [losses["r1"] for losses in seen if "r1" in losses]
    assert line["r1"] == pytest.approx(sum(penalties) / len(penalties), abs=1e-5)
    assert line["hole_l1"] == pytest.approx(sum(losses["hole_l1"] for losses in seen) / 10, abs=1e-5)
    assert {"adversarial", "feature_matching", "discriminator", "norm", "seconds"} <= line.keys()
