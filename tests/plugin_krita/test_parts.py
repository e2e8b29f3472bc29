"""Options, colour spaces, steps, translations, the template, and what is installed."""

from __future__ import annotations

import ast
import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from lama_fill_krita import template, version
from lama_fill_krita.color_space import DETOUR, Space
from lama_fill_krita.conversion import corrected
from lama_fill_krita.languages import use_languages
from lama_fill_krita.options import Options, from_text
from lama_fill_krita.tasks import Future, Task

import lama_server
from installers.build_plugins import CATALOGUES
from lama_core.client.plugin.choices import CONTEXTS, INPUTS, OUTPUTS, QUALITIES
from lama_core.client.plugin.texts import _

PLUGIN = Path(version.__file__).parents[1]
LANGUAGES = ("de", "es", "fr", "ja", "ko", "zh_CN")


def test_the_version_is_the_projects() -> None:
    assert lama_server.__version__ == version.VERSION


# Options.

options = st.builds(
    Options,
    grow=st.integers(-1, 256),
    feather=st.integers(-1, 256),
    context=st.sampled_from([choice.name for choice in CONTEXTS]),
    input=st.sampled_from([choice.name for choice in INPUTS]),
    output=st.sampled_from([choice.name for choice in OUTPUTS]),
    quality=st.sampled_from([choice.name for choice in QUALITIES]),
    model=st.text(max_size=100),
    start_server=st.booleans(),
    command=st.text(max_size=100),
)


@given(options)
def test_options_survive_being_remembered(chosen: Options) -> None:
    assert from_text(chosen.to_text()) == chosen


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"grow": "x", "feather": true, "unknown": 1, "input": 3}']
)
def test_what_is_not_known_is_left_at_its_default(text: str) -> None:
    assert from_text(text) == Options()


def test_one_bad_option_does_not_spoil_the_others() -> None:
    assert from_text('{"grow": 12, "quality": "perfect"}') == Options(grow=12)


def test_context_for_the_server() -> None:
    assert [Options(context=choice.name).fill.context for choice in CONTEXTS] == [
        "auto", 32, 64, 128, 256, 512, 1024, "whole",
    ]  # fmt: skip


# Colour spaces.


@pytest.mark.parametrize(
    ("space", "sent"),
    [
        (("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc"), ("bgra", "u8")),
        (("RGBA", "U16", "AdobeRGB"), ("bgra", "u16")),
        (("RGBA", "F16", "sRGB built-in"), ("rgba", "f16")),
        (("GRAYA", "F32", "Gray-D50-elle-V2-srgbtrc.icc"), ("graya", "f32")),
    ],
)
def test_what_travels_as_it_is(space: tuple[str, str, str], sent: tuple[str, str]) -> None:
    found = Space(*space)
    assert found.is_direct
    assert found.sent == found
    assert (found.layout.format, found.layout.depth) == sent


@pytest.mark.parametrize(
    "space",
    [
        ("CMYKA", "U8", "Chemical proof"),
        ("LABA", "F32", "Lab identity built-in"),
        ("XYZA", "U8", "XYZ identity built-in"),
        ("YCbCrA", "U16", "ITU-R BT.709-6 YCbCr ICC V4 profile"),
    ],
)
def test_what_makes_a_detour(space: tuple[str, str, str]) -> None:
    assert Space(*space).sent == DETOUR


@pytest.mark.parametrize(
    ("profile", "light"),
    [
        ("sRGB-elle-V2-g10.icc", "linear"),
        ("scRGB (linear)", "linear"),
        ("krita-2.5, lcms sRGB built-in with linear gamma TRC", "linear"),
        ("sRGB-elle-V2-srgbtrc.icc", "perceptual"),
        ("Rec2020-elle-V4-rec709.icc", "perceptual"),
        ("AdobeRGB-elle-V2-g22.icc", "perceptual"),
        ("ACME NonLinear RGB", "perceptual"),
        ("Rec.709 non-linear", "perceptual"),
        ("Film, non linear", "perceptual"),
        ("ACME Linear RGB", "linear"),
    ],
)
def test_light(profile: str, light: str) -> None:
    assert Space("RGBA", "F32", profile).transfer == light


def test_pixel_sizes() -> None:
    sizes = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4, "XYZA": 4, "YCbCrA": 4}
    for model, channels in sizes.items():
        for depth, size in (("U8", 1), ("U16", 2), ("F16", 2), ("F32", 4)):
            assert Space(model, depth, "").pixel_bytes == channels * size
    assert not Space("A", "U8", "").is_known


def test_correction_aims_to_the_other_side() -> None:
    wanted, got = struct.pack("<4f", 0.5, 0.5, 0.5, 0.25), struct.pack("<4f", 0.6, 0.5, 0.3, 1.0)
    better = struct.unpack("<4f", corrected(wanted, got))
    assert better == pytest.approx((0.4, 0.5, 0.7, 0.25))


# Steps.


def test_work_waits_for_futures_and_gets_their_values(clock: Any) -> None:
    reply, seen, ends = Future(), [], []

    def work() -> Any:
        seen.append((yield reply))
        yield 0.5
        return "end"

    Task(work(), clock.later, lambda value, error: ends.append((value, error)))
    clock.run()
    assert seen == []
    reply.finish("value")
    clock.run()
    assert seen == ["value"]
    assert ends == [("end", None)]
    assert clock.seconds == 0.5


def test_an_error_is_raised_where_it_is_waited_for(clock: Any) -> None:
    reply, ends = Future(), []

    def work() -> Any:
        try:
            yield reply
        except KeyError:
            return "caught"

    Task(work(), clock.later, lambda value, error: ends.append(value))
    clock.run()
    reply.finish(None, KeyError())
    clock.run()
    assert ends == ["caught"]


