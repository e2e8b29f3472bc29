"""In the real Krita: the picture outside of the hole is the same, byte for byte, in every colour space."""

from __future__ import annotations

from pathlib import Path

from tests.hosts.krita import Krita

SCRIPT = Path(__file__).with_name("in_krita_exact.py")


def test_every_colour_model_and_depth(krita_mirror: Krita) -> None:
    answers = krita_mirror.without_window(SCRIPT, "every_space")
    assert len(answers) >= 26, answers
    for space, answer in answers.items():
        assert answer["said"] == "", space
        assert answer["outside"] == 0, space
        assert answer["inside"] > 500, space
        assert answer["space_kept"], space
        assert answer["layers"] == ["Background", "LaMa Fill"], space
        if space.startswith(("RGBA", "GRAYA")):
            # Krita puts layers of floats together within their rounding.
            assert answer["worst"] <= 1e-7, space
        elif space.startswith("CMYKA"):
            # The tables of a profile for inks are not each other's exact inverse.
            assert answer["worst_look"] <= 20, (space, answer)
        else:
            # A detour through another colour space: within its rounding.
            assert answer["worst_look"] <= 4, (space, answer)


def test_a_transparency_mask(krita_mirror: Krita) -> None:
    for space, answer in krita_mirror.without_window(SCRIPT, "with_masks").items():
        assert answer["said"] == "", space
        assert answer["outside"] == 0, space
        assert answer["inside"] > 500, space
        assert answer["masks"][1] == ["transparencymask"], space
        assert answer["worst_look"] <= (20 if space.startswith("CMYKA") else 1), (space, answer)


def test_a_soft_selection(krita_mirror: Krita) -> None:
    answer = krita_mirror.without_window(SCRIPT, "soft_selection")
    assert answer["said"] == ""
    assert answer["partly"] > 300
    assert answer["kept"]
    assert answer["wrong"] <= 1.5


def test_every_kind_of_node(krita_mirror: Krita) -> None:
    answers = krita_mirror.without_window(SCRIPT, "kinds")
    for kind in ("paintlayer", "grouplayer", "clonelayer", "filllayer", "vectorlayer", "filelayer"):
        assert answers[kind]["said"] == "", kind
        assert answers[kind]["outside"] == 0, kind
        assert answers[kind]["names"][-1] == "LaMa Fill", kind
    # Masks stand for the layer that they belong to.
    for kind in ("transparencymask", "filtermask", "transformmask"):
        assert answers[kind]["said"] == "", kind
        assert answers[kind]["names"] == ["base", "LaMa Fill"], kind
    assert "“the node” is a filter layer" in answers["filterlayer"]["said"]
    assert "“the node” passes through" in answers["pass through"]["said"]


def test_the_layer_goes_into_the_group(krita_mirror: Krita) -> None:
    answer = krita_mirror.without_window(SCRIPT, "groups")
    assert answer == {"said": "", "inner": ["below", "this", "LaMa Fill", "above"]}


def test_only_the_window_is_read(krita_mirror: Krita) -> None:
    answer = krita_mirror.without_window(SCRIPT, "only_the_window")
    assert answer["said"] == ""
    assert 0 < answer["read"] <= 512 * 512


def test_holes_far_apart_are_filled_one_by_one(krita_mirror: Krita) -> None:
    answer = krita_mirror.without_window(SCRIPT, "far_apart")
    assert answer["said"] == ""
    assert answer["read"] <= 2 * 512 * 512
    assert answer["alpha"] == [255, 0, 255, 0]
