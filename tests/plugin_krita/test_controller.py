from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lama_fill_krita.controller import Controller, error_text, server_text
from lama_fill_krita.document import Hole
from lama_fill_krita.options import Options

from lama_core.client.connection import (
    BusyError,
    ConnectionLostError,
    FillCancelledError,
    FillFailedError,
    SandboxError,
    ServerNotFoundError,
    ServerSilentError,
    ServerStartError,
)
from lama_core.client.geometry import Rect
from lama_core.client.protocol.messages import Model, Preview, ServerStatus, Worker
from lama_core.client.tiles import CELL


@pytest.fixture
def controller(editor: Any, link: Any) -> Controller:
    made = Controller(editor, link)
    made.choose(Options(grow=0, feather=0, context="64"))
    return made


def test_a_fill(controller: Controller, editor: Any, document: Any) -> None:
    views = []
    controller.watch(views.append)
    controller.fill()
    assert views[-1].is_running
    editor.clock.run()
    assert not views[-1].is_running
    assert views[-1].text == "Filled in 0.5 s by model."
    assert len(document.added) == 1
    assert editor.told == []


def test_one_fill_at_a_time(controller: Controller, editor: Any, link: Any) -> None:
    link.at_once = False
    controller.fill()
    editor.clock.run()
    controller.fill()
    controller.paint_strokes("erase")
    assert editor.told == ["A fill is running already: wait for it, or cancel it."] * 2
    assert len(link.requests) == 1


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("erase", "LaMa Fill: paint over what is to be gone", "then click “Fill”"),
        ("copy", "LaMa Fill: copy from here", "what fills may be copied from. Hide the layer"),
        ("never", "LaMa Fill: never copy from here", "what must not be copied into fills. Hide the layer"),
    ],
)
def test_strokes_of_each_kind(controller: Controller, editor: Any, kind: str, name: str, told: str) -> None:
    controller.paint_strokes(kind)
    assert editor.strokes == [(kind, name)]
    assert told in editor.told[0]


def test_again_from_other_strokes_is_the_first_fill_from_these(
    controller: Controller, editor: Any, document: Any, link: Any
) -> None:
    for rect in (None, Rect(10, 10, 20, 20), Rect(10, 10, 20, 20)):
        document.copy = []
        if rect is not None:
            document.add_copy_strokes("copy", rect)
        controller.fill_again()
        editor.clock.run()
    assert [request.options.seed for request in link.requests] == [0, 0, 1]
    assert [bool(request.source) for request in link.requests] == [False, True, True]


def test_nothing_to_fill(controller: Controller, editor: Any, document: Any) -> None:
    document.selected = None
    controller.fill()
    assert editor.told == [controller.view.text]
    assert not controller.view.is_running
    editor.current = None
    controller.fill()
    assert editor.told[-1].startswith("No document is open")


def test_cancel_ends_it_at_once(controller: Controller, editor: Any, document: Any, link: Any) -> None:
    link.at_once = False
    controller.fill()
    editor.clock.run()
    controller.cancel()
    assert controller.view.text == "Cancelled."
    assert not controller.view.is_running
    link.answer()
    editor.clock.run()
    assert document.added == []
    link.at_once = True
    controller.fill()
    editor.clock.run()
    assert len(document.added) == 1


def test_progress_is_shown(controller: Controller, editor: Any, link: Any) -> None:
    link.at_once = False
    controller.fill()
    editor.clock.run()
    link.waiting[0][3](0, "filling", 0.25, 0)
    assert (controller.view.fraction, controller.view.text) == (0.25, "Filling…")


PREVIEW = Preview(job=1, x=0, y=0, width=1, height=1, scale=8, pixels=bytes(4))


@pytest.mark.parametrize("ending", ["filled", "failed", "cancelled"])
def test_preview_is_shown_until_the_fill_ends(
    controller: Controller, editor: Any, document: Any, link: Any, ending: str
) -> None:
    link.at_once = False
    controller.fill()
    editor.clock.run()
    link.on_preview(PREVIEW)
    assert controller.view.preview == PREVIEW
    assert document.added == [], "the document knows nothing of it"
    link.waiting[0][3](0, "filling", 0.25, 0)
    assert controller.view.preview == PREVIEW
    if ending == "cancelled":
        controller.cancel()
    else:
        link.error = FillFailedError("out_of_memory", "no", retryable=False) if ending == "failed" else None
        link.answer()
        editor.clock.run()
    assert not controller.view.is_running
    assert controller.view.preview is None
    assert len(document.added) == (ending == "filled")


