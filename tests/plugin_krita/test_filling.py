from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lama_fill_krita import filling, insert_layer, window_reader
from lama_fill_krita.color_space import DETOUR, Space
from lama_fill_krita.document import Hole
from lama_fill_krita.filling import Outcome
from lama_fill_krita.hole_plan import find_hole, plan_hole
from lama_fill_krita.nodes import Node, RefusalError
from lama_fill_krita.options import Options
from lama_fill_krita.snapshot import StaleError
from lama_fill_krita.tasks import Coroutine, Task

from lama_core.client.geometry import Rect
from lama_core.client.plugin.pieces import SourceError
from lama_core.client.protocol.messages import Preview

EXACT = Options(grow=0, feather=0, context="64")


def no_report(share: float, text: str) -> None:
    """Nobody looks."""


def no_preview(preview: Preview) -> None:
    """Nobody looks."""


def whole_fill(
    document: Any, link: Any, options: Options = EXACT, report: Any = no_report, **more: Any
) -> Coroutine[Outcome]:
    """What a click does: plan the hole, and fill it."""
    return (
        yield from filling.fill(
            plan_hole(document, options), link, report, **{"on_preview": no_preview, **more}
        )
    )


def start(document: Any, link: Any, clock: Any, options: Options = EXACT, **more: Any) -> list[Any]:
    """Begin a fill; the list gets its outcome or its error when it ends."""
    ends: list[Any] = []
    work = whole_fill(document, link, options, **more)
    Task(work, clock.later, lambda outcome, error: ends.append(outcome if error is None else error))
    return ends


def fill(document: Any, link: Any, clock: Any, options: Options = EXACT, **more: Any) -> Any:
    ends = start(document, link, clock, options, **more)
    clock.run()
    (end,) = ends
    return end


def rect_size(rect: Rect) -> tuple[int, int]:
    return rect.width, rect.height


def test_a_fill_is_one_layer_above_the_active_node(document, link, clock) -> None:
    assert fill(document, link, clock) == Outcome(seconds=0.5, model="model", device="cpu", frames=1)
    (layer,) = document.added
    assert (layer.name, layer.above, layer.with_mask, layer.times) == ("LaMa Fill", "base", False, [])
    ((time, rect, data),) = layer.written
    # The hole, the context asked for, and not much more were read and sent; only what shows is written.
    ((source, window),) = document.reads
    assert source is None
    assert window.contains(Rect(0, 0, 144, 124))
    assert window.area < 180 * 160
    assert (time, rect) == (None, document.selected)
    assert set(data[3::4]) == {255}
    assert layer.closed


def test_what_is_sent(document, link, clock) -> None:
    fill(document, link, clock, replace(EXACT, quality="best", model="big", start_server=False))
    (request,) = link.requests
    ((_node, rect),) = document.reads
    assert (request.width, request.height, request.format, request.depth) == (*rect_size(rect), "bgra", "u8")
    assert request.pixels == b"\x07" * (rect.area * 4)
    assert request.options.quality == "best"
    assert request.model == "big"
    assert request.options.context == 64
    assert request.hole.count(255) == 600
    assert link.starts == [False]


def test_a_mask_keeps_the_pixels_opaque(document, link, clock) -> None:
    fill(document, link, clock, replace(EXACT, output="mask"))
    (layer,) = document.added
    assert layer.with_mask
    ((_time, rect, data),) = layer.written
    assert set(data[3::4]) == {255}
    ((masked, mask),) = layer.masks
    assert masked == rect == document.selected
    assert mask == b"\xff" * 600


@pytest.mark.parametrize(
    "space",
    [
        Space("CMYKA", "U8", "inks"),
        Space("LABA", "U16", "Lab identity built-in"),
        Space("XYZA", "F16", "XYZ identity built-in"),
    ],
)
def test_other_spaces_make_a_detour(document, link, clock, space: Space) -> None:
    document.colour_space = space
    fill(document, link, clock)
    (request,) = link.requests
    assert (request.format, request.depth) == ("rgba", "f32")
    assert document.conversions[0] == (space, DETOUR)
    assert document.conversions[-1] == (DETOUR, space)
    (layer,) = document.added
    assert all(len(data) == rect.area * space.pixel_bytes for _time, rect, data in layer.written)


