"""In the real Krita's window: the docker, its buttons, and what becomes of a fill meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import start_server, stop_server
from tests.hosts.krita import Answers, Krita

SCRIPT = Path(__file__).with_name("in_krita_window.py")
IMPORT = Path(__file__).with_name("in_krita_import.py")

HOLE = [120, 80, 160, 110]  # x, y, right, bottom

SCENARIOS = (
    "one_fill",
    "masked_fill",
    "nothing_to_do",
    "colour_models",
    "by_shortcut",
    "from_the_active_layer",
    "cancelled",
    "closed_meanwhile",
    "resized_meanwhile",
    "turned_meanwhile",
    "node_deleted_meanwhile",
    "two_documents",
    "alive_meanwhile",
    "erase_strokes",
    "copy_strokes",
    "animation",
    "narrow",
    "remembered_write",
)


@pytest.fixture(scope="module")
def answers(krita_mirror: Krita) -> Answers:
    """All scenarios in one Krita: starting it takes longer than any of them."""
    return krita_mirror.in_window(SCRIPT, SCENARIOS)


def test_one_click_is_one_layer_and_one_step_of_undo(answers: Answers) -> None:
    answer = answers["one_fill"]
    assert answer["status"].startswith("Server: ready")
    assert answer["ran"]
    assert answer["said"].startswith("Filled in")
    assert answer["changed"] == HOLE
    assert answer["layer"] == [120, 80, 40, 30]
    assert answer["layers"] == answer["redone"] == ["Background", "LaMa Fill"]
    assert answer["selection kept"]
    assert answer["active"] == "LaMa Fill"
    assert answer["undone"] == ["Background"]
    assert answer["as before"]


def test_a_transparency_mask_is_one_step_of_undo(answers: Answers) -> None:
    answer = answers["masked_fill"]
    assert answer["said"].startswith("Filled in")
    assert answer["changed"] == HOLE
    assert answer["masks"] == ["transparencymask"]
    assert answer["undone"] == ["Background"]
    assert answer["as before"]


def test_nothing_selected_and_no_document(answers: Answers) -> None:
    answer = answers["nothing_to_do"]
    assert answer["without selection"].startswith("Nothing is selected: select what is to be gone")
    assert answer["layers"] == ["Background"]
    assert answer["still there"]


def test_other_colour_models(answers: Answers) -> None:
    found = answers["colour_models"]
    assert len(found) == 5
    for space, answer in found.items():
        light = "linear" if space.startswith("RGBA F32") else "perceptual"
        assert answer["said"].endswith(f"by mirror (fast, seed 0, {light})."), space
        assert answer["changed"] == HOLE, space
        assert answer["layers"] == ["Background", "LaMa Fill"], space


def test_the_actions(answers: Answers) -> None:
    answer = answers["by_shortcut"]
    assert answer["layers"] == [2, 3, 4, 5]
    # Again is another fill, with and without a selection, until a fill is begun anew.
    assert [said.partition(" by ")[2] for said in answer["said"]] == [
        f"mirror (fast, seed {seed}, perceptual)." for seed in (0, 1, 2, 0)
    ]


def test_the_input_stays_active(answers: Answers) -> None:
    answer = answers["from_the_active_layer"]
    assert answer["said"].startswith("Filled in")
    assert answer["layers"] == ["Background", "LaMa Fill"]
    assert answer["active"] == "Background"


def test_cancel(answers: Answers) -> None:
    answer = answers["cancelled"]
    assert answer["said"] == "Cancelled."
    assert not answer["runs"]
    assert answer["seconds"] < 0.5
    assert answer["layers"] == ["Background"]
    assert answer["as before"]
    assert answer["next"] == ["Background", "LaMa Fill"]


def test_the_document_is_closed_meanwhile(answers: Answers) -> None:
    answer = answers["closed_meanwhile"]
    assert answer["said"] == "The document was closed, so the fill was dropped."
    assert answer["other"] == ["Background"]


def test_the_document_is_resized_meanwhile(answers: Answers) -> None:
    answer = answers["resized_meanwhile"]
    assert answer["said"].startswith("The size of the picture has changed")
    assert answer["layers"] == ["Background"]


def test_the_picture_is_turned_meanwhile(answers: Answers) -> None:
    answer = answers["turned_meanwhile"]
    painted = answer.pop("painted")
    assert painted["said"].startswith("Filled in")
    assert painted["layers"] == ["Background", "LaMa Fill"]
    assert len(answer) == 3
    for action, found in answer.items():
        assert found["changed"], action
        assert found["said"].startswith("The picture was turned or mirrored meanwhile"), action
        assert found["layers"] == ["Background"], action


def test_the_node_is_deleted_meanwhile(answers: Answers) -> None:
    answer = answers["node_deleted_meanwhile"]
    assert answer["said"].startswith("The layer that was filled is gone")
    assert answer["layers"] == ["Background"]


def test_another_document_comes_in_front_meanwhile(answers: Answers) -> None:
    answer = answers["two_documents"]
    assert answer["said"].startswith("Filled in")
    assert answer["first"] == ["Background", "LaMa Fill"]
    assert answer["second"] == ["Background"]


def test_krita_answers_while_a_fill_runs(answers: Answers) -> None:
    answer = answers["alive_meanwhile"]
    assert answer["said"].startswith("Filled in")
    assert answer["seconds"] > 3
    assert answer["painted"] == "010203"
    # Nothing that the main thread has to compute, Krita's drawing of the new layer included, takes longer.
    assert answer["busy"][0] < 0.1, answer
    # And it waits for nobody. By the clock, a machine with much to do takes the thread away now and then, in
    # any Krita; but not for nearly as long as the server takes.
    assert answer["middle"] < max(0.1, 2 * answer["idle middle"]), answer
    assert answer["gaps"][0] < 3, answer


def test_copy_strokes(answers: Answers) -> None:
    answer = answers["copy_strokes"]
    copy, never = "LaMa Fill: copy from here", "LaMa Fill: never copy from here"
    assert answer["kinds"] == [[copy, "paintlayer", 2, 128], [never, "paintlayer", 6, 128]]
    assert answer["layers"] == ["Background", "LaMa Fill", "LaMa Fill", never, copy]
    assert answer["painted"], "the strokes stay"
    # The half of the hole that the mirror shows in the other half is as before after two fills.
    assert answer["changed"] == [120, 80, 140, 110], "strokes are in the picture that was filled"
    assert answer["shown again"]
    first, second, hidden, nothing, hidden_too, inside = answer["said"]
    assert first.endswith("by mirror (fast, seed 0, perceptual, from 3000 pixels).")
    assert second.endswith("by mirror (fast, seed 0, perceptual, from 2000 pixels).")
    for said in (hidden, hidden_too):
        assert said.endswith("by mirror (fast, seed 0, perceptual).")
    assert nothing == f"“{never}” leaves nothing to copy from: change what it marks."
    assert inside == f"“{copy}” leaves nothing to copy from but what is to be filled: change what it marks."


def test_erase_strokes(answers: Answers) -> None:
    answer = answers["erase_strokes"]
    marker = "LaMa Fill: paint over what is to be gone"
    assert answer["marker"] == "paintlayer"
    assert answer["layers"] == ["Background", marker]
    assert answer["said"].startswith("Filled in")
    assert answer["after"] == ["Background", "LaMa Fill", marker]
    assert answer["changed"] == HOLE
    assert answer["marker_empty"]
    assert answer["mirrored"], "the strokes are in the picture that was filled"
    assert answer["visible"]


def test_an_animation(answers: Answers) -> None:
    answer = answers["animation"]
    assert answer["said"].startswith("Filled in")
    assert answer["one"] == [None, None, HOLE, None, None]
    # Three drawings in five frames: one that is held is filled once.
    assert answer["said of all"].startswith("3 frames.")
    assert answer["time kept"] == 1
    assert answer["all"][:5] == [HOLE] * 5
    assert answer["frames"] == [0, 2, 4, 5]


def test_the_docker_is_narrow(answers: Answers) -> None:
    fits(answers["narrow"])


def fits(answer: Mapping[str, Any]) -> None:
    assert answer["minimum"] <= 12 * answer["em"]
    assert len(answer["cut"]) == 3
    assert not any(answer["cut"].values()), answer


def test_options_are_remembered_texts_translated_and_sharp(answers: Answers, krita_mirror: Krita) -> None:
    answers["remembered_write"]
    later = krita_mirror.in_window(
        SCRIPT, ["remembered_read", "narrow"], environment={"LANGUAGE": "de", "QT_SCALE_FACTOR": "2"}
    )
    assert later["remembered_read"] == {"grow": 17, "quality": "best", "text": "Füllen"}
    assert later["narrow"]["scale"] == 2
    fits(later["narrow"])


def test_the_server_is_killed(krita_place: tuple[Path, Path], archives: Mapping[str, Path]) -> None:
    root, folder = krita_place
    running = start_server(root, folder / "killed", script="mirror_server.py")
    krita = Krita.make(root, folder / "killed-profile", running.environment)
    krita.unpack(archives["krita"])
    signal = folder / "kill"

    def kill_when_told() -> None:
        until = time.monotonic() + 120
        while not signal.exists() and time.monotonic() < until:
            time.sleep(0.05)
        running.process.kill()

    killer = threading.Thread(target=kill_when_told)
    killer.start()
    answers = krita.in_window(SCRIPT, ["server_killed"], environment={"PROBE_KILL": krita.inside(signal)})
    signal.write_text("now")
    killer.join()
    running.process.wait(timeout=20)
    answer = answers["server_killed"]
    assert answer["said"].startswith("The connection to the LaMa Fill server was lost")
    assert answer["layers"] == ["Background"]
    assert answer["enabled"]
    assert answer["said then"].startswith("The LaMa Fill server could not be started")


@pytest.fixture(scope="module")
def fresh_krita(krita_place: tuple[Path, Path]) -> Iterator[Krita]:
    """Krita without the plug-in, and the real server with the model that ships."""
    root, folder = krita_place
    running = start_server(root, folder / "real", "--model=compact")
    yield Krita.make(root, folder / "fresh-profile", running.environment)
    stop_server(running)


def test_the_archive_is_imported_as_an_artist_does_it(
    fresh_krita: Krita, archives: Mapping[str, Path]
) -> None:
    archive = fresh_krita.folder / archives["krita"].name
    archive.write_bytes(archives["krita"].read_bytes())
    place = {"PROBE_ARCHIVE": fresh_krita.inside(archive)}
    imported = fresh_krita.in_window(IMPORT, ["import_archive"], environment=place)["import_archive"]
    assert imported == {"asked": True, "desktop": True, "module": True, "action": True}
    # After the restart that Krita asks for: listed, with its manual, and at work with the real model.
    used = fresh_krita.in_window(IMPORT, ["use_it"])["use_it"]
    assert used["docker"] == "LaMa Fill"
    assert used["menu"] == ["LaMa Fill", "LaMa Fill Again"]
    assert used["said"].startswith("Filled in")
    assert used["said"].endswith("by compact.")
    assert used["outside"] == 0
    assert used["inside"] > 500
