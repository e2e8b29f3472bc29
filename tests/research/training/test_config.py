from __future__ import annotations

import pytest

from lama_core.research.training.config import ConfigError, TrainingConfig


def test_the_paper_s_weights_are_those_of_its_models() -> None:
    for name in ("lama-fourier", "big-lama"):
        config = TrainingConfig.named(name, perceptual_network="resnet50")
        assert (config.known_l1, config.hole_l1) == (10.0, 0.0)
        assert (config.adversarial, config.feature_matching, config.r1) == (10.0, 100.0, 0.001)
        assert (config.perceptual, config.rate, config.discriminator_rate) == (30.0, 1e-3, 1e-4)
        assert config.sizes == (256,)
        assert config.adversarial_from == 0
    assert (
        TrainingConfig.named("big-lama").step_pixels == 4 * TrainingConfig.named("lama-fourier").step_pixels
    )


def test_settings_are_read_as_they_are_written() -> None:
    config = TrainingConfig.named("compact").with_settings(
        {
            "rate": "3e-4",
            "sizes": "256, 512",
            "generator.width": "32",
            "precision": "float16",
            "holes": "thin",
        }
    )
    assert config.rate == 3e-4
    assert config.sizes == (256, 512)
    assert config.generator.width == 32
    assert config.precision == "float16"
    assert config.holes == ("thin",)
    lfu = config.with_settings({"generator.local_fourier_unit": "true"})
    assert lfu.generator.local_fourier_unit is True


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pace": "1"}, "there is no setting 'pace'"),
        ({"generator.pace": "1"}, "there is no setting 'pace'"),
        ({"generator": "1"}, "there is no setting 'generator'"),
        ({"steps": "many"}, "steps must be a number, not 'many'"),
        ({"steps": "0"}, "steps must be 1 or more"),
        ({"sizes": "8"}, "sizes must be"),
        ({"holes": "thin,fat"}, "fat"),
        ({"crops": "round"}, "crops must be one of any-scale, native"),
        ({"adversarial": "0"}, "feature_matching needs a discriminator"),
        ({"generator.local_fourier_unit": "yes"}, "must be true or false"),
        ({"hole_l1": "0", "perceptual": "0", "feature_distance": "0"}, "nothing is to be learnt"),
    ],
)
def test_what_a_setting_cannot_be_is_said(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrainingConfig.named("compact").with_settings(settings)
