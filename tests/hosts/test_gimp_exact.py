"""In the real GIMP: the picture outside of the fill is the same, byte for byte, in every kind of image."""

from __future__ import annotations

import pytest

from tests.hosts.gimp import Gimp


@pytest.mark.parametrize("kind", ["rgb", "gray"])
def test_every_precision(gimp: Gimp, kind: str) -> None:
    answers = gimp.call("every_precision", kind=kind)
    assert len(answers) == 18
    for precision, answer in answers.items():
        assert answer["error"] == "", precision
        assert answer["changed"]["outside"] == 0, precision
        assert answer["changed"]["inside"] > 500, precision
        (fill,) = answer["fills"]
        assert fill["shows"] == [0, 255], precision
        assert answer["precision_kept"], precision


def test_linear_light_makes_no_difference(gimp: Gimp) -> None:
    """The network sees the same picture, however GIMP keeps it: its pixels travel perceptually encoded."""
    answer = gimp.call("linear_and_not")
    assert answer["apart"] < 0.02
    assert answer["changed"] > 0.1


@pytest.mark.parametrize("kind", ["rgb", "gray"])
def test_a_fill_has_the_colour_of_its_surroundings(gimp: Gimp, kind: str) -> None:
    """In every encoding and in another colour space: linear numbers taken for others would be far off."""
    off = gimp.call("flat_colours", kind=kind)
    assert len(off) == 20
    for precision, by in off.items():
        assert by < 0.04, (precision, by)


def test_an_image_with_a_palette(gimp: Gimp) -> None:
    for alpha in (False, True):
        answer = gimp.call("with_a_palette", alpha=alpha)
        assert answer["error"] == ""
        assert answer["changed"]["outside"] == 0
        assert answer["changed"]["inside"] > 300
        assert answer["palette_kept"]


@pytest.mark.parametrize("output", ["layer", "mask"])
def test_a_layer_without_alpha(gimp: Gimp, output: str) -> None:
    answer = gimp.call("one", alpha=False, output=output)
    assert answer["error"] == ""
    assert answer["changed"]["outside"] == 0
    (fill,) = answer["fills"]
    assert fill["mask"] == (output == "mask")
    assert fill["shows"] == [0, 255]
    # Under an editable mask the pixels are opaque, so that the artist can show more of them.
    assert fill["alpha"] == (255 if output == "mask" else 0)


def test_both_outputs_look_the_same(gimp: Gimp) -> None:
    answer = gimp.call("both_outputs")
    assert answer["differ_by"] <= 1


def test_another_variation_is_another_fill(gimp: Gimp) -> None:
    assert gimp.call("variations") == [0, 0, 2, 2]


def test_what_shows_is_what_the_server_made(gimp: Gimp) -> None:
    answer = gimp.call("exactly_this_hole")
    assert answer["error"] == ""
    assert answer["fills"][0]["rect"] == [40, 30, 36, 28]
    assert answer["changed"] == {"outside": 0, "inside": answer["changed"]["inside"]}
    assert answer["opaque"] == 36 * 28
