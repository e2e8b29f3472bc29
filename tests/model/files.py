"""Writes weights in each form that they come in."""

from __future__ import annotations

import sys
import types
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.model.reference_official import FFCResNetGenerator

CONFIG_YAML = """\
run_title: b18_ffc075_batch8x15
generator:
  kind: ffc_resnet
  input_nc: 4
  output_nc: 3
  ngf: {ngf}
  n_downsampling: 3
  n_blocks: {blocks}
  add_out_act: {output}
  init_conv_kwargs:
    ratio_gin: 0
    ratio_gout: 0
    enable_lfu: false
  downsample_conv_kwargs:
    ratio_gin: ${{generator.init_conv_kwargs.ratio_gout}}
    ratio_gout: ${{generator.downsample_conv_kwargs.ratio_gin}}
    enable_lfu: false
  resnet_conv_kwargs:
    ratio_gin: 0.75
    ratio_gout: ${{generator.resnet_conv_kwargs.ratio_gin}}
    enable_lfu: false
discriminator:
  kind: pix2pixhd_nlayer
"""


def config_yaml(*, output: str = "sigmoid", ngf: int = 8, blocks: int = 2) -> str:
    return CONFIG_YAML.format(output=output, ngf=ngf, blocks=blocks)


@contextmanager
def foreign_classes() -> Iterator[types.SimpleNamespace]:
    """Classes of libraries that are there when a file is written, and not when it is read."""
    made = {}
    for module_name, class_name in (
        ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"),
        ("omegaconf.dictconfig", "DictConfig"),
    ):
        module = types.ModuleType(module_name)
        cls = type(class_name, (), {"__module__": module_name})
        setattr(module, class_name, cls)
        made[class_name] = cls
        sys.modules[module_name] = module
        # pickle imports a class's module by its whole path.
        parts = module_name.split(".")
        for n in range(1, len(parts)):
            sys.modules.setdefault(".".join(parts[:n]), types.ModuleType(".".join(parts[:n])))
    try:
        yield types.SimpleNamespace(**made)
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] in ("pytorch_lightning", "omegaconf")]:
            del sys.modules[name]


def training_state(official: FFCResNetGenerator) -> dict[str, torch.Tensor]:
    """The state dict of the official training module: the generator beside other networks."""
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    state = {f"generator.{name}": value for name, value in official.state_dict().items()}
    state |= {f"discriminator.model0.{name}": value for name, value in other.state_dict().items()}
    state |= {f"loss_resnet_pl.impl.{name}": value for name, value in other.state_dict().items()}
    return state


def save_lightning(
    path: Path,
    official: FFCResNetGenerator,
    *,
    legacy: bool = False,
    protocol: int = 2,
    extra: Mapping[str, object] | None = None,
) -> Path:
    """As the official training leaves it: objects of Lightning, OmegaConf and numpy among the tensors."""
    with foreign_classes() as foreign:
        callback, config = foreign.ModelCheckpoint(), foreign.DictConfig()
        callback.best_model_score = torch.tensor(0.5)
        config.content = {"generator": {"ngf": 8}, "self": config}
        checkpoint = {
            "epoch": 39,
            "global_step": 1_000_000,
            "pytorch-lightning_version": "1.2.9",
            "callbacks": {type(callback): {"best_model_score": np.float64(3.5), "object": callback}},
            "optimizer_states": [
                {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": np.float32(1e-3)}]}
            ],
            "lr_schedulers": [np.arange(4)],
            "state_dict": training_state(official),
            "hyper_parameters": config,
            **(extra or {}),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return path


def save_folder(folder: Path, official: FFCResNetGenerator, *, output: str = "sigmoid") -> Path:
    save_lightning(folder / "models" / "best.ckpt", official)
    (folder / "config.yaml").write_text(config_yaml(output=output))
    return folder


def zip_folder(
    folder: Path, path: Path, *, top: bool = True, compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            inside = file.relative_to(folder.parent if top else folder)
            archive.write(file, inside)
    return path


class _Model(nn.Module):
    """As the tool behind big-lama.pt wraps it: the training module, of which only the generator is called."""

    def __init__(self, official: FFCResNetGenerator) -> None:
        super().__init__()
        self.generator = official
        self.discriminator = nn.Conv2d(3, 8, 3)

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return mask * self.generator(torch.cat([image * (1 - mask), mask], dim=1)) + (1 - mask) * image


class _Wrapper(nn.Module):
    def __init__(self, official: FFCResNetGenerator) -> None:
        super().__init__()
        self.model = _Model(official)

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.model(image, mask)


def save_torchscript(path: Path, official: FFCResNetGenerator, *, wrapped: bool = True) -> Path:
    with warnings.catch_warnings():
        # That tracing is out of fashion changes nothing about the files that it left.
        warnings.simplefilter("ignore", DeprecationWarning)
        _trace(official, wrapped=wrapped).save(str(path))
    return path


def _trace(official: FFCResNetGenerator, *, wrapped: bool) -> torch.jit.ScriptModule:
    if wrapped:
        example: object = (torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32))
        return torch.jit.trace(_Wrapper(official).eval(), example, check_trace=False)
    return torch.jit.trace(official, torch.rand(1, 4, 32, 32), check_trace=False)
