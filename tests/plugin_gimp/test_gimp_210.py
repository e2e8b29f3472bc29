"""The plug-in for GIMP 2.10 in a stand-in for gimpfu, on Python 2.7 and on ours, with the real relay."""

from __future__ import annotations

import ast
import base64
import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from installers import build_plugins
from lama_core.client.connection import launch
from lama_core.client.gimp.options import MAX_SEED
from lama_core.client.gimp.relay import VERSION
from lama_core.client.options import MAX_FEATHER, MAX_GROW
from lama_core.client.plugin import choices
from tests.hosts.chroot import ChrootUnavailable
from tests.hosts.python27 import Python27, find_python27
from tests.server.harness import ServerProcess
from tests.server.workers import FULL

PLUG_IN = build_plugins.PROJECT / "plugin_gimp/gimp-2.10/lama_fill_210.py"
DRIVER = Path(__file__).parent / "standin" / "drive.py"

EXACT = [0, 0, 0, 0, 0, 0, 0, ""]
"""input, output, context, grow, feather, quality, variation, model"""
GRAY, INDEXED = 1, 2
RGB_IMAGE, RGBA_IMAGE, GRAY_IMAGE, GRAYA_IMAGE = range(4)
INTERACTIVE, NONINTERACTIVE, LAST_VALUES = range(3)


@pytest.fixture(scope="module")
def python27() -> Python27:
    try:
        return find_python27()
    except ChrootUnavailable as reason:
        pytest.skip(str(reason))


