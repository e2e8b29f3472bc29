"""In the real GIMP: every kind of layer, of selection and of canvas is filled, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosts.gimp import Gimp
from tests.hosts.placements import Place, filled_within, placements


def fine(answer: dict[str, Any], fills: int = 1) -> None:
    """It worked, and changed nothing but what it should."""
    assert answer["error"] == ""
    assert len(answer["fills"]) == fills
    assert answer["changed"]["outside"] == 0
    assert answer["selection_kept"]
    assert answer["images"] == 1, "an image was left behind"


def refused(answer: dict[str, Any], *words: str) -> None:
    assert all(word in answer["error"] for word in words), answer["error"]
    assert answer["fills"] in ([], 0)


def test_the_new_layer_is_above_the_layer_and_inside_its_group(gimp: Gimp) -> None:
    answer = gimp.call("in_a_group")
    fine(answer)
    assert answer["tree"] == [["outer", [["inner", ["over", "LaMa Fill", "photo"]]]], "bottom"]
    x, y, width, height = answer["fills"][0]["rect"]
    assert 20 < x <= 40
    assert 10 < y <= 30
    assert 36 <= width < 76
    assert 28 <= height < 68


@pytest.mark.parametrize("mode", ["NORMAL", "PASS_THROUGH"])
def test_a_whole_group(gimp: Gimp, mode: str) -> None:
    answer = gimp.call("a_group", mode=mode)
    fine(answer)
    assert answer["tree"] == ["LaMa Fill", ["group", ["over", "photo"]], "bottom"]


def test_a_layer_with_an_effect_a_mode_and_an_opacity(gimp: Gimp) -> None:
    fine(gimp.call("with_an_effect"))


@pytest.mark.parametrize("edited", [False, True])
def test_a_layer_with_a_mask(gimp: Gimp, edited: bool) -> None:
    answer = gimp.call("with_a_mask", edited=edited)
    fine(answer)
    assert answer["tree"] == ["LaMa Fill", "photo", "bottom"]


@placements
def test_where_a_layer_may_be(gimp: Gimp, at: Place, size: Place, hole: tuple[int, ...]) -> None:
    answer = gimp.call("placed", at=at, size=size, hole=hole)
    fine(answer)
    filled_within(answer, at, size)


def test_a_selection_beside_the_layer(gimp: Gimp) -> None:
    answer = gimp.call("placed", at=(0, 0), size=(20, 20), hole=(60, 60, 20, 20))
    refused(answer, "photo")


def test_a_text_layer_stays_text(gimp: Gimp) -> None:
    answer = gimp.call("a_text_layer")
    fine(answer)
    assert answer["still_text"]


def test_a_floating_selection_is_refused_by_name(gimp: Gimp) -> None:
    refused(gimp.call("a_floating_selection"), "loating", "anchor")


def test_locked_layers(gimp: Gimp) -> None:
    answer = gimp.call("locked")
    fine(answer)
    assert answer["tree"] == [["group", ["LaMa Fill", "photo"]]]


def test_a_channel_is_refused_by_name(gimp: Gimp) -> None:
    assert "“stencil” is a channel" in gimp.call("a_channel")["error"]


@pytest.mark.parametrize("output", ["layer", "mask"])
def test_two_layers(gimp: Gimp, output: str) -> None:
    answer = gimp.call("two_layers", output=output)
    fine(answer, fills=2)
    assert answer["tree"] == [["group", ["LaMa Fill", "other"]], "LaMa Fill #1", "one"]
    assert sorted(answer["selected"]) == ["one", "other"]


def test_one_of_two_layers_cannot_be_filled(gimp: Gimp) -> None:
    answer = gimp.call("two_layers_of_which_one_cannot")
    refused(answer, "elsewhere")
    assert answer["changed"] == {"outside": 0, "inside": 0}


def test_nothing_selected_and_nothing_transparent(gimp: Gimp) -> None:
    for alpha in (False, True):
        answer = gimp.call("nothing_selected", alpha=alpha, erased=False)
        refused(answer, "photo", "select")


def test_transparent_pixels_are_the_hole(gimp: Gimp) -> None:
    answer = gimp.call("nothing_selected", alpha=True, erased=True)
    fine(answer)
    assert answer["changed"]["inside"] >= 20 * 16


def test_what_is_visible(gimp: Gimp) -> None:
    answers = gimp.call("what_is_visible")
    for answer in answers.values():
        fine(answer)
        assert answer["tree"] == ["over", "LaMa Fill", "photo"]
    assert answers["visible"]["colour"] <= 40 < answers["layer"]["colour"]


def test_no_selection_and_what_is_visible(gimp: Gimp) -> None:
    answer = gimp.call("visible_where_nothing_is")
    fine(answer)
    assert answer["changed"]["inside"] >= 20 * 96


def test_a_second_fill_sees_the_first(gimp: Gimp) -> None:
    answer = gimp.call("one_after_another")
    fine(answer["first"])
    fine(answer["second"])
    assert answer["first_is_seen"]
    assert answer["second"]["tree"] == ["LaMa Fill #1", "LaMa Fill", "photo"]


def test_a_part_of_a_fill_again(gimp: Gimp) -> None:
    first, second = gimp.call("a_part_again")
    fine(first)
    fine(second)
    assert second["changed"]["inside"] > 100, "the new fill is hidden by the first"
    assert second["tree"] == ["LaMa Fill #1", "LaMa Fill", "photo"]


def test_the_last_values(gimp: Gimp) -> None:
    first, second = gimp.call("again")
    fine(first)
    fine(second)
    assert first["fills"][0]["mask"]


def test_a_huge_canvas_costs_what_a_small_one_costs(gimp: Gimp) -> None:
    seconds = gimp.call("a_huge_canvas")
    for chosen in ("layer", "visible"):
        assert seconds[f"large {chosen}"] < 2 * seconds[f"small {chosen}"] + 1


def test_holes_far_apart_on_a_huge_canvas(gimp: Gimp) -> None:
    answer = gimp.call("far_apart")
    assert answer["error"] == ""
    assert answer["first"] >= 50 * 40
    assert answer["middle"] == 0


def test_arguments_that_mean_nothing(gimp: Gimp) -> None:
    answer = gimp.call("wrong_arguments")
    assert "model is not installed" in answer["model"]
    assert "choose one" in answer["none"]


def test_nothing_known_is_left(gimp: Gimp) -> None:
    refused(gimp.call("everything_selected"), "whole picture")
