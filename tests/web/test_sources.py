"""What of web/src decides about pixels, held against the same in Python; and the committed bundle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from installers import build_web
from lama_core.client import selection
from lama_core.client.geometry import Rect
from lama_server.web.declaration import declaration
from tests.web.node import Node, have_packages

_PROGRAM = """
import { Planner } from "./src/geometry.ts";
import { Mask } from "./src/mask.ts";
import { pack, unpack } from "./src/packing.ts";

function maskOf(question) {
    const mask = new Mask(question.width, question.height, () => undefined);
    if (question.bytes !== undefined) {
        mask.set(question.bytes);
    }
    return mask;
}

export function answer(question) {
    const mask = maskOf(question);
    if (question.type === "plan") {
        const planner = new Planner(question.sizes, mask.rect, question.options);
        if (question.source === null) {
            return planner.plan(mask.rect, mask.occupied);
        }
        const source = new Mask(question.width, question.height, () => undefined);
        source.set(question.source);
        const count = (rect) => source.countBeside(rect, mask);
        return planner.plan(mask.rect, mask.occupied, { bounds: source.bounds(), count });
    }
    if (question.type === "pack") {
        const packed = pack(mask.data);
        return { size: packed.length, bytes: [...unpack(packed, mask.data.length)] };
    }
    mask.begin();
    const before = mask.data.slice();
    for (const [name, ...values] of question.changes) {
        mask[name](...values);
    }
    const edits = mask.end();
    const after = mask.data.slice();
    mask.restore(edits, "before");
    const undone = mask.data.every((value, index) => value === before[index]);
    mask.restore(edits, "after");
    const redone = mask.data.every((value, index) => value === after[index]);
    return { bytes: [...after], undone, redone };
}
"""

SIDE = 48
points = st.tuples(st.integers(0, SIDE), st.integers(0, SIDE))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(_PROGRAM, tmp_path_factory.mktemp("node"))
    yield node
    node.close()


def test_the_committed_page_is_what_the_sources_give(tmp_path: Path) -> None:
    have_packages()
    built = build_web.build(tmp_path / "built")
    names = {path.relative_to(tmp_path / "built") for path in built}
    committed = {path.relative_to(build_web.BUNDLE) for path in build_web.BUNDLE.rglob("*") if path.is_file()}
    assert names == committed, "run: make web"
    for name in names:
        same = (tmp_path / "built" / name).read_bytes() == (build_web.BUNDLE / name).read_bytes()
        assert same, f"{name} is not what web/ gives: run: make web"


def test_every_package_is_pinned() -> None:
    package = json.loads((build_web.WEB / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((build_web.WEB / "package-lock.json").read_text())["packages"]
    assert all(locked[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert all("integrity" in each for name, each in locked.items() if name)


def test_the_page_names_no_other_host() -> None:
    # Names of XML formats are no addresses that are asked for.
    known = {"http://www.w3.org/2000/svg"}
    for path in build_web.BUNDLE.rglob("*"):
        if path.suffix in {".js", ".css", ".html", ".svg"}:
            found = set(re.findall(r"(?:https?|wss?)://[\w./]+", path.read_text(encoding="utf-8")))
            assert found <= known, path.name


@settings(max_examples=60)
@given(
    width=st.integers(300, 2600),
    height=st.integers(300, 2600),
    holes=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 120), st.integers(1, 120)),
        min_size=1,
        max_size=8,
    ),
    grow=st.none() | st.integers(0, 40),
    feather=st.none() | st.integers(0, 40),
    context=st.sampled_from(["auto", "whole", 0, 32, 200, 1024]),
    source=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 120), st.integers(1, 120)),
)
def test_the_same_windows_are_planned_as_by_every_client(
    node: Node,
    width: int,
    height: int,
    holes: list[tuple[float, float, int, int]],
    grow: int | None,
    feather: int | None,
    context: Any,
    source: tuple[float, float, int, int] | None,
) -> None:
    canvas = Rect(0, 0, width, height)
    mask, copied = (np.zeros((height, width), np.uint8) for _ in range(2))
    for rects, marked in ((holes, mask), ([] if source is None else [source], copied)):
        for x, y, wide, tall in rects:
            left, top = int(x * (width - 1)), int(y * (height - 1))
            marked[top : top + tall, left : left + wide] = 255

    def reader(values: NDArray[np.uint8]) -> selection.ReadMask:
        return lambda rect: values[rect.y : rect.bottom, rect.x : rect.right].tobytes()

    pieces = selection.plan(
        canvas,
        canvas,
        reader(mask),
        grow=grow,
        feather=feather,
        context=context,
        source=None if source is None else selection.Source(canvas, reader(copied)).within(canvas),
    )
    # Only what is marked goes over the pipe.
    question = {
        "type": "plan",
        "width": width,
        "height": height,
        "sizes": declaration()["geometry"],
        "options": {"grow": grow, "feather": feather, "context": context},
    }
    sent = None if source is None else mask_bytes(copied)
    got = node({**question, "bytes": mask_bytes(mask), "source": sent})
    assert got == [
        {"window": rect_fields(piece.window), "written": rect_fields(piece.written)} for piece in pieces
    ]


def mask_bytes(mask: NDArray[np.uint8]) -> list[int]:
    """The rows down to the last one that is marked."""
    rows, _columns = np.nonzero(mask)
    numbers: list[int] = mask[: int(rows.max()) + 1].ravel().tolist()
    return numbers


def rect_fields(rect: Rect) -> dict[str, int]:
    return {"x": rect.x, "y": rect.y, "width": rect.width, "height": rect.height}


@given(data=st.binary(min_size=1, max_size=400), repeat=st.integers(1, 200))
def test_packed_masks_come_back(node: Node, data: bytes, repeat: int) -> None:
    values = [each for each in data for _ in range(repeat)]
    got = node({"type": "pack", "width": len(values), "height": 1, "bytes": values})
    assert got["bytes"] == values
    assert got["size"] <= 4 * len(data)


def changed(node: Node, *changes: list[Any], mask: Any = None) -> np.ndarray:
    question: dict[str, Any] = {"type": "change", "width": SIDE, "height": SIDE, "changes": changes}
    if mask is not None:
        question["bytes"] = mask.ravel().tolist()
    got = node(question)
    assert got["undone"]
    assert got["redone"]
    return np.array(got["bytes"], np.uint8).reshape(SIDE, SIDE)


@given(outline=st.lists(points, min_size=3, max_size=9))
def test_a_lasso_marks_what_it_encloses(node: Node, outline: list[tuple[int, int]]) -> None:
    got = changed(node, ["polygon", [{"x": x, "y": y} for x, y in outline], 255]) > 0
    # Four times as large, so that the middle of a pixel is inside or outside by more than rounding.
    image = Image.new("1", (SIDE * 8, SIDE * 8))
    ImageDraw.Draw(image).polygon([(x * 8, y * 8) for x, y in outline], fill=1)
    # Pillow fills all that an outline goes around; the even-odd rule leaves out what it crosses twice.
    wanted = np.asarray(image)[4::8, 4::8]
    near = ndimage.binary_dilation(edges_of(outline), iterations=2)
    assert not (got & ~wanted & ~near).any()


def edges_of(outline: list[tuple[int, int]]) -> np.ndarray:
    image = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(image).line([*outline, outline[0]], fill=1)
    return np.asarray(image)


@given(one=points, other=points, radius=st.floats(0.5, 12))
def test_a_stroke_is_round(node: Node, one: tuple[int, int], other: tuple[int, int], radius: float) -> None:
    ends = [{"x": x, "y": y} for x, y in (one, other)]
    got = changed(node, ["stroke", *ends, radius, 255]) > 0
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    (x1, y1), (x2, y2) = one, other
    length = (x2 - x1) ** 2 + (y2 - y1) ** 2
    along = ((columns - x1) * (x2 - x1) + (rows - y1) * (y2 - y1)) / max(length, 1)
    along = along.clip(0, 1)
    distance = np.hypot(columns - x1 - along * (x2 - x1), rows - y1 - along * (y2 - y1))
    sure = np.abs(distance - radius) > 1e-6
    assert (got == (distance <= radius))[sure].all()


@given(seed=st.integers(0, 10_000), pixels=st.integers(1, 9))
def test_growing_and_shrinking_are_exact(node: Node, seed: int, pixels: int) -> None:
    mask = (np.random.default_rng(seed).random((SIDE, SIDE)) < 0.02).astype(np.uint8) * 255
    mask[20:32, 10:30] = 255
    distance = ndimage.distance_transform_edt(mask == 0)
    assert ((changed(node, ["grow", pixels], mask=mask) > 0) == (distance <= pixels)).all()
    inside = ndimage.distance_transform_edt(mask > 0)
    shrunk = changed(node, ["grow", -pixels], mask=mask) > 0
    assert (shrunk == (inside > pixels)).all()


@given(seed=st.integers(0, 10_000))
def test_invert_and_clear_are_undone(node: Node, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    assert (changed(node, ["invert"], mask=mask) == 255 - mask).all()
    assert not changed(node, ["clear"], mask=mask).any()
    assert (changed(node, ["invert"], ["invert"], mask=mask) == mask).all()