def test_cancel_cleans_up_before_it_returns(clock: Any) -> None:
    steps, ends, cancelled = [], [], []

    class Stoppable(Future):
        def cancel(self) -> None:
            cancelled.append(True)

    def work() -> Any:
        try:
            yield Stoppable()
        finally:
            steps.append("cleaned")

    run = Task(work(), clock.later, lambda value, error: ends.append(value))
    clock.run()
    run.cancel()
    run.cancel()
    assert steps == ["cleaned"]
    assert cancelled == [True]
    clock.run()
    assert ends == []


# Translations.


def catalog(language: str) -> Any:
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


@pytest.mark.parametrize(
    ("languages", "wanted"),
    [
        (["de_AT"], "Füllen"),
        (["zh-Hans-CN"], "填充"),
        (["ja_JP.UTF-8"], "埋める"),
        (["xx", "fr"], "Remplir"),
        (["en_GB", "de"], "Fill"),
        (["C"], "Fill"),
        ([], "Fill"),
    ],
)
def test_the_first_language_there_is(tmp_path: Path, languages: list[str], wanted: str) -> None:
    for language in LANGUAGES:
        folder = tmp_path / language / "LC_MESSAGES"
        folder.mkdir(parents=True)
        with (folder / "lama_fill.mo").open("wb") as file:
            write_mo(file, catalog(language))
    use_languages(languages, tmp_path)
    assert _("Fill") == wanted


# The template.


def test_the_template_has_a_file_for_every_frame() -> None:
    content = template.document(300, 200, with_mask=True, times=[0, 4, 9])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist()[0] == "mimetype"
        image = ElementTree.fromstring(archive.read("maindoc.xml"))
        frames = ElementTree.fromstring(archive.read("fill/layers/layer1.keyframes.xml"))
        found = [
            (element.get("time"), element.get("frame")) for element in frames.iter() if element.get("time")
        ]
        assert found == [("0", "layer1"), ("4", "layer1.f1"), ("9", "layer1.f2")]
        for _time, file in found:
            assert f"fill/layers/{file}.defaultpixel" in archive.namelist()
        assert "fill/layers/mask2.pixelselection" in archive.namelist()
    kinds = [element.get("nodetype") for element in image.iter() if element.get("nodetype")]
    assert kinds == ["paintlayer", "transparencymask"]


def test_the_template_without_frames_and_mask() -> None:
    with zipfile.ZipFile(io.BytesIO(template.document(3, 2, with_mask=False, times=[]))) as archive:
        assert not [name for name in archive.namelist() if "keyframes" in name or "mask" in name]


# What is installed.


def test_the_desktop_file_names_what_is_there() -> None:
    text = (PLUGIN / "lama_fill_krita.desktop").read_text(encoding="utf-8")
    assert "X-KDE-Library=lama_fill_krita" in text
    manual = text.partition("X-Krita-Manual=")[2].partition("\n")[0]
    assert "LaMa Fill" in (PLUGIN / "lama_fill_krita" / manual).read_text(encoding="utf-8")
    # Krita's importer reads it with a parser to which a percent sign is the beginning of something.
    assert "%" not in text


def test_the_actions_have_the_name_that_kritas_importer_looks_for() -> None:
    (module,) = [path.parent.name for path in PLUGIN.glob("*/__init__.py")]
    assert [path.name for path in (PLUGIN / "actions").iterdir()] == [f"{module}.action"]


def test_the_actions_are_those_that_are_made() -> None:
    tree = ElementTree.parse(PLUGIN / "actions" / "lama_fill_krita.action")
    host = (PLUGIN / "lama_fill_krita" / "host.py").read_text(encoding="utf-8")
    names = [action.get("name") for action in tree.iter("Action")]
    assert names == ["lama_fill", "lama_fill_again"]
    assert all(f'("{name}", ' in host for name in names)


def test_other_plug_ins_keep_their_websockets(tmp_path: Path) -> None:
    """In an interpreter where another plug-in has loaded one that is nothing like ours."""
    foreign, private = tmp_path / "foreign", tmp_path / "private"
    for folder, text in ((foreign, "whose = 'theirs'"), (private, "whose = 'ours'")):
        (folder / "websockets").mkdir(parents=True)
        (folder / "websockets" / "__init__.py").write_text(text)
    for name in ("connection", "geometry", "selection", "protocol/messages"):
        path = private / "lama_core" / "client" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import websockets\nassert websockets.whose == 'ours'\n")
    for name in ("lama_core", "lama_core/client", "lama_core/client/protocol"):
        (private / name / "__init__.py").write_text("")
    script = (
        "import sys; sys.path.insert(0, {foreign!r}); import websockets; del sys.path[0]\n"
        "import importlib.util; from pathlib import Path\n"
        "spec = importlib.util.spec_from_file_location('private', {private_py!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "module.use_private_copies(Path({private!r}))\n"
        "assert sys.modules['websockets'] is websockets and websockets.whose == 'theirs'\n"
        "import lama_core.client.connection; assert lama_core.client.connection.websockets.whose == 'ours'\n"
        "assert {private!r} not in sys.path\n"
    ).format(
        foreign=str(foreign), private=str(private), private_py=str(PLUGIN / "lama_fill_krita" / "vendored.py")
    )
    subprocess.run([sys.executable, "-S", "-c", script], check=True, timeout=60)


def test_one_file_touches_krita_and_one_touches_qt() -> None:
    for path in (PLUGIN / "lama_fill_krita").glob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
        assert ("krita" in imported) == (path.name == "host.py"), path.name
        assert bool(imported & {"PyQt5", "PyQt6"}) == (path.name == "qt.py"), path.name
        assert not imported & {"numpy", "torch"}, path.name