def test_a_failure_is_told(controller: Controller, editor: Any, link: Any) -> None:
    link.error = FillFailedError("out_of_memory", "CUDA says no", retryable=False)
    controller.fill()
    editor.clock.run()
    assert editor.told == [
        "There is not enough memory for this fill: choose a smaller context, or select less at once."
    ]
    assert not controller.view.is_running
    assert editor.failures == []


def test_a_bug_is_told_and_logged(controller: Controller, editor: Any, link: Any) -> None:
    link.error = ZeroDivisionError("oops")
    controller.fill()
    editor.clock.run()
    assert "oops" in editor.told[0]
    assert editor.failures == [link.error]


def test_again_without_a_selection(controller: Controller, editor: Any, document: Any, link: Any) -> None:
    controller.fill()
    editor.clock.run()
    document.selected = None
    controller.choose(replace(controller.view.options, quality="fast"))
    controller.fill_again()
    editor.clock.run()
    first, second = link.requests
    # The hole and the options of the last fill, not those of now, but another fill.
    assert second.hole == first.hole
    assert second.options == replace(first.options, seed=1)
    assert len(document.added) == 2


def test_again_is_another_fill_each_time(
    controller: Controller, editor: Any, document: Any, link: Any
) -> None:
    def fill(how: Any) -> int:
        how()
        editor.clock.run()
        return int(link.requests[-1].options.seed)

    assert [fill(controller.fill_again) for _time in range(3)] == [0, 1, 2]
    assert fill(controller.fill) == 0
    assert fill(controller.fill_again) == 1
    # What failed was not seen.
    link.error = FillFailedError("busy", "later", retryable=True)
    assert fill(controller.fill_again) == 2
    link.error = None
    assert fill(controller.fill_again) == 2
    # Another selection is another fill.
    document.selected = Rect(60, 40, 30, 20)
    assert fill(controller.fill_again) == 0
    assert fill(controller.fill_again) == 1


def test_again_in_another_document(controller: Controller, editor: Any, link: Any) -> None:
    from tests.plugin_krita.conftest import FakeDocument

    controller.fill()
    editor.clock.run()
    editor.current = FakeDocument()
    editor.current.selected = None
    controller.fill_again()
    assert editor.told[-1].startswith("Nothing is selected")


def test_the_hole_is_what_was_selected_at_the_click(
    controller: Controller, editor: Any, document: Any
) -> None:
    selected = [document.selected]
    kept = document.selection()
    document.selection = lambda: replace(
        kept, read=lambda rect: kept.read(rect) if selected else bytes(rect.area)
    )
    controller.fill()
    selected.clear()
    editor.clock.run()
    (layer,) = document.added
    shown = sum(value > 0 for value in layer.written[0][2][3::4])
    assert shown == Rect(50, 40, 30, 20).area


def test_only_the_windows_of_a_large_mask_are_kept(
    controller: Controller, editor: Any, document: Any
) -> None:
    """The mask of the whole selection is looked at in bands, and never read at once."""
    document.width = document.height = 4000
    parts = [Rect(10, 10, 20, 20), Rect(3900, 3900, 30, 30)]
    reads: list[Rect] = []

    def read(rect: Rect) -> bytes:
        reads.append(rect)
        rows = [bytearray(rect.width) for _row in range(rect.height)]
        for part in parts:
            seen = part.intersect(rect)
            for y in range(seen.y, seen.bottom):
                rows[y - rect.y][seen.x - rect.x : seen.right - rect.x] = b"\xff" * seen.width
        return b"".join(map(bytes, rows))

    document.selection = lambda: Hole(Rect(10, 10, 3920, 3920), read)
    controller.fill()
    editor.clock.run()
    assert len(document.added) == 1
    assert max(rect.area for rect in reads) <= CELL * 3920
    plan = controller._last.plan  # type: ignore[union-attr]
    assert sum(map(len, plan.masks)) == sum(piece.window.area for piece in plan.pieces) < 200_000


