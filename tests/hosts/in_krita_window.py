"""Runs in Krita's window: clicks the docker's buttons, and says what came of it.

The generators are scenarios of `test_krita_window.py`; the probe runs them one after the other in one Krita.
What they yield is waited for, what they return is judged there.
"""

import json
import os
import random
import sys
import time

from krita import Krita, Selection

if "PyQt6.QtCore" in sys.modules:
    from PyQt6.QtCore import QTimer
    from PyQt6.QtWidgets import (
        QComboBox,
        QDockWidget,
        QLabel,
        QMenu,
        QProgressBar,
        QPushButton,
        QSpinBox,
        QWidget,
    )
else:
    from PyQt5.QtCore import QTimer
    from PyQt5.QtWidgets import (
        QComboBox,
        QDockWidget,
        QLabel,
        QMenu,
        QProgressBar,
        QPushButton,
        QSpinBox,
        QWidget,
    )

WIDTH, HEIGHT = 300, 200
HOLE = (120, 80, 40, 30)


def open_document(name="picture", width=WIDTH, height=HEIGHT, model="RGBA", depth="U8"):
    """A document of noise in the window. It has an active node a moment later."""
    document = Krita.instance().createDocument(width, height, name, model, depth, "", 72.0)
    document.setBatchmode(True)
    layer = document.topLevelNodes()[0]
    numbers = random.Random(3)
    row = bytearray(numbers.randbytes(4 * width))
    row[3::4] = b"\xff" * width
    layer.setPixelData(bytes(row) * height, 0, 0, width, height)
    document.refreshProjection()
    Krita.instance().activeWindow().addView(document)
    return document


def close(document):
    document.setModified(False)
    document.close()


def select(document, rect=HOLE):
    selection = Selection()
    selection.select(*rect, 255)
    document.setSelection(selection)


def docker():
    return Krita.instance().activeWindow().qwindow().findChild(QDockWidget, "lamaFillDocker")


def part(kind, name):
    return docker().findChild(kind, name)


def button():
    return part(QPushButton, "lamaFillButton")


def message():
    return part(QLabel, "lamaFillMessage").text()


def is_running():
    return part(QProgressBar, "lamaFillProgress").isVisible()


def choose(name, value):
    box = part(QComboBox, name)
    index = box.findData(value)
    box.setCurrentIndex(index)
    box.activated.emit(index)


def set_pixels(name, value):
    part(QSpinBox, name).setValue(value)


def menu_action(name):
    return next(
        action
        for menu in docker().findChildren(QMenu)
        for action in menu.actions()
        if action.objectName() == name
    )


def names(nodes):
    return [node.name() for node in nodes if not node.type().endswith("mask")]


def everything(document):
    document.waitForDone()
    return bytes(document.pixelData(0, 0, document.width(), document.height()))


