"""What the dialogs offer is what a fill takes."""

from __future__ import annotations

import pytest

from lama_core.client.options import OPTIONS, FillOptions, OptionError
from lama_core.client.options import QUALITIES as DECLARED
from lama_core.client.plugin.choices import AUTOMATIC, CONTEXTS, QUALITIES, fill_options, names


def test_every_choice_means_something_to_a_fill() -> None:
    assert names(QUALITIES) == DECLARED
    for choice in CONTEXTS:
        options = fill_options(grow=3, feather=0, context=choice.name, quality="best", seed=7)
        assert OPTIONS["context"].accepts(options.context)
        assert (options.grow, options.feather, options.quality, options.seed) == (3, 0, "best", 7)


def test_automatic_is_the_default_of_a_fill() -> None:
    assert (
        fill_options(grow=AUTOMATIC, feather=AUTOMATIC, context="auto", quality="balanced") == FillOptions()
    )


@pytest.mark.parametrize(
    "wrong", [{"grow": -2}, {"feather": 5000}, {"context": "near"}, {"quality": "worst"}]
)
def test_what_no_fill_takes_is_refused_by_name(wrong: dict[str, object]) -> None:
    right = {"grow": 0, "feather": 0, "context": "auto", "quality": "fast"}
    with pytest.raises(OptionError, match=next(iter(wrong))):
        fill_options(**{**right, **wrong})  # type: ignore[arg-type]
