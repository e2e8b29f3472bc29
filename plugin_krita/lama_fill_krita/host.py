"""All of the plug-in that is Krita: documents and nodes as `document` has them, the docker, the actions.

Everything here is called on the main thread. Krita's Python objects stay when the document that they stand
for is closed, and then answer with zeros and empty strings instead of an error. So ask first whether a
document is open.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence

import krita
from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from lama_core.client.geometry import Rect
from lama_core.client.plugin.alpha import alpha_bytes
from lama_core.client.plugin.texts import _
from lama_core.client.selection import ReadMask
from lama_fill_krita import languages, qt, template
from lama_fill_krita.color_space import Space
from lama_fill_krita.controller import Controller
from lama_fill_krita.document import CopyStrokes, Document, Hole
from lama_fill_krita.nodes import Node, RefusalError
from lama_fill_krita.server_thread import ServerThread

NAME = "LaMa Fill"
GROUP = "lamaFill"
LAYERS = {"erase": "lama_fill/marker", "copy": "lama_fill/copy", "never": "lama_fill/never"}
"""The annotation of a document that has the key of its layer for strokes, by their kind."""
LABELS = {"copy": 2, "never": 6}
"""Krita's numbers of the colours that layers are labelled with: green and red."""
MESSAGE_MILLISECONDS = 4000
RESOLUTION = 72.0


