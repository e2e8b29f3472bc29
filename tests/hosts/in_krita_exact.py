"""Runs in kritarunner: fills in every colour space, and says what came of it. There is no window.

The functions are called by `test_krita_exact.py`; what they return is judged there.
"""

import array
import faulthandler
import json
import os
import random
import struct
import sys
import traceback

from krita import Krita, Selection

if "PyQt6.QtCore" in sys.modules:
    from PyQt6.QtCore import QEventLoop, QTimer
else:
    from PyQt5.QtCore import QEventLoop, QTimer

WIDTH, HEIGHT = 160, 120
HOLE = (50, 40, 36, 28)


def __main__(arguments):
    faulthandler.enable()
    faulthandler.dump_traceback_later(360, exit=True)
    name = os.environ["PROBE_FUNCTION"]
    try:
        answer = globals()[name]()
    except Exception:  # noqa: BLE001 - the test shows it
        answer = {"failed": traceback.format_exc()}
    with open(os.environ["PROBE_ANSWERS"], "w", encoding="utf-8") as file:
        json.dump(answer, file)
    sys.stdout.flush()
    # Krita's own way out needs a window.
    os._exit(0)


def pause(seconds):
    """Krita's own work goes on meanwhile, as it does in its window.

    By `processEvents`, what is to be deleted later would never be, for there is no loop around it. Then the
    progress of a conversion in Krita 5.3 would outlive the layer that it is shown on, and end Krita. What an
    artist uses has its loop.
    """
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def picture(model, depth, profile):
    """A document with one layer of smooth colours and some noise."""
    document = Krita.instance().createDocument(
        WIDTH, HEIGHT, "picture", "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc", 72.0
    )
    numbers = random.Random(7)
    data = b"".join(
        bytes((x * 255 // WIDTH, y * 255 // HEIGHT, 60 + numbers.randrange(60), 255))
        for y in range(HEIGHT)
        for x in range(WIDTH)
    )
    layer = document.topLevelNodes()[0]
    layer.setPixelData(data, 0, 0, WIDTH, HEIGHT)
    document.setColorSpace(model, depth, profile)
    document.refreshProjection()
    document.waitForDone()
    return document


def select(document, rect=HOLE, feather=0):
    selection = Selection()
    selection.select(*rect, 255)
    if feather:
        selection.feather(feather)
    document.setSelection(selection)


def fill(document, active, **options):
    """What the plug-in does when its button is clicked: "" or what it told the artist."""
    from lama_fill_krita import filling, hole_plan, host, qt, server_thread, tasks
    from lama_fill_krita.controller import error_text
    from lama_fill_krita.options import Options

    class Headless(host.KritaDocument):
        """Without a window no node is active."""

        def active_node(self):
            return self.node(active.uniqueId().toString())

        def is_open(self):
            return True

    invoker = qt.MainThreadInvoker()
    opened = Headless(document)
    ends = []
    chosen = Options(**{"grow": 0, "feather": 0, "context": "whole", **options})
    server = server_thread.ServerThread(invoker.invoke)

    def work():
        yield from filling.fill(
            hole_plan.plan_hole(opened, chosen),
            server,
            lambda share, text: None,
            on_preview=lambda preview: None,
        )

    loop = QEventLoop()

    def finished(outcome, error):
        ends.append(error)
        loop.quit()

    QTimer.singleShot(60_000, loop.quit)
    tasks.Task(work(), qt.later, finished)
    loop.exec()
    document.waitForDone()
    document.refreshProjection()
    document.waitForDone()
    if not ends:
        return "it did not end"
    if ends[0] is not None:
        traceback.print_exception(type(ends[0]), ends[0], ends[0].__traceback__)
        return error_text(ends[0])
    return ""


def everything(document):
    return bytes(document.pixelData(0, 0, WIDTH, HEIGHT))


def pixel_of(data, x, y):
    size = len(data) // (WIDTH * HEIGHT)
    begin = (y * WIDTH + x) * size
    return data[begin : begin + size]


def samples(pixel, depth):
    if depth == "F16":
        return struct.unpack(f"<{len(pixel) // 2}e", pixel)
    return list(array.array({"U8": "B", "U16": "H", "F32": "f"}[depth], pixel))


def is_inside(x, y, rect=HOLE):
    return rect[0] <= x < rect[0] + rect[2] and rect[1] <= y < rect[1] + rect[3]


def spaces():
    """Every colour model and depth that Krita has for layers; gray and RGB in linear light, too."""
    krita = Krita.instance()
    for model in ("RGBA", "GRAYA", "CMYKA", "LABA", "XYZA", "YCbCrA"):
        for depth in sorted(krita.colorDepths(model)):
            profiles = {
                "RGBA": ["sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V2-g10.icc"],
                "GRAYA": ["Gray-D50-elle-V2-srgbtrc.icc", "Gray-D50-elle-V2-g10.icc"],
                # Those of version 2 of ICC clip what is dark, whatever one does.
                "YCbCrA": [name for name in krita.profiles(model, depth) if "V4" in name][:1],
            }.get(model, [""])
            for profile in profiles:
                yield model, depth, profile


def every_space():
    return {f"{model} {depth} {profile}": one(model, depth, profile) for model, depth, profile in spaces()}


def look(document):
    """How it looks: inks that mix to the same colour in another way are the same here."""
    seen = document.clone()
    seen.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    seen.waitForDone()
    seen.refreshProjection()
    seen.waitForDone()
    data = everything(seen)
    seen.setModified(False)
    seen.close()
    return data


def one(model, depth, profile, **options):
    document = picture(model, depth, profile)
    layer = document.topLevelNodes()[0]
    select(document)
    before, looked = everything(document), look(document)
    was = [document.colorModel(), document.colorDepth(), document.colorProfile()]
    said = fill(document, layer, **options)
    after, looks = everything(document), look(document)
    outside = inside = worst_look = 0
    worst = 0.0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            now = pixel_of(after, x, y)
            if not is_inside(x, y):
                outside += now != pixel_of(before, x, y)
                continue
            inside += now != pixel_of(before, x, y)
            wanted = pixel_of(before, WIDTH - 1 - x, y)
            scale = {"U8": 255, "U16": 65535}.get(depth, 100 if model in ("CMYKA", "LABA") else 1)
            for got, hoped in zip(samples(now, depth), samples(wanted, depth), strict=True):
                worst = max(worst, abs(got - hoped) / scale)
            for got, hoped in zip(pixel_of(looks, x, y), pixel_of(looked, WIDTH - 1 - x, y), strict=True):
                worst_look = max(worst_look, abs(got - hoped))
    answer = {
        "said": said,
        "outside": outside,
        "inside": inside,
        "worst": worst,
        "worst_look": worst_look,
        "space_kept": was == [document.colorModel(), document.colorDepth(), document.colorProfile()],
        "layers": [node.name() for node in document.topLevelNodes() if not node.type().endswith("mask")],
        "masks": [[mask.type() for mask in node.childNodes()] for node in document.topLevelNodes()],
    }
    document.setModified(False)
    document.close()
    return answer


def with_masks():
    return {
        f"{model} {depth}": one(model, depth, profile, output="mask")
        for model, depth, profile in (
            ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc"),
            ("RGBA", "F16", "sRGB-elle-V2-srgbtrc.icc"),
            ("CMYKA", "U8", ""),
            ("GRAYA", "U16", "Gray-D50-elle-V2-g10.icc"),
        )
    }


def soft_selection():
    """How much of the fill shows is what is selected."""
    document = picture("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    select(document, feather=6)
    mask = bytes(document.selection().pixelData(0, 0, WIDTH, HEIGHT))
    before = everything(document)
    said = fill(document, document.topLevelNodes()[0])
    after = everything(document)
    wrong = 0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            share = mask[y * WIDTH + x] / 255
            old, new = pixel_of(before, x, y), pixel_of(before, WIDTH - 1 - x, y)
            for channel, got in enumerate(pixel_of(after, x, y)):
                hoped = old[channel] + (new[channel] - old[channel]) * share
                wrong = max(wrong, abs(got - hoped))
    kept = bytes(document.selection().pixelData(0, 0, WIDTH, HEIGHT)) == mask
    return {"said": said, "wrong": wrong, "partly": sum(0 < value < 255 for value in mask), "kept": kept}


def kinds():
    """One fill of each kind of node, from the node itself: what was said, and where the layer went."""
    krita = Krita.instance()
    answers = {}
    for kind in (
        "paintlayer",
        "grouplayer",
        "pass through",
        "clonelayer",
        "filllayer",
        "vectorlayer",
        "filelayer",
        "filterlayer",
        "transparencymask",
        "filtermask",
        "transformmask",
    ):
        document = picture("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
        base = document.topLevelNodes()[0]
        node = make(krita, document, base, kind)
        select(document)
        # A fill layer paints itself some time after it was added.
        for _round in range(12):
            pause(0.05)
            document.refreshProjection()
            document.waitForDone()
        before = everything(document)
        said = fill(document, node, input="layer")
        after = everything(document)
        outside = sum(
            pixel_of(before, x, y) != pixel_of(after, x, y)
            for y in range(HEIGHT)
            for x in range(WIDTH)
            if not is_inside(x, y)
        )
        names = [found.name() for found in document.topLevelNodes() if not found.type().endswith("mask")]
        answers[kind] = {"said": said, "outside": outside, "names": names}
    return answers


def make(krita, document, base, kind):
    root = document.rootNode()
    base.setName("base")
    if kind == "paintlayer":
        return base
    if kind.endswith("mask"):
        mask = document.createNode("the mask", kind)
        if kind == "filtermask":
            mask = document.createFilterMask("the mask", krita.filter("invert"), base)
        base.addChildNode(mask, None)
        return mask
    if kind in ("grouplayer", "pass through"):
        node = document.createGroupLayer("the node")
        root.addChildNode(node, base)
        copy = base.duplicate()
        node.addChildNode(copy, None)
        node.setPassThroughMode(kind == "pass through")
        return node
    if kind == "filterlayer":
        selection = Selection()
        selection.select(0, 0, WIDTH, HEIGHT, 255)
        node = document.createFilterLayer("the node", krita.filter("invert"), selection)
    elif kind == "filllayer":
        from krita import InfoObject

        selection = Selection()
        selection.select(0, 0, WIDTH, HEIGHT, 255)
        node = document.createFillLayer("the node", "color", InfoObject(), selection)
    elif kind == "clonelayer":
        node = document.createCloneLayer("the node", base)
    elif kind == "vectorlayer":
        node = document.createVectorLayer("the node")
    else:
        path = os.path.join(os.environ["HOME"], "file.png")
        base_image = document.projection(0, 0, WIDTH, HEIGHT)
        base_image.save(path)
        node = (
            document.createFileLayer("the node", path, "None")
            if hasattr(document, "createFileLayer")
            else document.createNode("the node", "paintlayer")
        )
    root.addChildNode(node, base)
    document.refreshProjection()
    return node


def groups():
    """A fill of a layer in a group within a group, between two others."""
    document = picture("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    base = document.topLevelNodes()[0]
    outer, inner = document.createGroupLayer("outer"), document.createGroupLayer("inner")
    document.rootNode().addChildNode(outer, base)
    outer.addChildNode(inner, None)
    layers = []
    for name in ("below", "this", "above"):
        layer = document.createNode(name, "paintlayer")
        layer.setPixelData(bytes(base.pixelData(0, 0, WIDTH, HEIGHT)), 0, 0, WIDTH, HEIGHT)
        inner.addChildNode(layer, layers[-1] if layers else None)
        layers.append(layer)
    document.refreshProjection()
    select(document)
    said = fill(document, layers[1], input="layer")
    return {"said": said, "inner": [node.name() for node in inner.childNodes()]}


def only_the_window():
    """How many pixels of a large document are read for a small hole."""
    from lama_fill_krita import host

    document = Krita.instance().createDocument(
        4000, 3000, "large", "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc", 72.0
    )
    select(document, (2000, 1500, 40, 40))
    read = []
    original = host.KritaDocument.read

    def counting(self, node, rect):
        read.append(rect.area)
        return original(self, node, rect)

    host.KritaDocument.read = counting
    said = fill(document, document.topLevelNodes()[0], context="auto", grow=-1, feather=-1)
    return {"said": said, "read": sum(read)}


def far_apart():
    """Two small holes in the corners of a large document: two windows, one layer."""
    from lama_fill_krita import host

    document = Krita.instance().createDocument(
        6000, 5000, "large", "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc", 72.0
    )
    selection, other = Selection(), Selection()
    selection.select(100, 100, 40, 40, 255)
    other.select(5800, 4800, 50, 30, 255)
    selection.add(other)
    document.setSelection(selection)
    read = []
    original = host.KritaDocument.read

    def counting(self, node, rect):
        read.append(rect.area)
        return original(self, node, rect)

    host.KritaDocument.read = counting
    said = fill(document, document.topLevelNodes()[0], context="auto")
    layer = next(node for node in document.topLevelNodes() if node.name() == "LaMa Fill")
    alpha = [
        bytes(layer.pixelData(x, y, 1, 1))[3] for x, y in ((110, 110), (99, 99), (5810, 4810), (3000, 3000))
    ]
    return {"said": said, "read": sum(read), "alpha": alpha}
