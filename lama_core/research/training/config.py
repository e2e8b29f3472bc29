"""The settings of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lama_core.client.errors import LamaFillError
from lama_core.model import GeneratorConfig
from lama_core.research.holes.masks import MASK_KINDS

ConfigName = Literal["compact", "lama-fourier", "big-lama"]
Architecture = Literal["ffc", "plain", "multidilated"]

DEFAULT_STEPS = 20_000


class ConfigError(LamaFillError):
    """A setting has a name or a value that it cannot have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What a run needs to know beside its photos. It is kept with the run, for resuming.

    Losses that are added up carry the name of the setting that is their weight; 0 leaves one out.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig.compact)
    architecture: Architecture = "ffc"
    """LaMa's generator, or one of those that the paper compares it with (`training.ablation`)."""
    steps: int = DEFAULT_STEPS
    """Steps in all; the learning rate falls along a cosine to a fiftieth of itself at the last one."""
    sizes: tuple[int, ...] = (64, 128, 256)
    """Sides of the crops, pixels; each step draws one of them, so that holes of all sizes are learnt. One
    that is named twice is drawn twice as often."""
    step_pixels: int = 64 * 1024
    """Pixels a step: small crops come in larger batches, so every step costs the same."""
    crops: Literal["any-scale", "native"] = "any-scale"
    """How large a square of the photo a crop shows: anything between its own size and the photo's short
    side, or always its own size, as in the paper."""
    colour: float = 0.0
    """How much exposure, contrast and tint of the photos are changed by chance; 0.1 is a little."""
    holes: tuple[str, ...] = ("thin", "medium", "thick")
    """Kinds of holes, drawn as sizes are (`lama_core.research.holes.masks.MASK_KINDS`)."""
    rate: float = 1e-3
    """Adam's learning rate at its highest, after `warmup` steps of linear rise."""
    warmup: int = 200
    weight_decay: float = 0.0
    """Above 0 the optimizer is AdamW."""
    clip: float = 1.0
    """Gradients are scaled down to this norm."""
    ema: float = 0.999
    """Share of the averaged weights that one step keeps."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What most layers compute in, on an accelerator and on a CPU that has bfloat16; FFTs and losses stay
    with float32."""
    loss_on: Literal["fill", "prediction"] = "fill"
    """What perceptual and adversarial losses see: the picture with its hole filled, or, as in the paper's
    code, all that the network predicts."""
    hole_l1: float = 10.0
    """Weight of the mean absolute difference in the hole."""
    known_l1: float = 0.0
    """The same on known pixels. The paper's is 10; a residual generator is given them and needs none."""
    perceptual: float = 0.02
    """Weight of the high receptive field perceptual loss."""
    perceptual_network: Literal["small", "resnet50"] = "small"
    """Whose features it compares: those of the small network that ships, or of the paper's ResNet-50, whose
    weights the user brings. The small one's differences are about 500 times larger."""
    feature_distance: float = 0.0
    """Weight of the same with features of unit length, which is what `lama-fill eval` measures."""
    adversarial: float = 0.0
    """Weight of the non-saturating adversarial loss; above 0 there is a discriminator."""
    feature_matching: float = 0.0
    """Weight of the difference between the discriminator's features of fill and photo."""
    r1: float = 0.001
    """Weight of the gradient penalty in the discriminator's loss."""
    r1_every: int = 1
    """Steps between two gradient penalties, each then weighted so many times more."""
    adversarial_from: int = 0
    """The first step with an adversary: until then the generator learns colours and coarse structures."""
    discriminator_rate: float = 1e-4
    discriminator_width: int = 64
    """Channels of its first layer."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 16:
            raise ConfigError("sizes must be one or more, of 16 pixels or more each")
        unknown = [kind for kind in self.holes if kind not in MASK_KINDS]
        if unknown or not self.holes:
            raise ConfigError(
                f"holes must be one or more of {', '.join(MASK_KINDS)}, not {', '.join(unknown)}"
            )
        if self.architecture != "ffc" and self.generator.output == "residual":
            raise ConfigError("the paper's generators end in sigmoid or tanh: set generator.output")
        if self.feature_matching and not self.adversarial:
            raise ConfigError("feature_matching needs a discriminator: set adversarial above 0 too")
        if not (self.hole_l1 or self.known_l1 or self.perceptual or self.feature_distance):
            raise ConfigError("nothing is to be learnt: set the weight of a loss above 0")
        for name in ("steps", "step_pixels", "r1_every", "discriminator_width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more, not {getattr(self, name)}")

    @classmethod
    def named(
        cls,
        name: ConfigName,
        *,
        steps: int | None = None,
        perceptual_network: Literal["small", "resnet50"] = "small",
    ) -> TrainingConfig:
        """The settings for a model of ours, or for one of the paper's.

        The paper's generators see no hint of the hole's colours and must learn to copy what is known, so
        known pixels count for them and the hole does not (paper, section 2.3).
        """
        steps = DEFAULT_STEPS if steps is None else steps
        if name == "compact":
            return cls(
                generator=GeneratorConfig.compact(),
                steps=steps,
                sizes=(256, 256, 512),
                step_pixels=32 * 256**2,
                colour=0.1,
                holes=("thin", "medium", "thick", "box", "object"),
                warmup=500,
                precision="bfloat16",
                perceptual=10.0 if perceptual_network == "resnet50" else 0.02,
                perceptual_network=perceptual_network,
                feature_distance=4.0,
                adversarial=1.0,
                feature_matching=20.0,
                r1_every=4,
                adversarial_from=steps // 5,
                discriminator_width=32,
            )
        generator = GeneratorConfig.lama_fourier() if name == "lama-fourier" else GeneratorConfig.big_lama()
        return cls(
            generator=generator,
            steps=steps,
            sizes=(256,),
            step_pixels=(30 if name == "lama-fourier" else 120) * 256**2,
            crops="native",
            holes=("wide", "box"),
            loss_on="prediction",
            hole_l1=0.0,
            known_l1=10.0,
            perceptual=30.0 if perceptual_network == "resnet50" else 0.06,
            perceptual_network=perceptual_network,
            adversarial=10.0,
            feature_matching=100.0,
        )

    def with_settings(self, settings: Mapping[str, str]) -> TrainingConfig:
        """The same with some settings changed, as they are written on a command line.

        Args:
            settings: values by name; `generator.NAME` for one of the generator's, commas between several
                values.

        Raises:
            ConfigError: there is no such setting, or it cannot have this value.
        """
        own = {name: value for name, value in settings.items() if not name.startswith("generator.")}
        inner = {
            name.removeprefix("generator."): value
            for name, value in settings.items()
            if name.startswith("generator.")
        }
        try:
            generator = replace(self.generator, **_parsed(GeneratorConfig, inner))
            return replace(self, generator=generator, **_parsed(TrainingConfig, own))
        except ValueError as error:
            raise ConfigError(str(error)) from error


def _parsed(kind: type, settings: Mapping[str, str]) -> dict[str, Any]:
    types = get_type_hints(kind)
    names = [one.name for one in fields(kind) if one.name != "generator"]
    parsed: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in names:
            raise ConfigError(f"there is no setting {name!r}: the settings are {', '.join(names)}")
        parsed[name] = _value(name, text, types[name])
    return parsed


def _value(name: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return tuple(_value(name, part.strip(), get_args(kind)[0]) for part in text.split(","))
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ConfigError(f"{name} must be one of {', '.join(get_args(kind))}, not {text!r}")
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return text == "true"
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigError(f"{name} must be a number, not {text!r}") from error