class KritaDocument:
    """A `document.Document`."""

    def __init__(self, document: krita.Document) -> None:
        self._document = document

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KritaDocument) and self._document == other._document

    __hash__ = None  # type: ignore[assignment]  # Krita's objects have none

    def is_open(self) -> bool:
        return any(document == self._document for document in Krita.instance().documents())

    def size(self) -> tuple[int, int]:
        return self._document.width(), self._document.height()

    def space(self) -> Space:
        return _space(self._document)

    def is_busy(self) -> bool:
        if not self._document.tryBarrierLock():
            return True
        self._document.unlock()
        return False

    # Nodes.

    def active_node(self) -> Node | None:
        found = self._document.activeNode()
        return None if found is None else self._described(found)

    def node(self, key: str) -> Node | None:
        found = self._find(key)
        return None if found is None else self._described(found)

    def node_below(self, key: str) -> Node | None:
        found = self._find(key)
        parent = None if found is None else found.parentNode()
        if parent is None:
            return None
        below = None
        for sibling in parent.childNodes():
            if _key(sibling) == key:
                break
            if not sibling.type().endswith("mask"):
                below = sibling
        return None if below is None else self._described(below)

    def activate(self, key: str) -> None:
        self._document.setActiveNode(self._found(key))

    def show(self, key: str, visible: bool) -> None:
        self._found(key).setVisible(visible)
        self.refresh()

    def clear(self, key: str) -> None:
        node = self._found(key)
        bounds = node.bounds()
        if not bounds.isEmpty():
            size = bounds.width() * bounds.height() * _space(node).pixel_bytes
            node.setPixelData(bytes(size), bounds.x(), bounds.y(), bounds.width(), bounds.height())
            self.refresh()

    def refresh(self) -> None:
        self._document.refreshProjection()
        self._document.waitForDone()

    def _described(self, node: krita.Node) -> Node:
        parent = node.parentNode()
        # The root, which the artist never sees, is the node that has no parent.
        if parent is not None and parent.parentNode() is None:
            parent = None
        kind = node.type()
        return Node(
            key=_key(node),
            name=node.name(),
            kind=kind,
            # Asking a mask for its colour space ends Krita 5.1.
            space=Space("A", "U8", "") if kind.endswith("mask") else _space(node),
            is_pass_through=kind == "grouplayer" and node.passThroughMode(),
            parent=None if parent is None else self._described(parent),
        )

    def _find(self, key: str) -> krita.Node | None:
        return next((node for node in _tree(self._document.rootNode()) if _key(node) == key), None)

    def _found(self, key: str) -> krita.Node:
        found = self._find(key)
        if found is None:
            raise RefusalError(_("The layer is gone."))
        return found

    # Holes.

    def selection(self) -> Hole | None:
        selection = self._document.selection()
        if selection is None or selection.width() <= 0 or selection.height() <= 0:
            return None
        bounds = Rect(selection.x(), selection.y(), selection.width(), selection.height())

        def read(rect: Rect) -> bytes:
            return bytes(selection.pixelData(rect.x, rect.y, rect.width, rect.height))

        return self._clipped(Hole(bounds, read))

    def strokes(self) -> Hole | None:
        found = self._stroke_layer("erase")
        if found is None or found.bounds().isEmpty():
            return None
        return self._clipped(Hole(_bounds(found), _painted(found), marker=_key(found)))

    def copy_strokes(self) -> list[CopyStrokes]:
        found = {kind: self._stroke_layer(kind) for kind in ("copy", "never")}
        return [
            CopyStrokes(_key(layer), layer.name(), kind == "copy", _bounds(layer), _painted(layer))
            for kind, layer in found.items()
            if layer is not None and layer.visible() and not layer.bounds().isEmpty()
        ]

    def stroke_layers(self) -> set[str]:
        return {key for kind in LAYERS if (key := self._stroke_key(kind))}

    def _clipped(self, hole: Hole) -> Hole:
        return Hole(hole.bounds.clipped(Rect(0, 0, *self.size())), hole.read, hole.marker)

    def _stroke_key(self, kind: str) -> str:
        return bytes(self._document.annotation(LAYERS[kind])).decode("ascii", "replace")

    def _stroke_layer(self, kind: str) -> krita.Node | None:
        key = self._stroke_key(kind)
        return self._find(key) if key else None

    def make_stroke_layer(self, kind: str, name: str) -> None:
        """Make the layer for strokes above the active one, unless there is one, and choose it."""
        layer = self._stroke_layer(kind)
        if layer is None:
            active = self._document.activeNode()
            while active is not None and active.type().endswith("mask"):
                active = active.parentNode()
            parent = active.parentNode() if active is not None else None
            if parent is None:
                active, parent = None, self._document.rootNode()
            layer = self._document.createNode(name, "paintlayer")
            # Half, so that what is painted over can be seen.
            layer.setOpacity(128)
            layer.setColorLabel(LABELS.get(kind, 0))
            parent.addChildNode(layer, active)
            self._document.setAnnotation(LAYERS[kind], NAME, _key(layer).encode("ascii"))
        elif not layer.visible():
            self.show(_key(layer), True)
        self._document.setActiveNode(layer)

    # Pixels.

    def read(self, node: str | None, rect: Rect) -> bytes:
        place = (rect.x, rect.y, rect.width, rect.height)
        if node is None:
            return bytes(self._document.pixelData(*place))
        return bytes(self._found(node).projectionPixelData(*place))

    def colors(self, points: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        rows: dict[int, list[int]] = {}
        for x, y in points:
            rows.setdefault(y, []).append(x)
        size, found = self.space().pixel_bytes, {}
        # A row costs about as much as a pixel of it.
        for y, columns in rows.items():
            left = min(columns)
            row = bytes(self._document.pixelData(left, y, max(columns) + 1 - left, 1))
            for x in columns:
                begin = (x - left) * size
                found[x, y] = row[begin : begin + size]
        return found

    def convert(self, data: bytes, width: int, height: int, source: Space, target: Space) -> bytes:
        with _temporary(
            Krita.instance().createDocument(
                width, height, "", source.model, source.depth, source.profile, RESOLUTION
            )
        ) as document:
            node = document.topLevelNodes()[0]
            node.setPixelData(data, 0, 0, width, height)
            _convert(document, target)
            return bytes(node.pixelData(0, 0, width, height))

    def new_layer(self, name: str, *, with_mask: bool, times: Sequence[int]) -> PlainLayer | TemplateLayer:
        if not with_mask and not times:
            return PlainLayer(self, name)
        return TemplateLayer(self, name, with_mask=with_mask, times=times)

    def create(self, name: str) -> krita.Node:
        return self._document.createNode(name, "paintlayer")

    def add(self, node: krita.Node, above: str) -> None:
        below = self._found(above)
        parent = below.parentNode()
        if parent is None:
            raise RefusalError(_("The layer is gone."))
        parent.addChildNode(node, below)

    # Time.

    def is_animated(self) -> bool:
        return any(node.animated() for node in _tree(self._document.rootNode()))

    def time(self) -> int:
        return self._document.currentTime()

    def set_time(self, time: int) -> None:
        self._document.setCurrentTime(time)
        self._document.waitForDone()
        # The projection of the frame before may still be there.
        self.refresh()

    def playback(self) -> tuple[int, int]:
        return self._document.playBackStartTime(), self._document.playBackEndTime()


class PlainLayer:
    """A `document.Layer` as Krita makes it."""

    def __init__(self, document: KritaDocument, name: str) -> None:
        self._document = document
        self._node = document.create(name)

    def write(self, time: int | None, rect: Rect, data: bytes) -> None:
        self._node.setPixelData(data, rect.x, rect.y, rect.width, rect.height)

    def write_mask(self, rect: Rect, data: bytes) -> None:
        raise NotImplementedError("a plain layer has no mask")

    def add(self, above: str) -> None:
        self._document.add(self._node, above)

    def close(self) -> None:
        del self._node


class TemplateLayer:
    """A `document.Layer` with a transparency mask or with frames: see `template`."""

    def __init__(self, document: KritaDocument, name: str, *, with_mask: bool, times: Sequence[int]) -> None:
        self._document = document
        self._template = _open(template.document(*document.size(), with_mask=with_mask, times=times))
        self._layer = self._template.topLevelNodes()[0]
        self._layer.setName(name)
        self._mask = self._layer.childNodes()[0] if with_mask else None
        if self._mask is not None:
            self._mask.setName(_("Edge"))
        _convert(self._template, document.space())

    def write(self, time: int | None, rect: Rect, data: bytes) -> None:
        if time is not None and self._template.currentTime() != time:
            self._template.setCurrentTime(time)
            self._template.waitForDone()
        self._layer.setPixelData(data, rect.x, rect.y, rect.width, rect.height)

    def write_mask(self, rect: Rect, data: bytes) -> None:
        assert self._mask is not None
        self._mask.setPixelData(data, rect.x, rect.y, rect.width, rect.height)

    def add(self, above: str) -> None:
        self._document.add(self._layer.clone(), above)
        # Krita draws what was cloned from another document wrong at first, and its surroundings not at all.
        self._document.refresh()

    def close(self) -> None:
        # Before its document: a node that outlives its document ends Krita.
        del self._layer, self._mask
        self._template.setModified(False)
        self._template.close()


class KritaEditor:
    """A `controller.Editor`."""

    def document(self) -> KritaDocument | None:
        found = Krita.instance().activeDocument()
        return None if found is None else KritaDocument(found)

    def tell(self, text: str) -> None:
        window = Krita.instance().activeWindow()
        view = None if window is None else window.activeView()
        if view is not None and view.document() is not None:
            view.showFloatingMessage(
                text, Krita.instance().icon("dialog-information"), MESSAGE_MILLISECONDS, 1
            )

    def remembered(self) -> str:
        return Krita.instance().readSetting(GROUP, "options", "")

    def remember(self, text: str) -> None:
        Krita.instance().writeSetting(GROUP, "options", text)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        qt.later(seconds, call)

    def paint_strokes(self, document: Document, kind: str, name: str) -> None:
        assert isinstance(document, KritaDocument)
        document.make_stroke_layer(kind, name)
        brush = Krita.instance().action("KritaShape/KisToolBrush")
        if brush is not None:
            brush.trigger()

    def failed(self, error: BaseException) -> None:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)


