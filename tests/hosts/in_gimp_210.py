#!/usr/bin/env python2
"""Runs inside GIMP 2.10, as a plug-in: makes images, calls the plug-in, and says what came of it.

The functions are called by `test_gimp210*.py`; what they return is judged there.
"""

import array
import json
import os
import random
import time
import traceback

import gimpfu
from gimpfu import gimp, pdb

PRECISIONS = {
    depth + "_" + encoding: number + (50 if encoding == "gamma" else 0)
    for depth, number in (
        ("u8", 100),
        ("u16", 200),
        ("u32", 300),
        ("half", 500),
        ("float", 600),
        ("double", 700),
    )
    for encoding in ("linear", "gamma")
}
OPTIONS = ("input", "output", "context", "grow", "feather", "quality", "variation", "model")
DEFAULTS = {"input": 0, "output": 0, "context": 0, "grow": -1, "feather": -1, "quality": 0, "variation": 0}


def serve(folder):
    """Call what is asked for, line by line, until the one who asks is gone."""
    pdb.gimp_plugin_enable_precision()
    with open(folder + "/requests") as requests:
        while True:
            line = requests.readline()
            if not line:
                return
            request = json.loads(line)
            try:
                arguments = {str(name): value for name, value in request["arguments"].items()}
                said = {"result": globals()[request["function"]](**arguments)}
            except Exception:
                said = {"error": traceback.format_exc()}
                for image in gimp.image_list():
                    gimp.delete(image)
            with open(folder + "/answer.part", "w") as file:
                json.dump(said, file)
            os.rename(folder + "/answer.part", folder + "/answer.json")


def pixels(drawable, rect=None):
    """Bytes of a drawable, in its own format."""
    x, y, width, height = rect or (0, 0, drawable.width, drawable.height)
    return drawable.get_pixel_rgn(x, y, width, height, False, False)[x : x + width, y : y + height]


def put(drawable, data):
    region = drawable.get_pixel_rgn(0, 0, drawable.width, drawable.height, True, False)
    region[0 : drawable.width, 0 : drawable.height] = data
    drawable.flush()
    drawable.update(0, 0, drawable.width, drawable.height)


