"""What the dialogs offer is what a fill takes."""

from __future__ import annotations

import pytest

from lama_core.client.options import OPTIONS, FillOptions, OptionError
from lama_core.client.options import QUALITIES as DECLARED
from lama_core.client.plugin.choices import CONTEXTS, QUALITIES, DialogOptions, names


def test_every_choice_means_something_to_a_fill() -> None:
    assert names(QUALITIES) == DECLARED
    for choice in CONTEXTS:
        options = DialogOptions(grow=3, feather=0, context=choice.name, quality="best").fill
        assert OPTIONS["context"].accepts(options.context)
        assert str(options.context) == choice.name
        assert (options.grow, options.feather, options.quality) == (3, 0, "best")


def test_the_defaults_are_those_of_a_fill() -> None:
    assert DialogOptions().fill == FillOptions()


@pytest.mark.parametrize(
    "wrong", [{"grow": -2}, {"feather": 5000}, {"context": "near"}, {"quality": "worst"}]
)
def test_what_no_fill_takes_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        _ = DialogOptions(**wrong).fill  # type: ignore[arg-type]