@pytest.mark.parametrize(
    ("space", "light"),
    [
        (Space("RGBA", "F32", "sRGB-elle-V2-g10.icc"), "linear"),
        (Space("GRAYA", "U16", "Gray-D50-elle-V2-g10.icc"), "linear"),
        (Space("RGBA", "F16", "sRGB-elle-V2-srgbtrc.icc"), "perceptual"),
        # The detour is not, whatever it is made from.
        (Space("XYZA", "F32", "XYZ identity built-in (linear)"), "perceptual"),
    ],
)
def test_the_server_is_told_about_linear_light(document, link, clock, space: Space, light: str) -> None:
    document.colour_space = space
    fill(document, link, clock)
    assert link.requests[0].options.transfer == light
    assert bool(document.conversions) == (space.model == "XYZA")


def test_inks_are_corrected_for_what_their_profile_misses(document, link, clock) -> None:
    document.colour_space = Space("CMYKA", "U8", "inks")
    fill(document, link, clock)
    back = document.conversions[1:]
    assert back == [
        (DETOUR, document.colour_space),
        (document.colour_space, DETOUR),
        (DETOUR, document.colour_space),
    ]


def test_a_layer_in_another_space_than_the_document(document, link, clock) -> None:
    gray = Space("GRAYA", "U16", "Gray-D50-elle-V2-srgbtrc.icc")
    document.nodes["base"] = replace(document.nodes["base"], space=gray)
    fill(document, link, clock, replace(EXACT, input="layer"))
    assert document.reads[0][0] == "base"
    assert (link.requests[0].format, link.requests[0].depth) == ("graya", "u16")
    assert document.conversions == [(gray, document.colour_space)]


def test_large_windows_are_read_and_written_in_steps(link, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.plugin_krita.conftest import FakeDocument

    monkeypatch.setattr(window_reader, "STEP_PIXELS", 4000)
    monkeypatch.setattr(insert_layer, "STEP_PIXELS_CONVERTED", 100)
    document = FakeDocument()
    fill(document, link, clock)
    assert len(document.reads) > 4
    assert all(rect.area <= 4000 for _node, rect in document.reads)
    (request,) = link.requests
    assert sum(rect.area for _node, rect in document.reads) == request.width * request.height
    (layer,) = document.added
    assert [rect for _time, rect, _data in layer.written] == [document.selected]


def test_holes_far_apart_are_two_requests_and_one_layer(link, clock) -> None:
    from tests.plugin_krita.conftest import FakeDocument, mask_of

    document = FakeDocument(6000, 400)
    parts = [Rect(10, 10, 20, 20), Rect(5900, 300, 30, 10)]

    def read(rect: Rect) -> bytes:
        masks = [mask_of(part)(rect) for part in parts if not part.intersect(rect).is_empty]
        merged = bytes(rect.area)
        for mask in masks:
            merged = bytes(map(max, merged, mask))
        return merged

    hole = Hole(Rect(10, 10, 5920, 300), read)
    document.selection = lambda: hole
    assert isinstance(fill(document, link, clock), Outcome)
    assert len(link.requests) == 2
    (layer,) = document.added
    assert len(layer.written) == 2


# What can be in the way.


def test_nothing_selected(document, link, clock) -> None:
    document.selected = None
    with pytest.raises(RefusalError, match="Nothing is selected"):
        find_hole(document)


def test_no_active_node(document, link, clock) -> None:
    document.active = None
    assert isinstance(fill(document, link, clock), RefusalError)
    assert not link.requests


def test_a_selection_outside_of_the_picture(document, link, clock) -> None:
    document.selected = Rect(500, 500, 10, 10)
    assert "outside" in str(fill(document, link, clock))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: setattr(document, "opened", False), "closed"),
        (lambda document: setattr(document, "width", 401), "size"),
        (lambda document: document.nodes.clear(), "gone"),
        (lambda document: setattr(document, "turn", lambda x, y: (399 - x, 299 - y)), "turned"),
        (lambda document: setattr(document, "turn", lambda x, y: (399 - x, y)), "turned"),
        (lambda document: setattr(document, "turn", lambda x, y: (x, 299 - y)), "turned"),
    ],
)
def test_the_document_changes_before_the_answer(document, link, clock, change, words) -> None:
    link.at_once = False
    ends = start(document, link, clock)
    clock.run()
    assert not ends
    change(document)
    link.answer()
    clock.run()
    (error,) = ends
    assert isinstance(error, StaleError)
    assert words in str(error)
    assert not document.added