def paint(layer, seed=1):
    """Noise in smooth steps, the same every time, over all of a layer: made in 8 bit, converted by GIMP."""
    gray = layer.image.base_type == gimpfu.GRAY
    numbers = random.Random(seed)
    small = pdb.gimp_image_new_with_precision(layer.width, layer.height, 1 if gray else 0, 150)
    kind = gimpfu.GRAYA_IMAGE if gray else gimpfu.RGBA_IMAGE
    noise = gimp.Layer(small, "noise", layer.width, layer.height, kind, 100.0, gimpfu.LAYER_MODE_NORMAL)
    data = bytearray()
    for y in range(layer.height):
        for x in range(layer.width):
            if gray:
                data += bytearray((40 + x * 180 // layer.width + numbers.randrange(20), 255))
            else:
                green = 90 + numbers.randrange(60)
                data += bytearray((x * 255 // layer.width, green, 255 - x * 200 // layer.width, 255))
    put(noise, bytes(data))
    converted = pdb.gimp_layer_new_from_drawable(noise, layer.image)
    if not layer.has_alpha:
        pdb.gimp_layer_flatten(converted)
    put(layer, pixels(converted))
    gimp.delete(converted)
    gimp.delete(small)


def new_image(width=120, height=96, kind="rgb", precision="u8_gamma"):
    base = {"rgb": gimpfu.RGB, "gray": gimpfu.GRAY}[kind]
    return pdb.gimp_image_new_with_precision(width, height, base, PRECISIONS[precision])


def new_layer(image, width=None, height=None, at=(0, 0), parent=None, alpha=True, name="photo", seed=1):
    gray = image.base_type == gimpfu.GRAY
    if gray:
        kind = gimpfu.GRAYA_IMAGE if alpha else gimpfu.GRAY_IMAGE
    else:
        kind = gimpfu.RGBA_IMAGE if alpha else gimpfu.RGB_IMAGE
    layer = gimp.Layer(
        image, name, width or image.width, height or image.height, kind, 100.0, gimpfu.LAYER_MODE_NORMAL
    )
    pdb.gimp_image_insert_layer(image, layer, parent, 0)
    layer.set_offsets(*at)
    paint(layer, seed)
    return layer


def new_group(image, parent=None, name="group"):
    group = pdb.gimp_layer_group_new(image)
    group.name = name
    pdb.gimp_image_insert_layer(image, group, parent, 0)
    return group


def select(image, x, y, width, height, feather=0):
    pdb.gimp_image_select_ellipse(image, gimpfu.CHANNEL_OP_REPLACE, x, y, width, height)
    if feather:
        pdb.gimp_selection_feather(image, feather)


def call(image, drawable, mode=None, **arguments):
    """Run the plug-in. "" or what GIMP says went wrong."""
    values = dict(DEFAULTS, model="")
    values.update(arguments)
    given = [str(value) if name == "model" else value for name, value in ((n, values[n]) for n in OPTIONS)]
    try:
        if mode is None:
            pdb.python_fu_lama_fill(image, drawable, *given)
        else:
            pdb.python_fu_lama_fill(image, drawable, *given, run_mode=mode)
    except RuntimeError as error:
        return str(error) or "it failed"
    return ""


def tree(image):
    """The layers as nested lists of names, topmost first."""

    def names(layers):
        return [
            [layer.name, names(layer.children)] if pdb.gimp_item_is_group(layer) else layer.name
            for layer in layers
        ]

    return names(image.layers)


def flattened(image):
    copy = image.duplicate()
    data = pixels(copy.flatten())
    gimp.delete(copy)
    return data


def everything(layers):
    for layer in layers:
        yield layer
        if pdb.gimp_item_is_group(layer):
            for inside in everything(layer.children):
                yield inside


def fills(image):
    """All layers that the plug-in made, topmost first."""
    return [layer for layer in everything(image.layers) if layer.name.startswith("LaMa Fill")]


def shown(fill):
    """For each pixel of a fill, whether anything of it shows."""
    if fill.mask is not None:
        data, size, begin, end = pixels(fill.mask), fill.mask.bpp, 0, fill.mask.bpp
    else:
        channels = 2 if fill.is_gray or fill.is_indexed else 4
        data, size = pixels(fill), fill.bpp
        begin, end = size - size // channels, size
    nothing = b"\0" * (end - begin)
    return [data[at + begin : at + end] != nothing for at in range(0, len(data), size)]


def compared(image, before, after, shown_by):
    """How two flattened images differ: pixels outside of the fill that changed, and inside that did."""
    size = len(before) // (image.width * image.height)
    visible = set()
    for fill in shown_by:
        left, top = fill.offsets
        for place, shows in enumerate(shown(fill)):
            if shows:
                visible.add((left + place % fill.width, top + place // fill.width))
    outside = inside = 0
    for y in range(image.height):
        for x in range(image.width):
            at = (y * image.width + x) * size
            if before[at : at + size] != after[at : at + size]:
                if (x, y) in visible:
                    inside += 1
                else:
                    outside += 1
    return {"outside": outside, "inside": inside}


def filled(image, layer, mode=None, **arguments):
    """Fill, and report everything that a test may want to know."""
    selection_before = pixels(image.selection)
    own = {item.ID: pixels(item) for item in everything(image.layers)}
    before, known = flattened(image), set(fill.ID for fill in fills(image))
    images = len(gimp.image_list())
    active = image.active_layer
    started = time.time()
    error = call(image, layer, mode=mode, **arguments)
    seconds = time.time() - started
    new = [fill for fill in fills(image) if fill.ID not in known]
    return {
        "error": error,
        "seconds": seconds,
        "tree": tree(image),
        "fills": [
            {
                "name": fill.name,
                "rect": list(fill.offsets) + [fill.width, fill.height],
                "mask": fill.mask is not None,
                "shows": sum(shown(fill)),
            }
            for fill in new
        ],
        "changed": compared(image, before, flattened(image), new),
        "layers_kept": all(
            pixels(item) == own[item.ID]
            for item in everything(image.layers)
            if item.ID in own and not pdb.gimp_item_is_group(item)
        ),
        "selection_kept": pixels(image.selection) == selection_before,
        "active_kept": image.active_layer == active,
        "images": len(gimp.image_list()) - images,
    }


def one(kind="rgb", precision="u8_gamma", alpha=True, feather=4, **arguments):
    image = new_image(kind=kind, precision=precision)
    layer = new_layer(image, alpha=alpha)
    select(image, 40, 30, 36, 28, feather)
    answer = filled(image, layer, **arguments)
    answer["precision_kept"] = int(image.precision) == PRECISIONS[precision]
    gimp.delete(image)
    return answer


def every_precision(kind, **arguments):
    return {name: one(kind=kind, precision=name, **arguments) for name in sorted(PRECISIONS)}


def mirrored(kind, alpha, precision, output=0):
    """With the server that answers with rows in reverse: how many colours in the hole are not those exactly.

    The selection is hard, so that all of a pixel shows or nothing of it.
    """
    image = new_image(kind=kind, precision=precision)
    layer = new_layer(image, alpha=alpha)
    pdb.gimp_image_select_rectangle(image, gimpfu.CHANNEL_OP_REPLACE, 40, 30, 36, 28)
    answer = filled(image, layer, grow=0, feather=0, output=output)
    (fill,) = fills(image)
    colours = fill.bpp - fill.bpp // (2 if kind == "gray" else 4)
    before, after = pixels(layer), pixels(fill)
    left, top = fill.offsets
    wrong, farthest = 0, 0.0
    code, most = {1: ("B", 255.0), 2: ("H", 65535.0), 3: ("I", 2.0**32 - 1), 7: ("d", 1.0)}.get(
        PRECISIONS[precision] // 100, ("", 1.0)
    )

    def numbers(samples):
        return [value / most for value in array.array(code, samples)] if code else []

    for y in range(30, 58):
        for x in range(40, 76):
            source = (y * layer.width + layer.width - 1 - x) * layer.bpp
            place = ((y - top) * fill.width + x - left) * fill.bpp
            wanted, found = before[source : source + colours], after[place : place + colours]
            wrong += wanted != found
            farthest = max([farthest] + [abs(a - b) for a, b in zip(numbers(wanted), numbers(found))])
    answer["wrong"] = wrong
    answer["farthest"] = farthest
    gimp.delete(image)
    return answer


def with_a_palette(alpha):
    image = new_image()
    new_layer(image, alpha=alpha)
    pdb.gimp_image_convert_indexed(image, 0, 0, 40, False, False, "")
    colours = image.colormap
    select(image, 40, 30, 36, 28, 4)
    answer = filled(image, image.layers[0])
    answer["palette_kept"] = image.colormap == colours
    answer["still_indexed"] = fills(image)[0].is_indexed
    gimp.delete(image)
    return answer


def in_a_group(mode=None):
    image = new_image()
    new_layer(image, name="bottom", seed=2)
    outer = new_group(image, name="outer")
    inner = new_group(image, outer, "inner")
    layer = new_layer(image, 60, 60, (20, 10), inner)
    over = new_layer(image, 20, 20, (30, 30), inner, name="over", seed=3)
    over.visible = False
    select(image, 40, 30, 36, 28, 4)
    image.active_layer = layer
    answer = filled(image, layer, mode=mode)
    gimp.delete(image)
    return answer


def a_group(mode):
    image = new_image()
    new_layer(image, name="bottom", seed=2)
    group = new_group(image)
    new_layer(image, 80, 70, (20, 10), group)
    over = new_layer(image, 40, 40, (30, 20), group, name="over", seed=3)
    over.opacity = 60.0
    group.mode = getattr(gimpfu, "LAYER_MODE_" + mode)
    select(image, 40, 30, 30, 24, 4)
    answer = filled(image, group)
    gimp.delete(image)
    return answer


def placed(at, size, hole):
    image = new_image()
    layer = new_layer(image, size[0], size[1], at)
    select(image, *hole)
    answer = filled(image, layer)
    gimp.delete(image)
    return answer


def with_a_mask(edited):
    image = new_image()
    new_layer(image, name="bottom", seed=2)
    layer = new_layer(image)
    mask = layer.create_mask(gimpfu.ADD_WHITE_MASK)
    layer.add_mask(mask)
    layer.edit_mask = edited
    select(image, 40, 30, 36, 28, 4)
    answer = filled(image, mask if edited else layer)
    gimp.delete(image)
    return answer


def a_text_layer():
    image = new_image()
    new_layer(image, name="bottom", seed=2)
    layer = pdb.gimp_text_layer_new(image, "gone", "DejaVu Sans", 40, 0)
    pdb.gimp_image_insert_layer(image, layer, None, 0)
    select(image, 10, 10, 20, 20)
    answer = filled(image, layer)
    answer["still_text"] = bool(pdb.gimp_item_is_text_layer(layer))
    gimp.delete(image)
    return answer


def a_floating_selection():
    image = new_image()
    layer = new_layer(image)
    select(image, 40, 30, 36, 28)
    floating = pdb.gimp_selection_float(layer, 3, 3)
    count = len(image.layers)
    error = call(image, floating)
    same = len(image.layers) == count
    gimp.delete(image)
    return {"error": error, "same": same}


def a_channel():
    image = new_image()
    new_layer(image)
    channel = pdb.gimp_channel_new(image, 120, 96, "stencil", 50.0, (0, 0, 0))
    pdb.gimp_image_insert_channel(image, channel, None, 0)
    error = call(image, channel)
    gimp.delete(image)
    return error


def nothing_selected(alpha, erased):
    image = new_image()
    layer = new_layer(image, alpha=alpha)
    if erased:
        select(image, 40, 30, 36, 28)
        pdb.gimp_edit_clear(layer)
        pdb.gimp_selection_none(image)
    answer = filled(image, layer)
    gimp.delete(image)
    return answer


def what_is_visible():
    found = {}
    for number, name in enumerate(("layer", "visible")):
        image = new_image()
        layer = new_layer(image)
        over = new_layer(image, name="over", seed=2)
        put(over, b"\xff\0\0\xff" * (120 * 96))
        select(image, 40, 30, 36, 28)
        image.active_layer = layer
        answer = filled(image, layer, input=number)
        (fill,) = fills(image)
        answer["colour"] = [ord(value) for value in pixels(fill, (fill.width // 2, fill.height // 2, 1, 1))]
        found[name] = answer
        gimp.delete(image)
    return found


def one_after_another():
    """Two fills that lie apart: the second one's layer is the photo's still, and sees the first."""
    image = new_image()
    layer = new_layer(image)
    select(image, 20, 20, 24, 24)
    first = filled(image, layer)
    before = flattened(image)
    select(image, 50, 24, 24, 24)
    second = filled(image, fills(image)[0])
    copy = image.duplicate()
    copy.remove_layer(fills(copy)[0])
    kept = flattened(copy) == before
    gimp.delete(copy)
    gimp.delete(image)
    return {"first": first, "second": second, "first_is_kept": kept}


def look_at_window():
    """The image in the window: its layers, and a sum of what is seen."""
    image = gimp.image_list()[0]
    return {
        "tree": tree(image),
        "sum": sum(bytearray(flattened(image))),
        "active": image.active_layer and image.active_layer.name,
    }


def select_in_window(x, y, width, height):
    image = gimp.image_list()[0]
    pdb.gimp_image_select_rectangle(image, gimpfu.CHANNEL_OP_REPLACE, x, y, width, height)
    gimp.displays_flush()


def a_huge_canvas():
    """Seconds for the same hole on a small canvas and on one that is sixty times as large."""
    seconds = {}
    for name, width, height in (("small", 800, 600), ("large", 8000, 3600)):
        image = new_image(width, height)
        layer = gimp.Layer(image, "photo", width, height, gimpfu.RGBA_IMAGE, 100.0, gimpfu.LAYER_MODE_NORMAL)
        layer.fill(gimpfu.WHITE_FILL)
        pdb.gimp_image_insert_layer(image, layer, None, 0)
        select(image, 300, 200, 60, 50)
        started = time.time()
        error = call(image, layer)
        seconds[name] = time.time() - started
        gimp.delete(image)
        if error:
            raise AssertionError(error)
    return seconds


def last_values(mode):
    image = new_image()
    layer = new_layer(image)
    select(image, 40, 30, 36, 28)
    answer = filled(image, layer, mode=mode)
    gimp.delete(image)
    return answer


def wrong_arguments():
    image = new_image()
    layer = new_layer(image)
    select(image, 40, 30, 36, 28)
    said = {
        "model": call(image, layer, model="nothing"),
        "grow": call(image, layer, grow=5000),
        "quality": call(image, layer, quality=7),
    }
    count = len(image.layers)
    gimp.delete(image)
    return dict(said, layers=count)


def a_slow_one():
    """A fill that takes long, while something happens to it."""
    image = new_image()
    layer = new_layer(image)
    select(image, 40, 30, 36, 28)
    answer = filled(image, layer, quality=2)
    gimp.delete(image)
    return answer


def a_name(name):
    image = new_image()
    layer = new_layer(image)
    layer.name = name.encode("utf-8")
    error = call(image, pdb.gimp_image_get_active_layer(image))
    select(image, 40, 30, 36, 28)
    answer = filled(image, layer)
    gimp.delete(image)
    return {"filled": answer["error"], "named": answer["tree"][-1], "error": error}


def answers():
    """Something that needs nothing but this plug-in."""
    return list(gimp.version)


gimpfu.register(
    "python-fu-lama-fill-tests",
    "Answers the tests",
    "",
    "LaMa Fill",
    "LaMa Fill",
    "2026",
    None,
    "",
    [(gimpfu.PF_STRING, "folder", "Folder", "")],
    [],
    serve,
)
gimpfu.main()