def test_options_are_remembered(controller: Controller, editor: Any, link: Any) -> None:
    controller.choose(replace(controller.view.options, quality="best", command="/opt/lama-fill"))
    again = Controller(editor, link)
    assert again.view.options == controller.view.options
    assert link.command == "/opt/lama-fill"


def test_a_shared_server_is_pasted_once(
    controller: Controller, editor: Any, link: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path))
    token = "t" * 43
    controller.choose(replace(controller.view.options, server=f"wss://anna:{token}@fill.example:8443"))
    assert controller.view.options.server == link.address == "wss://fill.example:8443"
    assert token not in editor.remembered()
    assert token in (tmp_path / "servers.json").read_text()
    assert Controller(editor, link).view.options.server == "wss://fill.example:8443"
    controller.choose(replace(controller.view.options, server="no address at all"))
    assert controller.view.options.server == "wss://fill.example:8443"
    assert "This is not the address of a server" in controller.view.text


def test_the_server_is_looked_at(controller: Controller, link: Any) -> None:
    controller.look()
    controller.look()
    assert link.asked == ["status"]
    link.futures[0].finish(None, ServerNotFoundError("no"))
    assert (controller.view.server, controller.view.server_text) == ("absent", "Server: not running")
    controller.look()
    status = ServerStatus(
        state="ready",
        server_version="1",
        pid=1,
        uptime_seconds=1.0,
        workers=(Worker(device="cuda:0", state="ready", model="big-lama"),),
        models=(Model("big-lama"),),
    )
    link.futures[1].finish(status)
    assert controller.view.server == "ready"
    assert controller.view.models == (Model("big-lama"),)
    assert controller.view.server_text == "Server: ready, big-lama, cuda:0"


def test_a_running_fill_is_not_disturbed(controller: Controller, editor: Any, link: Any) -> None:
    link.at_once = False
    controller.fill()
    controller.look()
    assert link.asked == []


def test_start_and_stop(controller: Controller, editor: Any, link: Any) -> None:
    controller.start_server()
    assert controller.view.server == "loading"
    link.futures[0].finish(None, ServerStartError("it is not installed"))
    assert editor.told == ["The LaMa Fill server could not be started: it is not installed"]
    controller.stop_server()
    link.futures[1].finish(None, ServerNotFoundError("no"))
    assert len(editor.told) == 1
    assert link.asked == ["start", "stop", "status"]


def test_server_texts() -> None:
    status = ServerStatus(
        state="idle",
        server_version="1",
        pid=1,
        uptime_seconds=1.0,
        queued=1,
        running=2,
        default_model="compact",
    )
    assert server_text(status) == "Server: ready, sleeping, compact, 3 in work"


def test_every_error_says_what_to_do() -> None:
    assert "lama-fill service install" in error_text(SandboxError("Flatpak"))
    assert "Krita" in error_text(SandboxError("Flatpak"))
    assert "menu" in error_text(ServerNotFoundError("no"))
    assert "fill again" in error_text(ConnectionLostError("gone"))
    assert error_text(FillCancelledError("it was cancelled")) == "It was cancelled"
    assert error_text(FillFailedError("bad_request", "the hole is odd", retryable=False)).endswith(
        "the hole is odd"
    )


@pytest.mark.parametrize("error", [BusyError("busy"), ServerSilentError("silent")])
def test_a_server_that_takes_nothing_is_not_called_lost(error: Exception) -> None:
    assert "lama-fill stop" in error_text(error)
    assert "lost" not in error_text(error)


def test_a_cancel_by_the_server_is_no_error(controller: Controller, editor: Any, link: Any) -> None:
    link.error = FillCancelledError("the fill was cancelled by the server")
    controller.fill()
    editor.clock.run()
    assert editor.told == []
    assert controller.view.text == "Cancelled."


def test_views_stop_when_a_docker_goes(controller: Controller) -> None:
    views: list[Any] = []
    show = views.append
    controller.watch(show)
    controller.unwatch(show)
    controller.choose(replace(controller.view.options, quality="best"))
    assert len(views) == 1