@pytest.mark.parametrize("quarter", [lambda x, y: (y, 299 - x), lambda x, y: (299 - y, x)])
def test_a_square_is_turned_by_a_quarter(link, clock, quarter) -> None:
    from tests.plugin_krita.conftest import FakeDocument

    document = FakeDocument(300, 300)
    link.at_once = False
    ends = start(document, link, clock)
    clock.run()
    document.turn = quarter
    link.answer()
    clock.run()
    assert "turned" in str(ends[0])
    assert not document.added


def test_what_is_painted_meanwhile_is_no_turn(document, link, clock) -> None:
    link.at_once = False
    ends = start(document, link, clock)
    clock.run()
    # All of the dark corner, and as much again elsewhere.
    for x in range(140):
        for y in range(140):
            document.painted[x, y] = document.painted[399 - x, y] = b"\xff\xff\xff\xff"
            document.painted[x, 299 - y] = b"\x00\x00\x00\xff"
    link.answer()
    clock.run()
    assert isinstance(ends[0], Outcome)
    assert document.added


def test_another_frame_than_the_filled_one_is_no_turn(document, link, clock) -> None:
    document.animated, document.now = True, 3
    link.at_once = False
    ends = start(document, link, clock)
    clock.run()
    document.now, document.turn = 4, lambda x, y: (399 - x, y)
    link.answer()
    clock.run()
    assert isinstance(ends[0], Outcome)
    # And the artist stays there.
    assert document.now == 4


def test_a_document_converted_meanwhile_gets_its_own_space(document, link, clock) -> None:
    link.at_once = False
    start(document, link, clock)
    clock.run()
    was, document.colour_space = document.colour_space, Space("LABA", "F32", "Lab identity built-in")
    link.answer()
    clock.run()
    assert document.conversions == [(was, document.colour_space)]
    assert document.added


def test_a_stroke_under_way_is_waited_for(document, link, clock) -> None:
    document.busy = 5
    fill(document, link, clock)
    assert document.added
    assert clock.seconds > 0


def test_krita_gives_too_few_bytes(document, link, clock) -> None:
    document.read = lambda node, rect: b""
    assert isinstance(fill(document, link, clock), RefusalError)


# What is active afterwards.


def test_the_new_layer_may_become_the_active_one(document, link, clock) -> None:
    fill(document, link, clock)
    assert document.activated == []


@pytest.mark.parametrize("change", ["input", "other"])
def test_the_active_node_stays(document, link, clock, change: str) -> None:
    link.at_once = False
    options = replace(EXACT, input="layer") if change == "input" else EXACT
    document.nodes["other"] = replace(document.nodes["base"], key="other")
    document.nodes["new"] = replace(document.nodes["base"], key="new")
    start(document, link, clock, options)
    clock.run()
    wanted = "base"
    if change == "other":
        wanted = document.active = "other"
    link.answer()
    while not document.added:
        clock.run(1)
    document.active = "new"  # as Krita does some time after a layer was added
    clock.run()
    assert document.activated == [wanted]


# Strokes.


