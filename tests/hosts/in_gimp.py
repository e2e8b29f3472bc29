"""Runs inside GIMP: makes images, calls the plug-in as a script does, and says what came of it.

The functions are called by `test_gimp_*.py`; what they return is judged there.
"""

import random
import time
from contextlib import contextmanager

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp

TYPES = {
    "rgb": (Gimp.ImageBaseType.RGB, Gimp.ImageType.RGB_IMAGE, Gimp.ImageType.RGBA_IMAGE),
    "gray": (Gimp.ImageBaseType.GRAY, Gimp.ImageType.GRAY_IMAGE, Gimp.ImageType.GRAYA_IMAGE),
}
PRECISIONS = [
    f"{depth}_{encoding}"
    for depth in ("U8", "U16", "U32", "HALF", "FLOAT", "DOUBLE")
    for encoding in ("LINEAR", "NON_LINEAR", "PERCEPTUAL")
]


def pixels(drawable, rect=None, babl=None):
    """All bytes of a drawable, in its own format unless another one is named."""
    rect = rect or (0, 0, drawable.get_width(), drawable.get_height())
    return drawable.get_buffer().get(Gegl.Rectangle.new(*rect), 1.0, babl, Gegl.AbyssPolicy.NONE)


def paint(layer, seed=1, opaque=True):
    """Noise in smooth steps, the same every time, over all of a layer."""
    width, height = layer.get_width(), layer.get_height()
    numbers = random.Random(seed)
    row = bytearray()
    for x in range(width):
        row += bytes((x * 255 // width, 90 + numbers.randrange(60), 255 - x * 200 // width))
        row.append(255)
    data = bytearray(bytes(row) * height)
    for y in range(0, height, 2):
        data[y * width * 4 + 1 : (y + 1) * width * 4 : 4] = numbers.randbytes(width)
    if not opaque:
        data[3::4] = bytes(numbers.choices((255, 255, 128), k=width * height))
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B'A u8", bytes(data))
    buffer.flush()
    layer.update(0, 0, width, height)


def new_image(width=120, height=96, kind="rgb", precision="U8_NON_LINEAR"):
    return Gimp.Image.new_with_precision(width, height, TYPES[kind][0], getattr(Gimp.Precision, precision))


def new_layer(image, width=None, height=None, at=(0, 0), parent=None, alpha=True, name="photo", seed=1):
    gray = image.get_base_type() == Gimp.ImageBaseType.GRAY
    layer = Gimp.Layer.new(
        image,
        name,
        width or image.get_width(),
        height or image.get_height(),
        TYPES["gray" if gray else "rgb"][2 if alpha else 1],
        100.0,
        Gimp.LayerMode.NORMAL,
    )
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(*at)
    paint(layer, seed)
    return layer


def select(image, x, y, width, height, feather=0):
    image.select_ellipse(Gimp.ChannelOps.REPLACE, x, y, width, height)
    if feather:
        Gimp.Selection.feather(image, feather)


def call(image, drawables, run_mode=None, **arguments):
    """Run the plug-in. "" or what it says went wrong."""
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-lama-fill")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE if run_mode is None else run_mode)
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    for name, value in arguments.items():
        config.set_property(name, value)
    result = procedure.run(config)
    return "" if result.index(0) == Gimp.PDBStatusType.SUCCESS else result.index(1)


def tree(image):
    """The layers as nested lists of names, topmost first."""

    def names(layers):
        return [
            [layer.get_name(), names(layer.get_children())] if layer.is_group() else layer.get_name()
            for layer in layers
        ]

    return names(image.get_layers())


def flattened(image):
    copy = image.duplicate()
    layer = copy.flatten()
    data = pixels(layer)
    copy.delete()
    return data


def everything(layers):
    for layer in layers:
        yield layer
        if layer.is_group():
            yield from everything(layer.get_children())


def fills(image):
    """All layers that the plug-in made, topmost first."""
    return [layer for layer in everything(image.get_layers()) if layer.get_name().startswith("LaMa Fill")]


def compared(image, before, after, shown_by):
    """How two flattened images differ: pixels outside of the fill that changed, and inside that did."""
    width, height = image.get_width(), image.get_height()
    size = len(before) // (width * height)
    outside = inside = 0
    shown = [(fill, fill.get_offsets()[1:], alpha_of(fill)) for fill in shown_by]
    for y in range(height):
        for x in range(width):
            place = (y * width + x) * size
            if before[place : place + size] == after[place : place + size]:
                continue
            hit = False
            for fill, (left, top), alpha in shown:
                column, row = x - left, y - top
                if 0 <= column < fill.get_width() and 0 <= row < fill.get_height():
                    hit = hit or alpha[row * fill.get_width() + column] > 0
            inside += hit
            outside += not hit
    return {"outside": outside, "inside": inside}


def alpha_of(layer):
    """How much of a layer shows: its mask where it has one, its alpha where not."""
    mask = layer.get_mask()
    return pixels(mask, babl="Y u8") if mask is not None else pixels(layer, babl="A u8")


def filled(image, layers, **arguments):
    """Fill, and report everything that a test may want to know."""
    selection_before = pixels(image.get_selection())
    before, known = flattened(image), {layer.get_id() for layer in fills(image)}
    started = time.monotonic()
    error = call(image, layers, **arguments)
    seconds = time.monotonic() - started
    new = [layer for layer in fills(image) if layer.get_id() not in known]
    return {
        "error": error,
        "seconds": seconds,
        "tree": tree(image),
        "fills": [
            {
                "rect": [*layer.get_offsets()[1:], layer.get_width(), layer.get_height()],
                "shows": [min(alpha_of(layer)), max(alpha_of(layer))],
                "mask": layer.get_mask() is not None,
                "alpha": min(pixels(layer, babl="A u8")),
                "format": layer.get_format_name() if hasattr(layer, "get_format_name") else "",
            }
            for layer in new
        ],
        "changed": compared(image, before, flattened(image), new),
        "selection_kept": pixels(image.get_selection()) == selection_before,
        "selected": [layer.get_name() for layer in image.get_selected_layers()],
        "images": len(Gimp.get_images()),
    }


@contextmanager
def an_image(*arguments, **keywords):
    image = new_image(*arguments, **keywords)
    yield image
    image.delete()


def one(kind="rgb", precision="U8_NON_LINEAR", alpha=True, feather=4, **arguments):
    with an_image(kind=kind, precision=precision) as image:
        layer = new_layer(image, alpha=alpha)
        select(image, 40, 30, 36, 28, feather)
        return filled(image, [layer], **arguments)


def every_precision(kind):
    answers = {}
    for precision in PRECISIONS:
        with an_image(kind=kind, precision=precision) as image:
            layer = new_layer(image)
            select(image, 40, 30, 36, 28, 4)
            answer = filled(image, [layer], quality="fast")
            answer["precision_kept"] = image.get_precision() == getattr(Gimp.Precision, precision)
        answers[precision] = answer
    return answers


def with_a_palette(alpha):
    with an_image() as image:
        layer = new_layer(image, alpha=alpha)
        image.convert_indexed(
            Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 40, False, False, ""
        )
        colours = image.get_palette().get_color_count()
        select(image, 40, 30, 36, 28, 4)
        answer = filled(image, [layer])
        answer["palette_kept"] = image.get_palette().get_color_count() == colours
        return answer


def both_outputs():
    seen = []
    for output in ("layer", "mask"):
        with an_image() as image:
            layer = new_layer(image)
            select(image, 40, 30, 36, 28, 4)
            call(image, [layer], output=output)
            seen.append(flattened(image))
    return {"differ_by": max(abs(one - other) for one, other in zip(*seen))}


def exactly_this_hole():
    with an_image() as image:
        layer = new_layer(image)
        image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 36, 28)
        answer = filled(image, [layer], grow=0, feather=0)
        answer["opaque"] = alpha_of(fills(image)[0]).count(255)
        return answer