class LamaFillDocker(DockWidget):
    """The docker, one for each of Krita's windows."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle(NAME)
        self.setWidget(qt.Panel(controller()))

    def canvasChanged(self, canvas: krita.Canvas) -> None:  # noqa: N802 - Krita's name
        """Nothing to do: what is active is asked for when it is needed."""


class LamaFillExtension(Extension):
    """The plug-in's actions, in the menu of each of Krita's windows."""

    def setup(self) -> None:
        """Krita calls this once; there is nothing to do before there is a window."""

    def createActions(self, window: krita.Window) -> None:  # noqa: N802 - Krita's name
        for name, text, call in (
            ("lama_fill", NAME, controller().fill),
            ("lama_fill_again", _("LaMa Fill Again"), controller().fill_again),
        ):
            action = window.createAction(name, text, "tools/scripts")
            action.triggered.connect(_called(call))


_controller: list[Controller] = []
_invoker: list[qt.MainThreadInvoker] = []


def controller() -> Controller:
    """The one that all dockers and actions share."""
    if not _controller:
        _invoker.append(qt.MainThreadInvoker())
        _controller.append(Controller(KritaEditor(), ServerThread(_invoker[0].invoke)))
    return _controller[0]


def register() -> None:
    """Tell Krita what the plug-in has. Called when Krita loads it."""
    chosen = os.environ.get("LANGUAGE", "")
    languages.use_languages([*filter(None, chosen.split(":")), *qt.languages()])
    application = Krita.instance()
    application.addExtension(LamaFillExtension(application))
    application.addDockWidgetFactory(
        DockWidgetFactory("lamaFillDocker", DockWidgetFactoryBase.DockRight, LamaFillDocker)
    )


def _called(call: Callable[[], None]) -> Callable[[], None]:
    # Qt would pass whether the action is checked.
    return lambda: call()  # noqa: PLW0108


def _space(of: krita.Document | krita.Node) -> Space:
    """Of a document or a node."""
    return Space(of.colorModel(), of.colorDepth(), of.colorProfile())


def _bounds(node: krita.Node) -> Rect:
    bounds = node.bounds()
    return Rect(bounds.x(), bounds.y(), bounds.width(), bounds.height())


def _painted(node: krita.Node) -> ReadMask:
    """What reads where a layer has paint."""
    space = _space(node)
    return lambda rect: _alpha(node, rect, space)


def _alpha(node: krita.Node, rect: Rect, space: Space) -> bytes:
    """The alpha of a part of a node, one byte for each pixel."""
    data = bytes(node.pixelData(rect.x, rect.y, rect.width, rect.height))
    return alpha_bytes(data, space.pixel_bytes, space.wire_depth)


def _key(node: krita.Node) -> str:
    return node.uniqueId().toString()


def _tree(node: krita.Node) -> Iterator[krita.Node]:
    """Everything below a node."""
    for child in node.childNodes():
        yield child
        yield from _tree(child)


def _convert(document: krita.Document, target: Space) -> None:
    if _space(document) == target:
        return
    if not document.setColorSpace(target.model, target.depth, target.profile):
        raise RefusalError(
            _("Krita cannot convert to {model} {depth}: convert the picture to RGB.").format(
                model=target.model, depth=target.depth
            )
        )
    document.waitForDone()


def _open(content: bytes) -> krita.Document:
    """A document from a temporary file."""
    application = Krita.instance()
    handle, path = tempfile.mkstemp(prefix="lama-fill-", suffix=".kra")
    was = application.batchmode()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        application.setBatchmode(True)
        document = application.openDocument(path)
    finally:
        application.setBatchmode(was)
        os.unlink(path)
    if document is None:
        raise RefusalError(_("Krita could not make the layer: choose “New layer” as the output."))
    return document


@contextlib.contextmanager
def _temporary(document: krita.Document) -> Iterator[krita.Document]:
    try:
        yield document
    finally:
        document.setModified(False)
        document.close()
