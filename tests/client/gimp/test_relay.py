"""The relay beside a real server: every pixel through the pipe, and what goes wrong in one sentence."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from installers.build_plugins import CATALOGUES
from lama_core.client.gimp.frames import Frame, read_frame, write_frame
from lama_core.client.gimp.relay import DONE, FAILED, VERSION, relay
from lama_core.client.plugin.texts import use_translation
from lama_core.client.protocol.messages import CHANNELS, DEPTH_BYTES
from tests.server.harness import ServerProcess, wait_until
from tests.server.workers import DIES, FULL, RAISES

Start = Callable[..., ServerProcess]
Rect = tuple[int, int, int, int]

LISTENER = "lama-fill relay"
SAMPLES = {"u8": "<u1", "u16": "<u2", "f16": "<f2", "f32": "<f4"}


class PlugIn:
    """The other end: what a plug-in does, with noise for a layer."""

    def __init__(self, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(server.folder))
        monkeypatch.setenv("LAMA_FILL_COMMAND", "/nonexistent/lama-fill")
        self.server = server
        ours, theirs = os.pipe()
        back, their_back = os.pipe()
        self.source = os.fdopen(back, "rb")
        self.sink = os.fdopen(theirs, "wb", buffering=0)
        self.status: int | None = None

        def run() -> None:
            with open(ours, "rb", buffering=0) as source, open(their_back, "wb", buffering=0) as sink:
                listening = {thread for thread in threading.enumerate() if thread.name == LISTENER}
                self.status = relay(source, sink)
                sink.close()
                # It reads until the pipe ends. Were the pipe closed before that, it might read the next one
                # of this number.
                for thread in threading.enumerate():
                    if thread.name == LISTENER and thread not in listening:
                        thread.join(20)

        self.thread = threading.Thread(target=run)
        self.thread.start()
        self.layer(canvas=(-20, 10, 400, 300))

    def layer(self, canvas: Rect, format: str = "rgb", depth: str = "u8", seed: int = 1) -> None:
        self.canvas, self.format, self.depth = canvas, format, depth
        numbers = np.random.default_rng(seed)
        self.size = CHANNELS[format] * DEPTH_BYTES[depth]  # type: ignore[index]
        self.pixels = numbers.integers(0, 256, (canvas[3], canvas[2], self.size), np.uint8)
        self.selection = np.zeros((canvas[3], canvas[2]), SAMPLES[depth])
        self.read: list[tuple[str, Rect]] = []

    def select(self, rect: Rect, value: float | None = None) -> None:
        most = {"u8": 255, "u16": 65535}.get(self.depth, 1.0)
        self._cut(self.selection, rect)[...] = most if value is None else value

    def _cut(self, values: Any, rect: Rect) -> Any:
        x, y = rect[0] - self.canvas[0], rect[1] - self.canvas[1]
        assert min(x, y) >= 0
        return values[y : y + rect[3], x : x + rect[2]]

    def header(self, **more: Any) -> dict[str, Any]:
        return {
            "type": "fill",
            "relay": VERSION,
            "editor": "2.10.22",
            "name": "photo",
            "canvas": self.canvas,
            "hole": (100, 100, 40, 30),
            "selection": True,
            "format": self.format,
            "depth": self.depth,
            "transfer": "perceptual",
            "options": {},
            **more,
        }

    def send(self, header: Mapping[str, Any], content: bytes = b"") -> None:
        write_frame(self.sink, Frame(header, content))

    def next(self) -> Frame:
        """The next frame that is not one of progress or of reading, which is answered."""
        while True:
            frame = read_frame(self.source)
            assert frame is not None, "the relay ended without a word"
            if frame.header["type"] == "read":
                rect = tuple(frame.header["rect"])
                what = frame.header["what"]
                self.read.append((what, rect))
                values = self.pixels if what == "pixels" else self.selection
                self.send({"type": "data"}, self._cut(values, rect).tobytes())
            elif frame.header["type"] == "progress":
                self.progress.append((frame.header["text"], frame.header["fraction"]))
            elif frame.header["type"] != "close":
                return frame

    def fill(self, content: bytes = b"", **more: Any) -> tuple[list[Frame], Frame]:
        """The patches, and the last frame."""
        self.progress: list[tuple[str, float | None]] = []
        self.send(self.header(**more), content)
        patches = []
        while (frame := self.next()).header["type"] == "patch":
            patches.append(frame)
        return patches, frame

    def error(self, content: bytes = b"", **more: Any) -> str:
        patches, last = self.fill(content, **more)
        assert (patches, last.header["type"]) == ([], "error")
        self.end()
        assert self.status == FAILED
        return str(last.header["text"])

    def end(self) -> None:
        self.sink.close()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.source.close()


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    yield
    use_translation(str)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("server") / "run").ready()
    yield running
    running.clean_up()


@pytest.fixture
def plug_in(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlugIn]:
    made = PlugIn(server, monkeypatch)
    yield made
    made.end()


EXACT = {"grow": 0, "feather": 0}
HOLE = (100, 100, 40, 30)


def shown(plug_in: PlugIn, patches: list[Frame]) -> Any:
    """The layer with its alpha, as the artist sees it: the patches over nothing."""
    size = DEPTH_BYTES[plug_in.depth]  # type: ignore[index]
    channels = plug_in.size // size
    channels += channels in (1, 3)
    canvas = np.zeros((plug_in.canvas[3], plug_in.canvas[2], channels * size), np.uint8)
    for patch in patches:
        rect = patch.header["rect"]
        count = rect[2] * rect[3] * channels * size
        pixels = np.frombuffer(patch.content[:count], np.uint8).reshape(rect[3], rect[2], channels * size)
        plug_in._cut(canvas, rect)[...] = pixels
    return canvas


@pytest.mark.parametrize("depth", SAMPLES)
@pytest.mark.parametrize("format", ["gray", "graya", "rgb", "rgba"])
def test_every_pixel_of_every_format(plug_in: PlugIn, format: str, depth: str) -> None:
    plug_in.layer((-20, 10, 400, 300), format, depth)
    plug_in.select(HOLE)
    patches, last = plug_in.fill(options=EXACT)
    assert last.header["type"] == "done"
    size = DEPTH_BYTES[depth]  # type: ignore[index]
    colours = (CHANNELS[format] - (format in ("graya", "rgba"))) * size  # type: ignore[index]
    canvas = shown(plug_in, patches)
    inside = plug_in._cut(canvas, HOLE)
    # The scripted server inverts every byte.
    assert (inside[..., :colours] == 255 - plug_in._cut(plug_in.pixels, HOLE)[..., :colours]).all()
    most = {"u8": 255, "u16": 65535}.get(depth, 1.0)
    alpha = np.ascontiguousarray(canvas[..., colours:]).view(SAMPLES[depth])[..., 0]
    assert (plug_in._cut(alpha, HOLE) == most).all()
    plug_in._cut(alpha, HOLE)[...] = 0
    assert not alpha.any()
    plug_in.end()
    assert plug_in.status == DONE


def test_all_rectangles_lie_in_the_last_one(plug_in: PlugIn) -> None:
    plug_in.layer((0, 0, 5000, 800))
    plug_in.select((50, 60, 20, 10))
    plug_in.select((4900, 700, 30, 20))
    patches, last = plug_in.fill(hole=(50, 60, 4880, 660), options=EXACT)
    x, y, width, height = last.header["rect"]
    assert len(patches) == 2
    assert min(patch.header["rect"][0] for patch in patches) == x
    assert max(patch.header["rect"][1] + patch.header["rect"][3] for patch in patches) == y + height
    assert width > 4800


def test_only_the_surroundings_are_read(plug_in: PlugIn) -> None:
    plug_in.layer((0, 0, 4000, 3000))
    plug_in.select((2000, 1500, 40, 30))
    plug_in.fill(hole=(2000, 1500, 40, 30))
    pixels = [rect for what, rect in plug_in.read if what == "pixels"]
    assert len(pixels) == 1
    assert pixels[0][2] * pixels[0][3] <= 400 * 400


def test_pixels_that_came_at_once_are_not_asked_for(plug_in: PlugIn, server: ServerProcess) -> None:
    plug_in.select(HOLE)
    asked, _last = plug_in.fill(options=EXACT)
    assert plug_in.read
    with pytest.MonkeyPatch.context() as patch:
        other = PlugIn(server, patch)
        other.select(HOLE)
        content = other.pixels.tobytes() + other.selection.tobytes()
        sent, _last = other.fill(content, options=EXACT)
        assert other.read == []
        other.end()
    assert [(frame.header, frame.content) for frame in sent] == [
        (frame.header, frame.content) for frame in asked
    ]


def test_what_is_transparent_is_the_hole_where_nothing_is_selected(plug_in: PlugIn) -> None:
    plug_in.layer((0, 0, 200, 160), "rgba")
    plug_in.pixels[..., 3] = 255
    plug_in.pixels[50:70, 60:90, 3] = 0
    patches, _last = plug_in.fill(hole=(0, 0, 200, 160), selection=False, options=EXACT)
    alpha = shown(plug_in, patches)[..., 3]
    assert (alpha[50:70, 60:90] == 255).all()
    assert int((alpha > 0).sum()) == 20 * 30


@pytest.mark.parametrize("depth", SAMPLES)
def test_a_mask_is_in_the_depth_of_the_pixels(plug_in: PlugIn, depth: str) -> None:
    plug_in.layer((0, 0, 300, 200), "rgb", depth)
    plug_in.select(HOLE)
    half = {"u8": 128, "u16": 128 * 257}.get(depth, 128 / 255)
    plug_in.select((100, 100, 40, 1), half)
    (patch,), _last = plug_in.fill(options={**EXACT, "output": "mask"})
    rect, size = patch.header["rect"], DEPTH_BYTES[depth]  # type: ignore[index]
    pixels = rect[2] * rect[3] * 4 * size
    mask = np.frombuffer(patch.content[pixels:], SAMPLES[depth]).reshape(rect[3], rect[2])
    assert mask.max() == {"u8": 255, "u16": 65535}.get(depth, 1.0)
    row = mask[100 - rect[1], 100 - rect[0] : 140 - rect[0]]
    assert np.allclose(row.astype(float), half, rtol=1e-3), row
    samples = np.frombuffer(patch.content[:pixels], SAMPLES[depth]).reshape(-1, 4)
    assert (samples[:, 3] == mask.max()).all(), "the artist shows more of it by painting the mask white"


def test_progress_has_a_text_and_goes_up(plug_in: PlugIn) -> None:
    plug_in.select(HOLE)
    plug_in.fill(options={**EXACT, "variation": 300})
    assert plug_in.progress[0][0] == "LaMa Fill: Waiting…"
    fractions = [fraction for text, fraction in plug_in.progress if text == "LaMa Fill: Filling…"]
    numbers = [fraction for fraction in fractions if fraction is not None]
    assert len(numbers) > 3
    assert numbers == sorted(numbers)


def test_the_words_are_the_artists(plug_in: PlugIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Übersetzungen" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (CATALOGUES / "de.po").open("rb") as source, (folder / "lama-fill.mo").open("wb") as file:
        write_mo(file, read_po(source))
    monkeypatch.setenv("LANGUAGE", "de")
    plug_in.select(HOLE)
    plug_in.fill(options={**EXACT, "variation": 100}, locale=str(folder.parent.parent))
    assert "LaMa-Füllung: Wird gefüllt …" in [text for text, _fraction in plug_in.progress]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (FULL, "not enough memory"),
        (DIES, "stopped in the middle"),
        (RAISES, "could not fill this"),
    ],
)
def test_what_goes_wrong_at_the_server_is_one_sentence(plug_in: PlugIn, fault: int, words: str) -> None:
    plug_in.select(HOLE)
    text = plug_in.error(options={"grow": fault})
    assert words in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"options": {"model": "nothing"}}, "model is not installed"),
        ({"options": {"grow": 5000}}, "grow is from 0 to 4096"),
        ({"options": {"quality": "good"}}, "quality is one of fast, balanced, best"),
        ({"options": {"context": "31x"}}, "context is one of"),
        ({"options": {"colour": 1}}, "options: must be of"),
        ({"options": {"grow": "1"}}, "options: must be of"),
        ({"options": []}, "options: must be of"),
        ({"relay": 2}, "of different versions"),
        ({"relay": None}, "of different versions"),
        ({"hole": [0, 0, 0, 0]}, "nothing to fill in “photo”"),
        ({"hole": [900, 900, 10, 10]}, "nothing to fill in “photo”"),
        ({"selection": False}, "nothing to fill in “photo”"),
        ({"canvas": [0, 0, -1, 5]}, "canvas: must not be smaller"),
        ({"canvas": [0, 0, 5]}, "canvas: must be x, y, width and height"),
        ({"hole": [0, 0, 1.5, 5]}, "hole: must be integers"),
        ({"format": "cmyk"}, "format: must be one of"),
        ({"depth": "u32"}, "depth: must be one of"),
        ({"name": 7}, "name: must be a string"),
        ({"type": "pixels"}, "not a frame of the type 'fill'"),
    ],
)
def test_what_means_nothing_is_refused_by_name(plug_in: PlugIn, wrong: dict[str, Any], words: str) -> None:
    plug_in.select(HOLE)
    assert words in plug_in.error(**wrong).casefold()


def test_a_selection_that_is_empty_after_all(plug_in: PlugIn) -> None:
    assert "nothing to fill in “photo”" in plug_in.error()


def test_content_of_another_length(plug_in: PlugIn) -> None:
    assert "3 bytes came" in plug_in.error(b"abc")


def test_data_of_another_length(plug_in: PlugIn) -> None:
    plug_in.select(HOLE)
    plug_in.send(plug_in.header())
    while (frame := read_frame(plug_in.source)) is not None and frame.header["type"] != "read":
        pass
    plug_in.send({"type": "data"}, b"abc")
    plug_in.progress = []
    last = plug_in.next()
    assert last.header["type"] == "error"
    assert "3 bytes came" in last.header["text"]


def test_what_is_no_frame(plug_in: PlugIn) -> None:
    plug_in.sink.write(b"GET / HTTP/1.1\r\n\r\n")
    plug_in.progress = []
    last = plug_in.next()
    assert last.header["type"] == "error"
    assert "length of a header" in last.header["text"]


@pytest.mark.parametrize("when", ["before", "while it reads", "while it fills"])
def test_the_end_of_the_pipe_cancels(plug_in: PlugIn, server: ServerProcess, when: str) -> None:
    plug_in.select(HOLE)

    def answer() -> None:
        with pytest.raises(AssertionError, match="ended without a word"):
            plug_in.next()

    if when != "before":
        plug_in.send(plug_in.header(options={**EXACT, "variation": 60_000}))
    if when == "while it reads":
        while (frame := read_frame(plug_in.source)) is not None and frame.header["type"] != "read":
            pass
    if when == "while it fills":
        plug_in.progress = []
        answering = threading.Thread(target=answer)
        answering.start()
        with server.connect() as client:
            wait_until(lambda: client.status().running == 1, what="the fill")
    plug_in.sink.close()
    plug_in.thread.join(10)
    assert plug_in.status == FAILED
    with server.connect() as client:
        wait_until(lambda: client.status().running == 0, what="the end of the fill")
    if when == "while it fills":
        answering.join(10)


def test_nobody_reads_what_it_says(plug_in: PlugIn, server: ServerProcess) -> None:
    plug_in.select(HOLE)
    plug_in.source.close()
    plug_in.send(plug_in.header())
    wait_until(lambda: plug_in.status is not None, what="the end of the relay")
    assert plug_in.status == FAILED


def test_the_server_is_killed_in_the_middle(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = start().ready()
    plug_in = PlugIn(server, monkeypatch)
    plug_in.select(HOLE)

    def kill() -> None:
        with server.connect() as client:
            wait_until(lambda: client.status().running == 1, what="the fill")
        server.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    text = plug_in.error(options={**EXACT, "variation": 60_000})
    killer.join()
    assert "connection to the LaMa Fill server was lost" in text


def test_no_server_and_none_to_start(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plug_in = PlugIn(server, patch)
        patch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "none"))
        plug_in.select(HOLE)
        assert "could not be started" in plug_in.error()
