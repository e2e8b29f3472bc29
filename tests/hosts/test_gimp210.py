"""In the real GIMP 2.10 with the real gimpfu: exact pixels, every kind of layer, and every fault.

Run by `make test-hosts-all`, which builds gimpfu once. Most tests have a server whose answer is known: the
window seen in a mirror.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from lama_core.client.connection import connect
from tests.hosts import pygimp
from tests.hosts.chroot import ChrootUnavailable
from tests.hosts.conftest import SUITE, Server, start_server, stop_server
from tests.hosts.gimp210 import Gimp210
from tests.hosts.placements import Place, filled_within, placements

pytestmark = pytest.mark.skipif(SUITE != pygimp.SUITE, reason="GIMP 2.10 is tested by make test-hosts-all")

OWN = ("u8", "u16", "half", "float")
"""Depths whose own bytes go to the server; GIMP makes floats of the others."""


@pytest.fixture(scope="module")
def modules(system: Path) -> str:
    """The folder of gimpfu in the chroot."""
    try:
        return pygimp.python_modules(system)
    except ChrootUnavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def mirror(system: Path, inside_folder: Path) -> Iterator[Server]:
    server = start_server(system, inside_folder / "mirror", script="mirror_server.py")
    yield server
    stop_server(server)


def editor(
    system: Path, modules: str, folder: Path, archives: Mapping[str, Path], environment: Mapping[str, str]
) -> Gimp210:
    return Gimp210.install(system, modules, folder, archives["gimp210"], environment)


@pytest.fixture(scope="module")
def gimp210(
    system: Path, modules: str, inside_folder: Path, archives: Mapping[str, Path], mirror: Server
) -> Iterator[Gimp210]:
    """GIMP 2.10 with the plug-in, which finds no `lama-fill` in there and runs the relay of its archive."""
    gimp = editor(
        system, modules, inside_folder / "gimp210", archives, {"LAMA_FILL_RUNTIME_DIR": mirror.inside}
    )
    yield gimp
    gimp.close()


@pytest.fixture
def alone(
    system: Path, modules: str, inside_folder: Path, archives: Mapping[str, Path], tmp_path: Path
) -> Iterator[Callable[..., Gimp210]]:
    """Makes a GIMP with an environment of its own. Its folder has a place for the state of a server."""
    made: list[Gimp210] = []
    folder = inside_folder / tmp_path.name
    (folder / "state").mkdir(parents=True, mode=0o700)
    inside = "/" + folder.relative_to(system).as_posix()

    def make(command: str = "", *, name: str = "lama-fill") -> Gimp210:
        environment = {"LAMA_FILL_RUNTIME_DIR": f"{inside}/state"}
        if command:
            path = folder / name
            path.write_text(command)
            path.chmod(0o755)
            environment["LAMA_FILL_COMMAND"] = shlex.quote(f"{inside}/{name}")
        made.append(editor(system, modules, folder / "gimp", archives, environment))
        return made[-1]

    yield make
    for gimp in made:
        gimp.close()


def fine(answer: dict[str, Any]) -> None:
    """It worked, and changed nothing but what it should."""
    assert answer["error"] == ""
    assert len(answer["fills"]) == 1
    assert answer["changed"]["outside"] == 0
    assert answer["layers_kept"]
    assert answer["selection_kept"]
    assert answer["active_kept"]
    assert answer["images"] == 0, "an image was left behind"


def refused(gimp: Gimp210, answer: dict[str, Any], *words: str) -> None:
    assert answer["error"]
    message = gimp.messages()[-1]
    assert all(word in message for word in words), message
    assert answer["fills"] == []
    assert answer["changed"] == {"outside": 0, "inside": 0}
    assert answer["images"] == 0, "an image was left behind"


@pytest.mark.parametrize("encoding", ["gamma", "linear"])
@pytest.mark.parametrize("depth", OWN)
@pytest.mark.parametrize("kind", ["rgb", "gray"])
def test_every_byte_of_every_precision(gimp210: Gimp210, kind: str, depth: str, encoding: str) -> None:
    answer = gimp210.call("mirrored", kind=kind, alpha=True, precision=f"{depth}_{encoding}")
    fine(answer)
    assert answer["wrong"] == 0
    assert answer["fills"][0]["rect"] == [40, 30, 36, 28]
    assert answer["fills"][0]["shows"] == 36 * 28


@pytest.mark.parametrize("output", [0, 1], ids=["layer", "mask"])
@pytest.mark.parametrize("kind", ["rgb", "gray"])
def test_a_layer_without_alpha(gimp210: Gimp210, kind: str, output: int) -> None:
    answer = gimp210.call("mirrored", kind=kind, alpha=False, precision="u16_gamma", output=output)
    fine(answer)
    assert answer["wrong"] == 0
    assert answer["fills"][0]["mask"] == bool(output)
    assert answer["fills"][0]["shows"] == 36 * 28


@pytest.mark.parametrize("encoding", ["gamma", "linear"])
@pytest.mark.parametrize("depth", ["u32", "double"])
def test_precisions_that_become_floats(gimp210: Gimp210, depth: str, encoding: str) -> None:
    answer = gimp210.call("mirrored", kind="rgb", alpha=True, precision=f"{depth}_{encoding}")
    fine(answer)
    assert answer["fills"][0]["shows"] == 36 * 28
    # A float has 24 bits: what the layer gets differs from 32 or 53 by less than that.
    assert answer["farthest"] < 2**-23


@pytest.mark.parametrize("alpha", [True, False])
def test_an_image_with_a_palette(gimp210: Gimp210, alpha: bool) -> None:
    answer = gimp210.call("with_a_palette", alpha=alpha)
    fine(answer)
    assert answer["palette_kept"]
    assert answer["still_indexed"]
    assert answer["changed"]["inside"] > 300


def test_the_new_layer_is_above_the_layer_and_inside_its_group(gimp210: Gimp210) -> None:
    answer = gimp210.call("in_a_group")
    fine(answer)
    assert answer["tree"] == [["outer", [["inner", ["over", "LaMa Fill", "photo"]]]], "bottom"]


@pytest.mark.parametrize("mode", ["NORMAL", "PASS_THROUGH"])
def test_a_whole_group(gimp210: Gimp210, mode: str) -> None:
    answer = gimp210.call("a_group", mode=mode)
    fine(answer)
    assert answer["tree"] == ["LaMa Fill", ["group", ["over", "photo"]], "bottom"]


@pytest.mark.parametrize("edited", [False, True])
def test_a_layer_with_a_mask(gimp210: Gimp210, edited: bool) -> None:
    answer = gimp210.call("with_a_mask", edited=edited)
    fine(answer)
    assert answer["tree"] == ["LaMa Fill", "photo", "bottom"]


@placements
def test_where_a_layer_may_be(gimp210: Gimp210, at: Place, size: Place, hole: tuple[int, ...]) -> None:
    answer = gimp210.call("placed", at=at, size=size, hole=hole)
    fine(answer)
    filled_within(answer, at, size)


def test_a_selection_beside_the_layer(gimp210: Gimp210) -> None:
    answer = gimp210.call("placed", at=(0, 0), size=(20, 20), hole=(60, 60, 20, 20))
    refused(gimp210, answer, "photo", "nothing to fill")


def test_a_text_layer_stays_text(gimp210: Gimp210) -> None:
    answer = gimp210.call("a_text_layer")
    fine(answer)
    assert answer["still_text"]


def test_what_is_no_layer_is_refused_by_name(gimp210: Gimp210) -> None:
    answer = gimp210.call("a_floating_selection")
    assert answer["same"]
    assert answer["error"]
    assert "floating selection: anchor it" in gimp210.messages()[-1]
    assert gimp210.call("a_channel")
    assert "“stencil” is a channel" in gimp210.messages()[-1]


def test_nothing_selected(gimp210: Gimp210) -> None:
    refused(gimp210, gimp210.call("nothing_selected", alpha=False, erased=False), "photo", "select")
    refused(gimp210, gimp210.call("nothing_selected", alpha=True, erased=False), "photo", "select")
    answer = gimp210.call("nothing_selected", alpha=True, erased=True)
    fine(answer)
    assert answer["fills"][0]["shows"] > 700


def test_what_is_visible(gimp210: Gimp210) -> None:
    answers = gimp210.call("what_is_visible")
    for answer in answers.values():
        fine(answer)
        assert answer["tree"] == ["over", "LaMa Fill", "photo"]
    assert answers["visible"]["colour"][:3] == [255, 0, 0]
    assert answers["layer"]["colour"][:3] != [255, 0, 0]


def test_a_second_fill_sees_the_first(gimp210: Gimp210) -> None:
    answer = gimp210.call("one_after_another")
    fine(answer["first"])
    fine(answer["second"])
    assert answer["first_is_kept"]
    # They touch, so the second one's layer comes above the first, and not between it and the photo.
    assert answer["second"]["tree"] == ["LaMa Fill #1", "LaMa Fill", "photo"]


@pytest.mark.parametrize("mode", [0, 2], ids=["without PyGTK there is no dialog", "last values"])
def test_run_modes_that_know_no_arguments(gimp210: Gimp210, mode: int) -> None:
    answer = gimp210.call("last_values", mode=mode)
    fine(answer)


def test_a_huge_canvas_costs_what_a_small_one_costs(gimp210: Gimp210) -> None:
    seconds = gimp210.call("a_huge_canvas")
    assert seconds["large"] < 2 * seconds["small"] + 1


def test_arguments_that_mean_nothing(gimp210: Gimp210) -> None:
    answer = gimp210.call("wrong_arguments")
    assert answer["model"]
    assert answer["grow"]
    assert answer["quality"]
    assert answer["layers"] == 1
    model, grow, quality = gimp210.messages()[-3:]
    assert "model is not installed" in model
    assert "from 0 to 4096" in grow
    assert "quality is from 0 to 2" in quality


@pytest.mark.parametrize("name", ["Łódź 東京", "e\u0301clair 🎈", "a “quote” and a \\ slash"])
def test_names_of_any_alphabet(gimp210: Gimp210, name: str) -> None:
    answer = gimp210.call("a_name", name=name)
    assert f"“{name}”" in gimp210.messages()[-1]
    assert answer == {"error": answer["error"], "filled": "", "named": name}


def test_the_shipped_model(
    system: Path, alone: Callable[..., Gimp210], inside_folder: Path, server: Server
) -> None:
    gimp = alone()
    gimp.environment = {**gimp.environment, "LAMA_FILL_RUNTIME_DIR": server.inside}
    answer = gimp.call("one")
    fine(answer)
    assert answer["changed"]["inside"] > 500


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


@contextmanager
def jobs(server: Server) -> Iterator[Callable[[], int]]:
    """How many jobs a server is working on, asked without starting a process."""
    with connect(client="tests", start=False, folder=server.folder) as client:
        yield lambda: client.status().running


def plugin_process(gimp: Gimp210) -> psutil.Process:
    """The process that GIMP kills when the artist cancels."""
    script = f"{gimp.inside}/profile/plug-ins/lama_fill_210/lama_fill_210.py"
    processes = psutil.process_iter(["cmdline"])
    (found,) = [process for process in processes if script in (process.info["cmdline"] or [])]
    return found


def test_cancel_leaves_the_image_untouched_and_the_server_idle(gimp210: Gimp210, mirror: Server) -> None:
    with jobs(mirror) as running, gimp210.calling("a_slow_one") as answer:
        until(lambda: running() == 1, "the fill runs")
        relay = plugin_process(gimp210).children()
        plugin_process(gimp210).kill()
        said = answer()
    assert said["error"]
    assert said["fills"] == []
    assert said["layers_kept"]
    assert said["images"] == 0, "a copy of the image was left behind"
    with jobs(mirror) as running:
        until(lambda: running() == 0, "the server is idle", seconds=15)
    assert len(relay) == 1
    until(lambda: not relay[0].is_running(), "the relay has ended", seconds=15)
    fine(gimp210.call("one"))


def test_the_server_is_killed_in_the_middle(system: Path, alone: Callable[..., Gimp210]) -> None:
    gimp = alone()
    server = start_server(system, gimp.folder.parent / "state", script="mirror_server.py")
    workers = []
    try:
        with jobs(server) as running, gimp.calling("a_slow_one") as answer:
            until(lambda: running() == 1, "the fill runs")
            workers = psutil.Process(server.process.pid).children(recursive=True)
            server.process.kill()
            refused(gimp, answer(), "connection to the LaMa Fill server was lost")
    finally:
        server.process.kill()
        server.process.wait(timeout=10)
        for worker in workers:
            if worker.is_running():
                os.kill(worker.pid, signal.SIGKILL)


def test_no_server_and_none_to_start(alone: Callable[..., Gimp210]) -> None:
    gimp = alone()
    refused(gimp, gimp.call("one"), "could not be started")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("#!/nonexistent/python\n", "was not found on this computer"),
        (
            "#!/bin/sh\necho \"lama-fill: error: argument COMMAND: invalid choice: 'relay'\" >&2; exit 2\n",
            "different versions",
        ),
        (
            "#!/bin/sh\necho 'no space left' >&2; exit 3\n",
            "relay failed, and nothing was changed: no space left",
        ),
        ("#!/bin/sh\nkill -9 $$\n", "relay failed, and nothing was changed: it ended with -9"),
        ("#!/bin/sh\necho what is this; cat >/dev/null\n", "LaMa Fill"),
    ],
    ids=["missing", "old", "failing", "killed", "another program"],
)
def test_the_relay_is_one_clear_sentence(alone: Callable[..., Gimp210], command: str, words: str) -> None:
    gimp = alone(command, name="Łódź 東京 lama-fill")
    refused(gimp, gimp.call("one"), words)