@dataclass
class Host:
    """A Python with the stand-in."""

    python: Python27
    environment: dict[str, str]
    plug_in: Path = PLUG_IN

    def run(self, **scenario: Any) -> dict[str, Any]:
        done = subprocess.run(
            [self.python.path, str(DRIVER), str(self.plug_in)],
            input=json.dumps(scenario) + "\n",
            env={**self.environment, **self.python.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        answer["stderr"] = done.stderr
        return answer

    def fill(self, *arguments: Any, **scenario: Any) -> dict[str, Any]:
        """Fill in a way that cannot fail: what the artist sees is looked at by the caller."""
        answer = self.run(arguments=list(arguments) or EXACT, **scenario)
        assert answer["raised"] == "", answer["raised"]
        assert messages(answer) == []
        assert answer["kept"]
        assert answer["images"] == 1, "a copy was left behind"
        (answer["fill"],) = answer["new"]
        assert answer["fill"]["mark"]
        return answer

    def fail(self, **scenario: Any) -> str:
        """The message that the artist sees."""
        answer = self.run(arguments=EXACT, **scenario)
        assert answer["new"] == []
        assert answer["kept"]
        assert answer["images"] == 1, "a copy was left behind"
        assert bool(answer["raised"]) == (scenario.get("mode", NONINTERACTIVE) == NONINTERACTIVE)
        (message,) = messages(answer)
        assert "\n" not in message
        return message


def messages(answer: dict[str, Any]) -> list[str]:
    return [event[1] for event in answer["events"] if isinstance(event, list) and event[0] == "message"]


def pixels(layer: dict[str, Any], name: str = "pixels") -> Any:
    _x, _y, width, height = layer["rect"]
    data = np.frombuffer(base64.b64decode(layer[name]), np.uint8)
    return data.reshape(height, width, -1)


def inverted(photo: dict[str, Any], rect: list[int], colours: int) -> Any:
    """What the scripted server makes of a part of a layer."""
    x, y = rect[0] - photo["rect"][0], rect[1] - photo["rect"][1]
    return 255 - pixels(photo)[y : y + rect[3], x : x + rect[2], :colours]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("server") / "run").ready()
    yield running
    running.clean_up()


def environment_of(server: ServerProcess) -> dict[str, str]:
    """Of GIMP: its own Python's variables among them, which no other Python may see."""
    return {
        **server.environment,
        "LAMA_FILL_COMMAND": f"{shlex.quote(sys.executable)} -m lama_cli",
        "PYTHONHOME": "/nonexistent/of/gimp",
        "LANGUAGE": "en",
    }


OURS = Python27(path=sys.executable, environment={"PYTHONHOME": ""})


@pytest.fixture
def host(server: ServerProcess) -> Host:
    """On Python 2.7, or on ours where there is none."""
    try:
        return Host(find_python27(), environment_of(server))
    except ChrootUnavailable:
        return Host(OURS, environment_of(server))


@pytest.fixture(params=["2.7", "ours"])
def either(request: pytest.FixtureRequest, server: ServerProcess) -> Host:
    """On each of both."""
    python = request.getfixturevalue("python27") if request.param == "2.7" else OURS
    return Host(python, environment_of(server))


def test_python_27_compiles_it(python27: Python27, tmp_path: Path) -> None:
    for source in PLUG_IN.parent.glob("*.py"):
        target = tmp_path / f"{source.stem}.pyc"
        script = f"import py_compile; py_compile.compile({str(source)!r}, {str(target)!r}, doraise=True)"
        subprocess.run([python27.path, "-c", script], env={**os.environ, **python27.environment}, check=True)
        assert target.exists()


def test_what_it_repeats_of_the_client_is_the_clients() -> None:
    """It can import nothing of that."""
    tree = ast.parse(PLUG_IN.read_text(encoding="utf-8"))
    values: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    assert values["FOREIGN"] == launch._FOREIGN_PREFIXES
    assert values["RELAY"] == VERSION
    assert values["MAX_PIXELS"] == MAX_GROW == MAX_FEATHER
    assert str(MAX_SEED) == str(2**31 - 1)
    for name in ("INPUTS", "OUTPUTS", "CONTEXTS", "QUALITIES"):
        assert values[name] == choices.names(getattr(choices, name)), name
        labels = [choice.label for choice in getattr(choices, name)]
        text = ast.get_source_segment(PLUG_IN.read_text(encoding="utf-8"), tree.body[-2])
        assert text is not None
        assert all(f'_("{label}")' in text for label in labels), name


@pytest.mark.parametrize(
    ("kind", "base", "precision"),
    [
        (RGBA_IMAGE, 0, 150),
        (RGB_IMAGE, 0, 150),
        (GRAYA_IMAGE, GRAY, 250),
        (GRAY_IMAGE, GRAY, 150),
        (RGB_IMAGE, 0, 200),
    ],
    ids=["RGBA 8", "RGB 8", "gray with alpha 16", "gray 8", "RGB 16 linear"],
)
def test_every_byte(either: Host, kind: int, base: int, precision: int) -> None:
    answer = either.fill(base=base, precision=precision, layers=[{"type": kind}])
    fill = answer["fill"]
    assert fill["rect"] == [40, 30, 36, 28]
    assert answer["names"] == ["LaMa Fill", "photo"]
    assert answer["active"] == "photo"
    size = 2 if precision // 100 == 2 else 1
    colours = (1 if base == GRAY else 3) * size
    assert (pixels(fill)[..., :colours] == inverted(answer["photo"], fill["rect"], colours)).all()
    assert (pixels(fill)[..., colours:] == 255).all()
    assert fill["bpp"] == colours + size
    steps = [event for event in answer["events"] if isinstance(event, str) and "undo" in event]
    assert steps == ["undo group start", "undo group end"]
    assert answer["events"].index("precision") == 0, "else GIMP gives 8 bits of everything"


def test_a_mask_that_can_be_edited(host: Host) -> None:
    arguments = [0, 1, *EXACT[2:]]
    fill = host.fill(*arguments, layers=[{"type": RGB_IMAGE}])["fill"]
    assert (pixels(fill)[..., 3] == 255).all()
    assert (pixels(fill, "mask") == 255).all()


@pytest.mark.parametrize("at", [[-20, -10], [30, 20]])
def test_a_layer_that_lies_elsewhere(host: Host, at: list[int]) -> None:
    answer = host.fill(layers=[{"at": at, "size": [60, 50]}], selection=[0, 0, 120, 96])
    fill = answer["fill"]
    x, y = max(0, at[0]), max(0, at[1])
    assert fill["rect"][:2] == [x, y]
    assert (pixels(fill)[..., :3] == inverted(answer["photo"], fill["rect"], 3)).all()


def test_an_image_with_a_palette_is_converted_by_gimp(host: Host) -> None:
    answer = host.fill(base=INDEXED, layers=[{"type": RGBA_IMAGE}])
    fill = answer["fill"]
    assert fill["name"] == "LaMa Fill"
    assert (pixels(fill)[..., :3] == inverted(answer["photo"], fill["rect"], 3)).all()


def test_what_is_visible(host: Host) -> None:
    answer = host.fill(1, *EXACT[1:], layers=[{"name": "over"}, {}], active=1)
    assert answer["names"] == ["over", "LaMa Fill", "photo"]
    shown = answer["fill"]
    assert not (pixels(shown)[..., :3] == inverted(answer["photo"], shown["rect"], 3)).all()


def test_a_fill_stands_for_the_layer_below_and_is_seen(host: Host) -> None:
    fill = {"name": "LaMa Fill", "mark": True, "at": [40, 30], "size": [36, 28]}
    answer = host.fill(layers=[fill, {}], active=0, selection=[50, 40, 10, 10])
    assert answer["names"] == ["LaMa Fill", "LaMa Fill", "photo"]
    assert answer["fill"]["rect"] == [50, 40, 10, 10]
    earlier = answer["photo"]  # the active layer, which is the fill
    assert (pixels(answer["fill"])[..., :3] == inverted(earlier, [50, 40, 10, 10], 3)).all()


def test_a_mask_stands_for_its_layer(host: Host) -> None:
    assert host.fill(drawable="mask")["names"] == ["LaMa Fill", "photo"]


@pytest.mark.parametrize("name", ["Łódź 東京", "e\u0301clair 🎈"])
def test_what_cannot_be_filled_is_named(host: Host, name: str) -> None:
    layers = [{"name": name, "type": RGB_IMAGE}]
    assert f"nothing to fill in “{name}”" in host.fail(layers=layers, selection=[0, 0, 0, 0])


def test_what_is_no_layer_is_refused_by_name(host: Host) -> None:
    assert "“photo” is a floating selection" in host.fail(floating=True)
    assert "“stencil” is a channel" in host.fail(drawable="channel")
    assert "No layer is active" in host.fail(drawable="none")


def test_the_dialog(host: Host) -> None:
    # Spin buttons give floats.
    answer = host.run(mode=INTERACTIVE, dialog=[0, 1, 0, 0.0, 0.0, 0, 0.0, ""])
    assert (answer["raised"], messages(answer)) == ("", [])
    (fill,) = answer["new"]
    assert fill["mask"] is not None
    assert "displays flush" in answer["events"]


def test_the_dialog_is_closed(host: Host) -> None:
    answer = host.run(mode=INTERACTIVE, dialog="cancel")
    assert (answer["raised"], answer["new"], messages(answer)) == ("", [], [])
    assert not [event for event in answer["events"] if event[0] == "progress"]


def test_before_the_dialog_it_says_that_there_is_nothing_to_fill(host: Host) -> None:
    message = host.fail(mode=INTERACTIVE, layers=[{"type": RGB_IMAGE}], selection=[0, 0, 0, 0])
    assert "nothing to fill in “photo”" in message


@pytest.mark.parametrize("mode", [INTERACTIVE, LAST_VALUES])
def test_without_a_dialog_the_last_values_are_taken(host: Host, mode: int) -> None:
    answer = host.run(mode=mode, dialog="none")
    assert (answer["raised"], messages(answer)) == ("", [])
    assert len(answer["new"]) == 1


def test_progress_has_the_stages_name(host: Host) -> None:
    answer = host.fill(*EXACT[:6], 300, "")
    texts = [event[1] for event in answer["events"] if isinstance(event, list) and event[0] == "progress"]
    assert texts[0] == "LaMa Fill: Waiting…"
    assert "LaMa Fill: Filling…" in texts
    fractions = [event[1] for event in answer["events"] if isinstance(event, list) and event[0] == "fraction"]
    assert len(fractions) > 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([9, *EXACT[1:]], "input is from 0 to 1, not 9"),
        ([0, 0, 8, *EXACT[3:]], "context is from 0 to 7, not 8"),
        ([*EXACT[:3], 5000, *EXACT[4:]], "Grow is from 0 to 4096"),
        ([*EXACT[:7], "nothing"], "model is not installed"),
        ([*EXACT[:3], FULL, *EXACT[4:]], "not enough memory"),
    ],
)
def test_what_goes_wrong_is_one_sentence(host: Host, arguments: list[Any], words: str) -> None:
    answer = host.run(arguments=arguments)
    assert answer["raised"]
    (message,) = messages(answer)
    assert words in message


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", "was not found on this computer"),
        ("#!/bin/sh\necho \"argument COMMAND: invalid choice: 'relay'\" >&2; exit 2\n", "different versions"),
        ("#!/bin/sh\necho 'kein Platz für é' >&2; exit 3\n", "nothing was changed: kein Platz für é"),
        ("#!/bin/sh\nkill -9 $$\n", "it ended with -9"),
        ("#!/bin/sh\necho hello; cat >/dev/null\n", "nothing was changed"),
        ("#!/bin/sh\nprintf '\\000\\000\\000\\002[]'; cat >/dev/null\n", "nothing was changed"),
    ],
    ids=["missing", "old", "failing", "killed", "another program", "no header"],
)
def test_a_relay_that_is_none(host: Host, script: str, words: str, tmp_path: Path) -> None:
    command = tmp_path / "Łódź 東京 lama-fill"
    if script:
        command.write_text(script, encoding="utf-8")
        command.chmod(0o755)
    host.environment["LAMA_FILL_COMMAND"] = shlex.quote(str(command))
    assert words in host.fail()
    assert words in host.fail(mode=LAST_VALUES)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plug-in as it is shipped, in a folder of another alphabet."""
    out = tmp_path_factory.mktemp("archive")
    built = build_plugins.build(build_plugins.PLUGINS["gimp210"], out, build_plugins.fetch_wheels())
    folder = out / "Łódź 東京"
    with zipfile.ZipFile(built) as files:
        files.extractall(folder)
    return folder / "lama_fill_210" / "lama_fill_210.py"


def test_the_archive_has_a_relay_of_its_own(host: Host, archive: Path, tmp_path: Path) -> None:
    """For a sandbox, and where nothing is installed but a Python 3."""
    (tmp_path / "bin").mkdir()
    # Its own Python, without the project.
    (tmp_path / "bin" / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    host.environment["PATH"] = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    del host.environment["LAMA_FILL_COMMAND"]
    host.plug_in = archive
    answer = host.fill()
    assert (pixels(answer["fill"])[..., :3] == inverted(answer["photo"], [40, 30, 36, 28], 3)).all()


def test_an_old_python_says_so(host: Host, python27: Python27, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "python3"
    home = python27.environment.get("PYTHONHOME", "")
    script.write_text(f'#!/bin/sh\nPYTHONHOME={home} exec {python27.path} "$@"\n')
    script.chmod(0o755)
    host.environment["PATH"] = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    del host.environment["LAMA_FILL_COMMAND"]
    host.environment["LAMA_FILL_RUNTIME_DIR"] = str(tmp_path / "none")  # the server's names its command
    host.plug_in = archive
    assert "Python 3.9 or later" in host.fail()


def test_it_speaks_the_artists_language(host: Host, archive: Path) -> None:
    host.plug_in = archive
    host.environment["LANGUAGE"] = "de"
    assert "„photo“" in host.fail(layers=[{"type": RGB_IMAGE}], selection=[0, 0, 0, 0])
    answer = host.fill(*EXACT[:6], 200, "")
    texts = [event[1] for event in answer["events"] if isinstance(event, list) and event[0] == "progress"]
    assert "LaMa-Füllung: Wird gefüllt …" in texts