def test_strokes_are_the_hole_and_not_in_the_picture(document, link, clock) -> None:
    document.add_marker(Rect(60, 50, 10, 10))
    assert isinstance(fill(document, link, clock), Outcome)
    assert document.shown == [("marker", False), ("marker", True)]
    assert document.cleared == ["marker"]
    assert link.requests[0].hole.count(255) == 100
    # Above the layer below the marker, which so stays on top.
    assert document.added[0].above == "base"


def test_strokes_stay_when_it_fails(document, link, clock) -> None:
    document.add_marker(Rect(60, 50, 10, 10))
    link.error = RefusalError("no")
    assert isinstance(fill(document, link, clock), RefusalError)
    assert document.cleared == []
    assert document.shown[-1] == ("marker", True)


def test_a_selection_comes_before_strokes_elsewhere(document, link, clock) -> None:
    document.add_marker(Rect(60, 50, 10, 10))
    document.active = "base"
    assert find_hole(document).marker is None


def source_of(link: Any, document: Any) -> set[tuple[int, int]]:
    """Where the one fill that was asked for may copy from, in the document."""
    (request,) = link.requests
    _node, window = document.reads[0]
    assert len(request.source) == request.width * request.height
    assert set(request.source) <= {0, 255}
    return {
        (window.x + at % window.width, window.y + at // window.width)
        for at, value in enumerate(request.source)
        if value
    }


def cells(rect: Rect) -> set[tuple[int, int]]:
    return {(x, y) for x in range(rect.x, rect.right) for y in range(rect.y, rect.bottom)}


def test_without_strokes_it_is_copied_from_everywhere(document, link, clock) -> None:
    fill(document, link, clock)
    assert link.requests[0].source == b""


def test_copy_strokes_say_from_where_and_are_not_in_the_picture(document, link, clock) -> None:
    document.add_copy_strokes("copy", Rect(10, 20, 30, 40))
    document.add_copy_strokes("never", Rect(30, 0, 60, 200))
    assert isinstance(fill(document, link, clock), Outcome)
    assert source_of(link, document) == cells(Rect(10, 20, 20, 40))
    assert document.shown == [("copy", False), ("never", False), ("copy", True), ("never", True)]
    assert document.cleared == [], "they stay for the next fill"
    assert document.added[0].above == "base", "the layer below all strokes"


def test_what_is_never_copied_is_all_that_is_left_out(document, link, clock) -> None:
    document.active = "base"
    document.add_copy_strokes("never", Rect(0, 0, 200, 60))
    fill(document, link, clock)
    ((_node, window),) = document.reads
    assert source_of(link, document) == cells(window) - cells(Rect(0, 0, 200, 60))


def test_strokes_far_away_are_sent_too(document, link, clock) -> None:
    far = Rect(370, 280, 25, 15)
    document.add_copy_strokes("copy", far)
    fill(document, link, clock)
    assert source_of(link, document) == cells(far)


def test_erase_strokes_and_copy_strokes(document, link, clock) -> None:
    document.selected = None
    document.add_copy_strokes("copy", Rect(10, 20, 30, 40))
    document.add_marker(Rect(60, 50, 10, 10))
    fill(document, link, clock)
    assert document.cleared == ["marker"]
    assert sorted(key for key, visible in document.shown if not visible) == ["copy", "marker"]
    assert link.requests[0].hole.count(255) == 100
    assert source_of(link, document) == cells(Rect(10, 20, 30, 40))


@pytest.mark.parametrize(
    ("kind", "rect", "said"),
    [
        ("copy", Rect(55, 45, 4, 4), "“copy here” leaves nothing to copy from but what is to be filled"),
        ("copy", Rect(500, 45, 4, 4), "“copy here” leaves nothing to copy from: change what it marks."),
        ("never", Rect(0, 0, 400, 300), "“never here” leaves nothing to copy from: change what it marks."),
    ],
)
def test_strokes_that_leave_nothing(document, link, clock, kind: str, rect: Rect, said: str) -> None:
    document.add_copy_strokes(kind, rect)
    with pytest.raises(SourceError, match=said):
        plan_hole(document, EXACT)
    assert link.requests == []


# Nodes.


def test_a_mask_stands_for_its_layer(document, link, clock) -> None:
    mask = Node("m", "mask", "transparencymask", Space("A", "U8", ""), parent=document.nodes["base"])
    document.nodes["m"] = mask
    document.active = "m"
    fill(document, link, clock)
    assert document.added[0].above == "base"


@pytest.mark.parametrize(
    ("kind", "passes", "words"),
    [("filterlayer", False, "is a filter layer"), ("grouplayer", True, "passes through")],
)
def test_nodes_without_a_picture_are_refused_by_name(document, link, clock, kind, passes, words) -> None:
    document.nodes["base"] = replace(document.nodes["base"], kind=kind, is_pass_through=passes)
    error = fill(document, link, clock, replace(EXACT, input="layer"))
    assert isinstance(error, RefusalError)
    assert "“base”" in str(error)
    assert words in str(error)
    # What is visible can be filled above any of them.
    assert isinstance(fill(document, link, clock), Outcome)


# Animations.


def test_the_current_frame_of_an_animation(document, link, clock) -> None:
    document.animated, document.now = True, 3
    fill(document, link, clock, replace(EXACT, output="mask"))
    (layer,) = document.added
    assert layer.times == [0, 3, 4]
    assert [time for time, _rect, _data in layer.written] == [3]
    assert not layer.with_mask


def test_every_frame_fills_each_drawing_once(document, link, clock) -> None:
    document.animated, document.now, document.range = True, 4, (1, 6)
    document.drawings = lambda time: time // 2
    outcome = fill(document, link, clock, every_frame=True)
    assert outcome.frames == 4
    assert outcome.seconds == 2.0
    (layer,) = document.added
    assert layer.times == [0, 1, 2, 4, 6, 7]
    assert [time for time, _rect, _data in layer.written] == [1, 2, 4, 6]
    assert document.now == 4
    # The same seed in each, with grain of its own.
    sent = [request.options for request in link.requests]
    assert [(options.seed, options.frame) for options in sent] == [(0, 1), (0, 2), (0, 4), (0, 6)]


def test_every_frame_of_what_does_not_move(document, link, clock) -> None:
    assert "no animation" in str(fill(document, link, clock, every_frame=True))


def test_cancelled_between_two_frames(document, link, clock) -> None:
    document.animated = True
    document.drawings = lambda time: time
    link.at_once = False
    work = whole_fill(document, link, every_frame=True)
    ends: list[Any] = []
    run = Task(work, clock.later, lambda outcome, error: ends.append(error))
    clock.run()
    link.answer()
    clock.run()
    assert document.now == 1
    run.cancel()
    clock.run()
    assert document.now == 0
    assert not ends
    assert not document.added


def test_a_converted_fill_is_written_in_steps(document, link, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insert_layer, "STEP_PIXELS_CONVERTED", 100)
    document.colour_space = Space("LABA", "U8", "Lab identity built-in")
    fill(document, link, clock)
    (layer,) = document.added
    assert [rect.height for _time, rect, _data in layer.written] == [3, 3, 3, 3, 3, 3, 2]


def test_progress_texts(document, link, clock) -> None:
    told: list[tuple[float, str]] = []
    link.at_once = False
    start(document, link, clock, report=lambda share, text: told.append((share, text)))
    clock.run()
    on_progress = link.waiting[0][3]
    for stage, fraction, position in (
        ("queued", 0.0, 2), ("queued", 0.0, 0), ("loading", 0.0, 0), ("something new", 0.5, 0),
    ):  # fmt: skip
        on_progress(0, stage, fraction, position)
    assert told == [
        (0.0, "Waiting, 2 before it"), (0.0, "Waiting…"), (0.0, "Loading the model…"), (0.5, "Filling…"),
    ]  # fmt: skip
