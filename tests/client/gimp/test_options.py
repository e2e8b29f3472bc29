"""Options, as scripts give them."""

from __future__ import annotations

import pytest

from lama_core.client.gimp.options import ArgumentError, Options
from lama_core.client.plugin.choices import CONTEXTS


@pytest.mark.parametrize(
    "wrong",
    [
        {"grow": -2},
        {"grow": 5000},
        {"feather": -2},
        {"context": "13"},
        {"input": "everything"},
        {"output": ""},
        {"quality": "worst"},
        {"variation": -1},
    ],
)
def test_an_argument_that_means_nothing_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Options(**wrong)  # type: ignore[arg-type]


def test_every_context_means_something_to_the_server() -> None:
    for choice in CONTEXTS:
        assert Options(context=choice.name).fill.context in ("auto", "whole", *range(1, 5000))