def changed(before, after, width=WIDTH, size=4):
    """The bounds of what differs: x, y, right, bottom; None when nothing does. `size`: bytes of a pixel."""
    where = [
        at // size for at in range(0, len(before), size) if before[at : at + size] != after[at : at + size]
    ]
    if not where:
        return None
    columns, rows = [at % width for at in where], [at // width for at in where]
    return [min(columns), min(rows), max(columns) + 1, max(rows) + 1]


def prepare():
    """The docker as an artist opens it: with the exact options that the other scenarios expect."""
    found = docker()
    found.setVisible(True)
    found.setFloating(True)
    found.resize(260, 460)
    found.raise_()
    for name, value in (("lamaFillContext", "whole"), ("lamaFillQuality", "fast")):
        choose(name, value)
    for name in ("lamaFillGrow", "lamaFillFeather"):
        set_pixels(name, 0)
    choose("lamaFillInput", "visible")
    choose("lamaFillOutput", "layer")


def ready(document):
    return lambda: document.activeNode() is not None


def one_fill():
    """The docker is shown, a real click, one new layer above the active one, the selection stays, undo."""
    document = open_document()
    yield ready(document)
    prepare()
    yield lambda: button().isVisible()
    select(document)
    before = everything(document)
    mask = bytes(document.selection().pixelData(0, 0, WIDTH, HEIGHT))
    yield lambda: "ready" in part(QLabel, "lamaFillStatus").accessibleName()
    status = part(QLabel, "lamaFillStatus").accessibleName()
    button().click()
    ran = is_running()
    yield lambda: not is_running()
    said = message()
    after = everything(document)
    layer = document.nodeByName("LaMa Fill")
    answer = {
        "status": status,
        "ran": ran,
        "said": said,
        "changed": changed(before, after),
        "layers": names(document.topLevelNodes()),
        "layer": [layer.bounds().x(), layer.bounds().y(), layer.bounds().width(), layer.bounds().height()],
        "selection kept": bytes(document.selection().pixelData(0, 0, WIDTH, HEIGHT)) == mask,
    }
    yield 0.5
    answer["active"] = document.activeNode().name()
    undo = Krita.instance().action("edit_undo")
    undo.trigger()
    yield 0.3
    answer["undone"] = names(document.topLevelNodes())
    answer["as before"] = everything(document) == before
    Krita.instance().action("edit_redo").trigger()
    yield 0.3
    answer["redone"] = names(document.topLevelNodes())
    close(document)
    return answer


def masked_fill():
    """A layer with a transparency mask is one step of undo too."""
    document = open_document()
    yield ready(document)
    prepare()
    choose("lamaFillOutput", "mask")
    select(document)
    before = everything(document)
    button().click()
    yield lambda: not is_running()
    after = everything(document)
    layer = document.nodeByName("LaMa Fill")
    answer = {
        "said": message(),
        "changed": changed(before, after),
        "masks": [mask.type() for mask in layer.childNodes()],
    }
    yield 0.5
    Krita.instance().action("edit_undo").trigger()
    yield 0.3
    answer["undone"] = names(document.topLevelNodes())
    answer["as before"] = everything(document) == before
    close(document)
    return answer


def nothing_to_do():
    """No selection, no document: a message says what to do, and nothing changes."""
    prepare()
    document = open_document()
    yield ready(document)
    button().click()
    yield 0.2
    without_selection = message()
    layers = names(document.topLevelNodes())
    close(document)
    yield 0.5
    button().click()
    yield 0.2
    return {"without selection": without_selection, "layers": layers, "still there": button().isEnabled()}


def colour_models():
    """Most of them cannot be sent as they are: Krita converts them in documents that are closed at once."""
    answers = {}
    for model, depth, profile, output in (
        ("CMYKA", "U8", "", "layer"),
        ("CMYKA", "U8", "", "mask"),
        ("LABA", "U16", "", "layer"),
        ("XYZA", "F16", "", "mask"),
        ("RGBA", "F32", "sRGB-elle-V2-g10.icc", "layer"),
    ):
        document = open_document()
        yield ready(document)
        document.setColorSpace(model, depth, profile)
        document.waitForDone()
        prepare()
        choose("lamaFillOutput", output)
        select(document)
        before = everything(document)
        button().click()
        yield lambda: not is_running()
        # Whatever Krita has to do with those documents, it does it now.
        yield 0.6
        answers[f"{model} {depth} {output}"] = {
            "said": message(),
            "changed": changed(before, everything(document), size=len(before) // (WIDTH * HEIGHT)),
            "layers": names(document.topLevelNodes()),
        }
        close(document)
        yield 0.3
    return answers


def by_shortcut():
    """The actions under Tools > Scripts, and the last hole again."""
    document = open_document()
    yield ready(document)
    prepare()
    select(document)
    krita = Krita.instance()
    answer = {"said": []}
    for action in ("lama_fill", "lama_fill_again", "deselect", "lama_fill_again", "lama_fill"):
        if action == "lama_fill" and answer["said"]:
            select(document)
        krita.action(action).trigger()
        yield 0.1
        yield lambda: not is_running()
        yield 0.3
        if action != "deselect":
            answer["said"].append(message())
            answer.setdefault("layers", []).append(len(names(document.topLevelNodes())))
    close(document)
    return answer


def from_the_active_layer():
    """The active layer stays the active one when it is what fills are made from."""
    document = open_document()
    yield ready(document)
    prepare()
    choose("lamaFillInput", "layer")
    select(document)
    button().click()
    yield lambda: not is_running()
    yield 1.0
    answer = {
        "said": message(),
        "layers": names(document.topLevelNodes()),
        "active": document.activeNode().name(),
    }
    close(document)
    return answer


def cancelled():
    """A click on Cancel: at once, and nothing of the picture has changed."""
    document = open_document()
    yield ready(document)
    prepare()
    choose("lamaFillQuality", "best")
    select(document)
    before = everything(document)
    button().click()
    bar = part(QProgressBar, "lamaFillProgress")
    yield lambda: bar.value() > 100
    begun = time.monotonic()
    part(QPushButton, "lamaFillCancel").click()
    answer = {"said": message(), "seconds": time.monotonic() - begun, "runs": is_running()}
    yield 5.0
    answer["layers"] = names(document.topLevelNodes())
    answer["as before"] = everything(document) == before
    # And the next one works.
    choose("lamaFillQuality", "fast")
    button().click()
    yield lambda: not is_running()
    answer["next"] = names(document.topLevelNodes())
    close(document)
    return answer


def closed_meanwhile():
    document, other = open_document("closed"), None
    yield ready(document)
    prepare()
    choose("lamaFillQuality", "balanced")
    select(document)
    button().click()
    yield 0.5
    close(document)
    yield 0.3
    other = open_document("other")
    yield ready(other)
    yield lambda: not is_running()
    answer = {"said": message(), "other": names(other.topLevelNodes())}
    close(other)
    return answer


def resized_meanwhile():
    document = open_document()
    yield ready(document)
    prepare()
    choose("lamaFillQuality", "balanced")
    select(document)
    button().click()
    yield 0.5
    document.resizeImage(0, 0, WIDTH + 50, HEIGHT)
    yield lambda: not is_running()
    answer = {"said": message(), "layers": names(document.topLevelNodes())}
    close(document)
    return answer


def turned_meanwhile():
    """Half a turn and a mirror keep the size; painting is neither."""
    answers = {}
    for action in ("rotateImage180", "mirrorImageHorizontal", "mirrorImageVertical", None):
        document = open_document()
        yield ready(document)
        layer = document.topLevelNodes()[0]
        # The noise has the same rows all over, so that it looks the same upside down.
        layer.setPixelData(b"\x20\x40\x60\xff" * 400, 100, 90, 40, 10)
        document.refreshProjection()
        prepare()
        choose("lamaFillQuality", "balanced")
        select(document)
        button().click()
        yield 0.5
        before = everything(document)
        if action is None:
            layer.setPixelData(b"\x80\x10\x10\xff" * 15000, 0, 0, 150, 100)
            document.refreshProjection()
        else:
            Krita.instance().action(action).trigger()
        yield lambda: not is_running()
        answers[action or "painted"] = {
            "said": message(),
            "layers": names(document.topLevelNodes()),
            "changed": everything(document) != before,
        }
        close(document)
        yield 0.3
    return answers


def node_deleted_meanwhile():
    document = open_document()
    yield ready(document)
    node = document.createNode("short-lived", "paintlayer")
    document.rootNode().addChildNode(node, document.topLevelNodes()[0])
    document.setActiveNode(node)
    yield 0.5
    prepare()
    choose("lamaFillQuality", "balanced")
    select(document)
    button().click()
    yield 0.5
    node.remove()
    yield lambda: not is_running()
    answer = {"said": message(), "layers": names(document.topLevelNodes())}
    close(document)
    return answer


def two_documents():
    """The fill goes into the document that it was begun in, not into the one in front."""
    first = open_document("first")
    yield ready(first)
    prepare()
    choose("lamaFillQuality", "balanced")
    select(first)
    button().click()
    yield 0.5
    second = open_document("second", 200, 150)
    yield ready(second)
    yield lambda: not is_running()
    answer = {
        "said": message(),
        "first": names(first.topLevelNodes()),
        "second": names(second.topLevelNodes()),
    }
    close(second)
    close(first)
    return answer


def alive_meanwhile():
    """How long the main thread was not to be had while a large fill ran, in seconds, longest first.

    `gaps`: between two calls of a timer. `busy`: what the main thread computed between them, Krita's drawing
    included, which a busy machine does not add to. `idle`: as `gaps`, before the fill.
    """
    document = open_document("large", 2400, 1600)
    yield ready(document)
    yield 1.0
    prepare()
    choose("lamaFillQuality", "best")
    select(document, (900, 600, 300, 300))
    gaps, busy, last = [], [], [time.monotonic(), time.thread_time()]
    timer = QTimer()

    def tick():
        now = [time.monotonic(), time.thread_time()]
        gaps.append(now[0] - last[0])
        busy.append(now[1] - last[1])
        last[:] = now

    timer.timeout.connect(tick)
    timer.start(5)
    yield 1.0
    idle, gaps[:], busy[:] = sorted(gaps, reverse=True), [], []
    button().click()
    painted = 0
    begun = time.monotonic()
    while is_running():
        if time.monotonic() - begun > 1 and not painted:
            # The artist goes on meanwhile.
            document.topLevelNodes()[0].setPixelData(b"\x01\x02\x03\xff" * 100, 5, 5, 10, 10)
            painted = 1
        yield 0.02
    # Until Krita has drawn the new layer.
    yield 0.5
    timer.stop()
    gaps.sort(reverse=True)
    busy.sort(reverse=True)
    answer = {
        "said": message(),
        "idle": idle[:3],
        "idle middle": idle[len(idle) // 2],
        "gaps": gaps[:10],
        "middle": gaps[len(gaps) // 2],
        "busy": busy[:5],
        "seconds": time.monotonic() - begun,
        "painted": bytes(document.topLevelNodes()[0].pixelData(6, 6, 1, 1))[:3].hex(),
    }
    close(document)
    return answer


def erase_strokes():
    """What is painted on the marker is the hole; it is empty afterwards and never part of the picture."""
    document = open_document()
    yield ready(document)
    prepare()
    before = everything(document)
    menu_action("lamaFillStrokes").trigger()
    yield 0.5
    yield is_active(document, "LaMa Fill: paint over what is to be gone")
    marker = document.activeNode()
    answer = {"marker": marker.type(), "layers": names(document.topLevelNodes())}
    x, y, width, height = HOLE
    marker.setPixelData(b"\x00\x00\xff\xff" * (width * height), x, y, width, height)
    document.refreshProjection()
    button().click()
    yield lambda: not is_running()
    yield 0.3
    after = everything(document)
    layer = document.nodeByName("LaMa Fill")
    wanted = 0
    for row in range(height):
        for column in range(width):
            at = 4 * ((y + row) * WIDTH + WIDTH - 1 - x - column)
            wanted += after[4 * ((y + row) * WIDTH + x + column) :][:4] == before[at : at + 4]
    answer.update(
        said=message(),
        after=names(document.topLevelNodes()),
        changed=changed(before, after),
        marker_empty=marker.bounds().isEmpty() or not any(bytes(marker.pixelData(x, y, width, height))),
        mirrored=wanted == width * height,
        filled=layer is not None,
        visible=marker.visible(),
    )
    close(document)
    return answer


def is_active(document, name):
    """Whether a layer of that name is the active one by now. Ask after a moment."""

    def look():
        node = document.activeNode()
        return node is not None and node.name() == name

    return look


def painted(node, rect):
    """Paint over a rectangle of a layer, as a brush would."""
    x, y, width, height = rect
    node.setPixelData(b"\x00\xff\x00\xff" * (width * height), x, y, width, height)


def copy_strokes():
    """Strokes of both kinds limit what is copied, stay, and are never part of the picture."""
    document = open_document()
    yield ready(document)
    prepare()
    select(document)
    before = everything(document)
    answer = {"said": [], "kinds": []}
    # 60 x 50 pixels to copy from, of which the right third never. The mirror's fill is made from there.
    strokes = {
        "lamaFillCopy": ("LaMa Fill: copy from here", (145, 60, 60, 50)),
        "lamaFillNever": ("LaMa Fill: never copy from here", (185, 10, 60, 100)),
    }
    for name, (layer_name, rect) in strokes.items():
        menu_action(name).trigger()
        yield 0.5
        yield is_active(document, layer_name)
        layer = document.activeNode()
        answer["kinds"].append([layer.name(), layer.type(), layer.colorLabel(), layer.opacity()])
        painted(layer, rect)
        document.refreshProjection()
        button().click()
        yield lambda: not is_running()
        yield 0.3
        answer["said"].append(message())
    answer["layers"] = names(document.topLevelNodes())
    answer["painted"] = any(bytes(layer.pixelData(185, 10, 60, 100)))
    copy = document.nodeByName("LaMa Fill: copy from here")
    for node in (copy, layer):
        node.setVisible(False)
    document.refreshProjection()
    answer["changed"] = changed(before, everything(document))
    for rect in ((0, 0, WIDTH, HEIGHT), HOLE):
        # Hidden layers say nothing; of what is shown nothing is left, or nothing outside of the hole.
        button().click()
        yield lambda: not is_running()
        yield 0.3
        answer["said"].append(message())
        name = "lamaFillNever" if rect != HOLE else "lamaFillCopy"
        menu_action(name).trigger()
        yield 0.5
        yield is_active(document, strokes[name][0])
        node = document.activeNode()
        answer["shown again"] = node.visible()
        node.setPixelData(bytes(4 * WIDTH * HEIGHT), 0, 0, WIDTH, HEIGHT)
        painted(node, rect)
        document.refreshProjection()
        button().click()
        yield lambda: not is_running()
        answer["said"].append(message())
        node.setVisible(False)
        document.refreshProjection()
    # A node that outlives its document may end Krita.
    del copy, layer, node
    close(document)
    return answer


def animation():
    """The current frame alone, then every frame of the range that is played."""
    krita = Krita.instance()
    document = open_document("film")
    yield ready(document)
    prepare()
    base = document.topLevelNodes()[0]
    base.enableAnimation()
    document.setActiveNode(base)
    document.setPlayBackRange(0, 4)
    document.setFullClipRangeStartTime(0)
    document.setFullClipRangeEndTime(4)
    yield 0.3
    for frame, time_ in enumerate((0, 2, 4)):
        document.setCurrentTime(time_)
        document.waitForDone()
        yield 0.2
        krita.action("add_blank_frame").trigger()
        yield 0.3
        numbers = random.Random(frame)
        row = bytearray(numbers.randbytes(4 * WIDTH))
        row[3::4] = b"\xff" * WIDTH
        base.setPixelData(bytes(row) * HEIGHT, 0, 0, WIDTH, HEIGHT)
        document.refreshProjection()
    before = []
    for time_ in range(5):
        document.setCurrentTime(time_)
        before.append(everything(document))
    select(document)
    document.setCurrentTime(2)
    document.waitForDone()
    yield 0.3
    button().click()
    yield lambda: not is_running()
    answer = {"said": message(), "one": []}
    for time_ in range(5):
        document.setCurrentTime(time_)
        answer["one"].append(changed(before[time_], everything(document)))
    document.setCurrentTime(0)
    krita.action("edit_undo").trigger()
    yield 0.3
    node = document.nodeByName("LaMa Fill")
    if node is not None:
        node.remove()
    document.setActiveNode(base)
    document.setCurrentTime(1)
    document.waitForDone()
    yield 0.3
    menu_action("lamaFillFrames").trigger()
    yield lambda: not is_running()
    answer["said of all"] = message()
    answer["time kept"] = document.currentTime()
    answer["all"] = []
    for time_ in range(8):
        document.setCurrentTime(time_)
        document.waitForDone()
        layer = document.nodeByName("LaMa Fill")
        box = layer.bounds()
        now = everything(document)
        answer["all"].append(changed(before[time_], now) if time_ < 5 else [box.width(), box.height()])
    layer = document.nodeByName("LaMa Fill")
    answer["frames"] = [time_ for time_ in range(8) if layer.hasKeyframeAtTime(time_)]
    close(document)
    return answer


def server_killed():
    """The process is gone in the middle of a fill: a message, and the docker is as before."""
    document = open_document()
    yield ready(document)
    prepare()
    choose("lamaFillQuality", "best")
    select(document)
    button().click()
    bar = part(QProgressBar, "lamaFillProgress")
    yield lambda: bar.value() > 100
    with open(os.environ["PROBE_KILL"], "w", encoding="utf-8") as file:
        file.write("now")
    yield lambda: not is_running()
    answer = {"said": message(), "layers": names(document.topLevelNodes()), "enabled": button().isEnabled()}
    yield lambda: "not running" in part(QLabel, "lamaFillStatus").accessibleName()
    button().click()
    yield lambda: not is_running()
    answer["said then"] = message()
    close(document)
    return answer


def remembered_write():
    prepare()
    set_pixels("lamaFillGrow", 17)
    choose("lamaFillQuality", "best")
    yield 0.2
    return {}


def remembered_read():
    docker().setVisible(True)
    yield 0.2
    return {
        "grow": part(QSpinBox, "lamaFillGrow").value(),
        "quality": part(QComboBox, "lamaFillQuality").currentData(),
        "text": button().text(),
    }


def narrow():
    """The width that the docker needs, and what of it does not have the room that it needs."""
    prepare()
    for name in ("lamaFillGrow", "lamaFillFeather"):
        set_pixels(name, -1)
    found, panel = docker(), docker().widget()
    cut = {}
    for width in (found.minimumSizeHint().width(), 240, 400):
        found.resize(width, 460)
        yield 0.3
        room = panel.viewport().width()
        cut[found.width()] = [
            f"{part.objectName() or part.text()}: {part.width()} x {part.height()}"
            for part in [*panel.findChildren(QWidget), *panel.findChildren(QLabel)]
            if (part.objectName().startswith("lamaFill") or isinstance(part, QLabel))
            and part.isVisible()
            and (
                part.mapTo(panel.viewport(), part.rect().topRight()).x() >= room
                or part.width() < part.minimumSizeHint().width()
                or part.height() < part.minimumSizeHint().height()
            )
        ]
    if "PROBE_PICTURE" in os.environ:
        found.grab().save(os.environ["PROBE_PICTURE"])
    return {
        "minimum": panel.minimumSizeHint().width(),
        "em": panel.fontMetrics().height(),
        "cut": cut,
        "scale": found.devicePixelRatioF(),
    }


def fill_until_killed():
    """Fills of a picture file, one after the other; `$PROBE_PLACE/filled` grows by a byte for each."""
    place = os.environ["PROBE_PLACE"]
    document = Krita.instance().openDocument(os.path.join(place, "picture.png"))
    document.setBatchmode(True)
    Krita.instance().activeWindow().addView(document)
    yield ready(document)
    prepare()
    choose("lamaFillQuality", "balanced")
    yield lambda: button().isVisible()
    select(document)
    while True:
        button().click()
        write(os.path.join(place, "begun"), "")
        yield lambda: not is_running()
        with open(os.path.join(place, "filled"), "a", encoding="utf-8") as file:
            file.write("." if message().startswith("Filled in") else "x")


def fill_when_told():
    """A fill for each `$PROBE_PLACE/go`, whose words are the quality; what came of it is in `ended` there."""
    place = os.environ["PROBE_PLACE"]
    go, ended = (os.path.join(place, name) for name in ("go", "ended"))
    document = open_document()
    yield ready(document)
    prepare()
    yield lambda: button().isVisible()
    select(document)
    while True:
        for _ in range(1200):
            if os.path.exists(go):
                break
            yield 0.1
        else:
            return None
        with open(go, encoding="utf-8") as file:
            quality = file.read()
        os.unlink(go)
        if quality == "no more":
            return None
        choose("lamaFillQuality", quality)
        before = everything(document)
        button().click()
        write(os.path.join(place, "begun"), "")
        yield lambda: not is_running()
        yield 0.1
        layers = names(document.topLevelNodes())
        answer = {"said": message(), "layers": layers, "as before": everything(document) == before}
        if len(layers) > 1:
            Krita.instance().action("edit_undo").trigger()
            yield 0.2
            answer["undone"] = names(document.topLevelNodes()) == ["Background"]
        write(ended, json.dumps(answer))


def write(path, text):
    """A file that is whole from the first moment."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".part", path)
