"""`python drive.py PLUGIN`: reads a scenario as JSON, runs the plug-in in the stand-in, prints what came.

It runs on Python 2.7 and 3. The module gimpfu beside it is found first.
"""

import base64
import json
import random
import sys
import traceback

import gimpfu


def noise(layer, seed):
    numbers = random.Random(seed)
    for place in range(len(layer.data)):
        layer.data[place] = int(numbers.random() * 256)
    if layer.has_alpha:
        size = layer.bpp // layer.channels
        for byte in range(layer.bpp - size, layer.bpp):
            layer.data[byte :: layer.bpp] = b"\xff" * (layer.width * layer.height)


def plain(event):
    return list(event) if isinstance(event, tuple) else event


def text(name):
    return name.decode("utf-8") if isinstance(name, bytes) else name


def told(layer):
    return {
        "name": text(layer.name),
        "rect": list(layer.offsets) + [layer.width, layer.height],
        "pixels": base64.b64encode(bytes(layer.data)).decode("ascii"),
        "mask": layer.mask and base64.b64encode(bytes(layer.mask.data)).decode("ascii"),
        "mark": layer.parasite_find("lama-fill") is not None,
        "bpp": layer.bpp,
    }


def main():
    scenario = json.loads(sys.stdin.readline())
    with open(sys.argv[1], "rb") as file:
        source = file.read()
    # Not by runpy, which in Python 2 takes the module apart when it has run.
    exec(compile(source, sys.argv[1], "exec"), {"__name__": "__main__", "__file__": sys.argv[1]})
    image = gimpfu.Image(120, 96, scenario.get("base", gimpfu.RGB), scenario.get("precision", 150))
    for number, wanted in enumerate(scenario.get("layers", [{}])):
        layer = gimpfu.Layer(
            image,
            wanted.get("name", "photo"),
            wanted.get("size", [120, 96])[0],
            wanted.get("size", [120, 96])[1],
            wanted.get("type", gimpfu.RGBA_IMAGE),
            100.0,
            28,
        )
        layer.offsets = tuple(wanted.get("at", [0, 0]))
        noise(layer, number)
        if wanted.get("mark"):
            layer.attach_new_parasite("lama-fill", 1, "1")
        image.layers.append(layer)
    x, y, width, height = scenario.get("selection", [40, 30, 36, 28])
    size = image.selection.bpp
    for row in range(y, y + height):
        begin = (row * 120 + x) * size
        image.selection.data[begin : begin + width * size] = b"\xff" * (width * size)
    drawable = image.layers[scenario.get("active", 0)]
    image.active_layer = drawable
    if scenario.get("drawable") == "mask":
        drawable = drawable.create_mask(gimpfu.ADD_BLACK_MASK)
    elif scenario.get("drawable") == "channel":
        drawable = gimpfu.Channel(image, "stencil", 120, 96, 1)
    elif scenario.get("drawable") == "none":
        drawable = None
    if scenario.get("floating"):
        image.floating_selection = image.layers[0]
    dialog = scenario.get("dialog")
    if dialog in ("cancel", "none"):
        gimpfu.DIALOG.append(gimpfu.CancelError() if dialog == "cancel" else ImportError("no module gtk"))
    elif dialog is not None:
        gimpfu.DIALOG.append(dialog)
    before = [bytes(layer.data) for layer in image.layers]
    known = list(image.layers)
    raised = ""
    arguments = (scenario.get("mode", 1), image, drawable) + tuple(scenario.get("arguments", []))
    try:
        gimpfu.gimp.run("python-fu-lama-fill", arguments)
    except Exception:
        raised = traceback.format_exc()
    print(
        json.dumps(
            {
                "raised": raised,
                "events": [plain(event) for event in gimpfu.EVENTS],
                "names": [text(layer.name) for layer in image.layers],
                "new": [told(layer) for layer in image.layers if layer not in known],
                "photo": told(known[scenario.get("active", 0)]),
                "kept": [bytes(layer.data) for layer in known] == before,
                "active": text(image.active_layer.name),
                "images": len(gimpfu.IMAGES),
            }
        )
    )


main()
