"""In the real GIMP: fills that are copied from what a saved channel says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosts.gimp import Gimp


def test_a_channel_says_where_the_fill_is_copied_from(gimp: Gimp) -> None:
    """Green on the left, red on the right: the fill is greener than from the right by a clear step."""
    seen = gimp.call("copied_from_channels")
    assert seen["left"] > seen["right"] + 15
    assert seen["half"] == pytest.approx(seen["right"], abs=4), "what is half white counts"


def test_a_layer_that_is_smaller_than_the_channel(gimp: Gimp) -> None:
    inside, elsewhere = gimp.call("copied_from_into_a_small_layer")
    assert inside["error"] == ""
    assert inside["changed"]["outside"] == 0
    assert "“elsewhere” leaves nothing to copy from: change what it marks" in elsewhere["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"deleted": True},
            "There is no channel “stencil” in this image: choose another one, or “Everywhere”.",
        ),
        ({"value": 0}, "“stencil” leaves nothing to copy from: change what it marks."),
        ({"value": 100}, "“stencil” leaves nothing to copy from: change what it marks."),
        ({"rect": (130, 100, 20, 20)}, "“stencil” leaves nothing to copy from but what is to be filled"),
    ],
)
def test_a_channel_that_allows_nothing_is_one_sentence(
    gimp: Gimp, arguments: dict[str, Any], said: str
) -> None:
    answer = gimp.call("copied_from", **arguments)
    assert said in answer["error"]
    assert "\n" not in answer["error"]
    assert answer["fills"] == []
    assert answer["images"] == 1, "an image was left behind"
