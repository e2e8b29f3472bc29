"""Runs inside GIMP: makes images, calls the plug-in as a script does, and says what came of it.

The functions are called by `test_gimp_*.py`; what they return is judged there.
"""

import hashlib
import json
import os
import random
import struct
import time
import traceback
from contextlib import contextmanager

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp  # noqa: E402


def serve(folder):
    """Call what is asked for, line by line, until the one who asks is gone."""
    with open(f"{folder}/requests") as requests:
        for line in requests:
            request = json.loads(line)
            try:
                said = {"result": globals()[request["function"]](**request["arguments"])}
            except Exception:  # noqa: BLE001 - whatever it is, the test is told
                said = {"error": traceback.format_exc()}
                for image in Gimp.get_images():
                    image.delete()
            with open(f"{folder}/answer.part", "w") as file:
                json.dump(said, file)
            os.rename(f"{folder}/answer.part", f"{folder}/answer.json")


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
                "name": layer.get_name(),
                "rect": [*layer.get_offsets()[1:], layer.get_width(), layer.get_height()],
                "shows": [min(alpha_of(layer)), max(alpha_of(layer))],
                "mask": layer.get_mask() is not None,
                "alpha": min(pixels(layer, babl="A u8")),
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


def flat_colours(kind):
    """Of a picture of one colour the fill has that colour, whatever the encoding: by how much it is off."""
    off = {}
    others = {"another colour space": "U16_NON_LINEAR", "brighter than white": "FLOAT_LINEAR"}
    for precision in [*PRECISIONS, *others]:
        with an_image(kind=kind, precision=others.get(precision, precision)) as image:
            if precision == "another colour space" and kind == "rgb":
                profile = Gimp.ColorProfile.new_rgb_adobe()
                image.convert_color_profile(profile, Gimp.ColorRenderingIntent.RELATIVE_COLORIMETRIC, True)
            layer = new_layer(image)
            light = 4.0 if precision == "brighter than white" else 1.0
            colour = struct.pack("<4f", 0.25 * light, 0.5 * light, 0.125 * light, 1.0)
            layer.get_buffer().set(Gegl.Rectangle.new(0, 0, 120, 96), "R'G'B'A float", colour * (120 * 96))
            layer.update(0, 0, 120, 96)
            select(image, 40, 30, 36, 28, 4)
            before = seen_colours(image)
            error = call(image, [layer])
            if error or not fills(image):
                raise AssertionError(error)
            off[precision] = max(
                abs(one - other) for one, other in zip(before, seen_colours(image), strict=True)
            )
    return off


def linear_and_not():
    """The same picture in linear light and not, filled: how far apart that looks, and how much changed."""
    seen = []
    for precision in ("FLOAT_LINEAR", "FLOAT_NON_LINEAR"):
        with an_image(precision=precision) as image:
            layer = new_layer(image)
            select(image, 40, 30, 36, 28, 4)
            before = seen_colours(image)
            # Patches are chosen one or another way for differences that no one sees.
            error = call(image, [layer], quality="fast")
            if error:
                raise AssertionError(error)
            seen.append(seen_colours(image))
    apart = [
        max(abs(one - other) for one, other in zip(seen[0], others, strict=True))
        for others in (seen[1], before)
    ]
    return {"apart": apart[0], "changed": apart[1]}


def seen_colours(image):
    """What the picture looks like, as numbers from 0 to 1."""
    copy = image.duplicate()
    data = pixels(copy.flatten(), babl="R'G'B' float")
    copy.delete()
    return struct.unpack(f"<{len(data) // 4}f", data)


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
    return {"differ_by": max(abs(one - other) for one, other in zip(*seen, strict=True))}


def variations():
    """Which of some fills of the same place look the same."""
    seen = []
    for variation in (0, 0, 1, 1):
        with an_image() as image:
            layer = new_layer(image)
            select(image, 40, 30, 36, 28, 4)
            error = call(image, [layer], variation=variation)
            if error:
                raise AssertionError(error)
            seen.append(hash_of(flattened(image)))
    return [seen.index(one) for one in seen]


def exactly_this_hole():
    with an_image() as image:
        layer = new_layer(image)
        image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 36, 28)
        answer = filled(image, [layer], grow=0, feather=0)
        answer["opaque"] = alpha_of(fills(image)[0]).count(255)
        return answer


def new_group(image, parent=None, name="group"):
    group = Gimp.GroupLayer.new(image, name)
    image.insert_layer(group, parent, 0)
    return group


def in_a_group():
    with an_image() as image:
        new_layer(image, name="bottom", seed=2)
        outer = new_group(image, name="outer")
        inner = new_group(image, outer, name="inner")
        layer = new_layer(image, parent=inner)
        new_layer(image, 20, 20, parent=inner, name="over", seed=3)
        select(image, 40, 30, 36, 28)
        return filled(image, [layer])


def a_group(mode="NORMAL"):
    with an_image() as image:
        new_layer(image, name="bottom", seed=2)
        group = new_group(image)
        group.set_mode(getattr(Gimp.LayerMode, mode))
        new_layer(image, parent=group)
        new_layer(image, 50, 40, at=(40, 30), parent=group, seed=3, name="over")
        select(image, 40, 30, 36, 28)
        return filled(image, [group])


def with_a_mask(edited):
    with an_image() as image:
        new_layer(image, name="bottom", seed=2)
        layer = new_layer(image)
        mask = layer.create_mask(Gimp.AddMaskType.WHITE)
        layer.add_mask(mask)
        mask.get_buffer().set(Gegl.Rectangle.new(0, 0, 30, 30), "Y u8", bytes(900))
        mask.update(0, 0, 30, 30)
        select(image, 40, 30, 36, 28, 4)
        return filled(image, [mask if edited else layer])


def placed(at, size, hole):
    with an_image() as image:
        new_layer(image, name="bottom", seed=2)
        layer = new_layer(image, *size, at=at)
        select(image, *hole)
        return filled(image, [layer])


def with_an_effect():
    """An effect on the layer, and a mode and an opacity of its own."""
    with an_image() as image:
        new_layer(image, name="bottom", seed=2)
        layer = new_layer(image)
        layer.set_opacity(60.0)
        layer.set_mode(Gimp.LayerMode.MULTIPLY)
        layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert", "invert"))
        select(image, 40, 30, 36, 28, 4)
        return filled(image, [layer])


def a_text_layer():
    with an_image() as image:
        layer = Gimp.TextLayer.new(image, "Hello", Gimp.context_get_font(), 60, Gimp.Unit.pixel())
        image.insert_layer(layer, None, 0)
        select(image, 10, 10, 30, 30)
        answer = filled(image, [layer])
        answer["still_text"] = layer.is_text_layer() and layer.get_text() == "Hello"
        return answer


def a_floating_selection():
    with an_image() as image:
        layer = new_layer(image)
        select(image, 40, 30, 36, 28)
        Gimp.Selection.float(image, [layer], 3, 3)
        return {"error": call(image, [layer]), "fills": len(fills(image))}


def locked():
    with an_image() as image:
        group = new_group(image)
        layer = new_layer(image, parent=group)
        for item in (layer, group):
            item.set_lock_content(True)
            item.set_lock_position(True)
            item.set_lock_visibility(True)
        layer.set_lock_alpha(True)
        select(image, 40, 30, 36, 28, 4)
        return filled(image, [layer])


def a_channel():
    with an_image() as image:
        new_layer(image)
        channel = Gimp.Channel.new(image, "stencil", 120, 96, 50.0, Gimp.color_parse_css("red"))
        image.insert_channel(channel, None, 0)
        select(image, 40, 30, 36, 28)
        return {"error": call(image, [channel])}


def two_layers(output="layer"):
    with an_image() as image:
        one = new_layer(image, name="one")
        group = new_group(image)
        other = new_layer(image, 90, 80, at=(20, 10), parent=group, name="other", seed=5)
        other.set_opacity(50.0)
        image.set_selected_layers([one, other])
        select(image, 40, 30, 36, 28, 4)
        return filled(image, [one, other], output=output)


def two_layers_of_which_one_cannot():
    with an_image() as image:
        one = new_layer(image, name="one")
        other = new_layer(image, 10, 10, at=(0, 0), name="elsewhere", seed=5)
        select(image, 40, 30, 36, 28, 4)
        return filled(image, [one, other])


def nothing_selected(alpha, erased):
    with an_image() as image:
        layer = new_layer(image, alpha=alpha)
        if erased:
            layer.get_buffer().set(Gegl.Rectangle.new(40, 30, 20, 16), "R'G'B'A u8", bytes(20 * 16 * 4))
            layer.update(0, 0, 120, 96)
        return filled(image, [layer])


def what_is_visible():
    """A gray layer over a coloured one: the fill of what is seen is grayer than that of the layer."""
    answers = {}
    for chosen in ("visible", "layer"):
        with an_image() as image:
            layer = new_layer(image)
            over = new_layer(image, name="over", seed=9)
            over.desaturate(Gimp.DesaturateMode.LUMINANCE)
            select(image, 40, 30, 36, 28, 0)
            answer = filled(image, [layer], input=chosen)
            over.set_visible(False)
            data = pixels(fills(image)[0], babl="R'G'B'A u8")
            shown = [data[i : i + 4] for i in range(0, len(data), 4) if data[i + 3] == 255]
            answer["colour"] = sum(max(pixel[:3]) - min(pixel[:3]) for pixel in shown) / len(shown)
            answers[chosen] = answer
    return answers


def visible_where_nothing_is():
    """No selection, a layer smaller than the image, and what is visible: the fill continues the picture."""
    with an_image() as image:
        layer = new_layer(image, 100, 96, alpha=False)
        return filled(image, [layer], input="visible")


def one_after_another():
    """A second fill next to the first sees the picture with the first."""
    seen = []
    for remember in (True, False):
        with an_image() as image:
            layer = new_layer(image)
            select(image, 30, 30, 30, 28)
            first = filled(image, [layer])
            if not remember:
                fills(image)[0].set_visible(False)
            select(image, 62, 30, 30, 28)
            second = filled(image, [layer])
            (new,) = [layer for layer in fills(image) if layer.get_name() == second["fills"][0]["name"]]
            seen.append((first, second, pixels(new)))
    return {
        "first": seen[0][0],
        "second": seen[0][1],
        "first_is_seen": seen[0][2] != seen[1][2],
    }


def a_part_again():
    """Fill a part of a fill once more: the artist sees the new one."""
    with an_image() as image:
        layer = new_layer(image)
        select(image, 30, 30, 40, 40)
        first = filled(image, [layer])
        select(image, 40, 40, 12, 12)
        return [first, filled(image, [layer])]


def again():
    """What Ctrl+F does: the last values, the dialog's, without a window."""
    with an_image() as image:
        layer = new_layer(image)
        select(image, 40, 30, 36, 28)
        first = filled(image, [layer], output="mask", grow=3, feather=5)
        select(image, 10, 10, 20, 20)
        second = filled(image, [layer], run_mode=Gimp.RunMode.WITH_LAST_VALS)
        return [first, second]


def green_and_red(image):
    """A layer, green on the left and red on the right, with grain; a hole over the border is selected."""
    layer = new_layer(image)
    width, height = image.get_width(), image.get_height()
    grain = random.Random(2)
    data = bytearray()
    for _y in range(height):
        for x in range(width):
            light = grain.randrange(-30, 30)
            colour = (50, 150, 60) if x < width // 2 else (170, 60, 50)
            data += bytes((*(value + light for value in colour), 255))
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B'A u8", bytes(data))
    layer.update(0, 0, width, height)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, *hole_of(image))
    return layer


def hole_of(image):
    """Where the hole of `green_and_red` is."""
    return image.get_width() // 2 - 40, image.get_height() // 2 - 25, 80, 50


def a_channel_of(image, name, x, y, width, height, value=255):
    """A channel that has this value in a rectangle, and 0 elsewhere."""
    channel = Gimp.Channel.new(
        image, name, image.get_width(), image.get_height(), 50.0, Gimp.color_parse_css("red")
    )
    image.insert_channel(channel, None, 0)
    whole = (0, 0, image.get_width(), image.get_height())
    buffer = channel.get_buffer()
    for rect, level in ((whole, 0), ((x, y, width, height), value)):
        buffer.set(Gegl.Rectangle.new(*rect), "Y u8", bytes([level]) * (rect[2] * rect[3]))
    buffer.flush()
    channel.update(*whole)
    return channel


def greenness(image):
    """By how much green is above red in the hole of `green_and_red`, of 255."""
    copy = image.duplicate()
    data = pixels(copy.flatten(), hole_of(image), "R'G'B' u8")
    copy.delete()
    return (sum(data[1::3]) - sum(data[0::3])) / (len(data) // 3)


def copied_from_channels():
    """Fills of one hole from either half: how green each is."""
    seen = {}
    for name, left, value in (("left", 0, 255), ("right", 160, 255), ("half", 160, 130)):
        with an_image(320, 240) as image:
            layer = green_and_red(image)
            a_channel_of(image, name, left, 0, 160, 240, value)
            answer = filled(image, [layer], source=name)
            if answer["error"] or answer["changed"]["outside"]:
                raise AssertionError(answer)
            seen[name] = greenness(image)
    return seen


def copied_from(rect=(0, 0, 320, 240), value=255, deleted=False):
    """A fill from a channel that has this in it."""
    with an_image(320, 240) as image:
        layer = green_and_red(image)
        channel = a_channel_of(image, "stencil", *rect, value)
        if deleted:
            image.remove_channel(channel)
        return filled(image, [layer], source="stencil")


def copied_from_into_a_small_layer():
    """The layer is smaller than the channel, and reaches out of the image."""
    with an_image() as image:
        layer = new_layer(image, 60, 60, at=(-10, 40))
        a_channel_of(image, "stencil", 0, 0, 120, 96)
        select(image, 10, 55, 20, 16)
        inside = filled(image, [layer], source="stencil")
        a_channel_of(image, "elsewhere", 80, 0, 40, 30)
        return [inside, filled(image, [layer], source="elsewhere")]


def a_huge_canvas():
    times = {}
    for name, side in (("small", 1000), ("large", 10000)):
        image = new_image(side, side)
        layer = Gimp.Layer.new(
            image, "photo", side, side, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL
        )
        image.insert_layer(layer, None, 0)
        layer.fill(Gimp.FillType.WHITE)
        select(image, side // 2, side // 2, 300, 300)
        for chosen in ("layer", "visible"):
            call(image, [layer], input=chosen)
            started = time.monotonic()
            error = call(image, [layer], input=chosen)
            times[f"{name} {chosen}"] = time.monotonic() - started
            if error:
                raise AssertionError(error)
        image.delete()
    return times


def far_apart():
    """Two holes in opposite corners of a canvas that is too large to be sent."""
    with an_image(9000, 9000) as image:
        layer = Gimp.Layer.new(
            image, "photo", 9000, 9000, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL
        )
        image.insert_layer(layer, None, 0)
        layer.fill(Gimp.FillType.WHITE)
        image.select_rectangle(Gimp.ChannelOps.REPLACE, 100, 100, 50, 40)
        image.select_rectangle(Gimp.ChannelOps.ADD, 8800, 8700, 60, 50)
        error = call(image, [layer])
        (fill,) = fills(image)
        alpha = {
            "first": pixels(fill, (0, 0, 70, 60), "A u8").count(255),
            "middle": max(pixels(fill, (4000, 4000, 500, 500), "A u8")),
        }
        return {
            "error": error,
            "rect": [*fill.get_offsets()[1:], fill.get_width(), fill.get_height()],
            **alpha,
        }


def wrong_arguments():
    with an_image() as image:
        layer = new_layer(image)
        select(image, 40, 30, 36, 28)
        return {"model": call(image, [layer], model="no-such-model"), "none": call(image, [])}


def everything_selected():
    with an_image() as image:
        layer = new_layer(image)
        Gimp.Selection.all(image)
        return filled(image, [layer])


def a_slow_one():
    """A fill that takes some seconds, of what is visible: it is read from a copy of the image."""
    with an_image(1400, 1400) as image:
        layer = new_layer(image)
        select(image, 600, 600, 200, 200)
        before = flattened(image)
        error = call(image, [layer], context="whole", input="visible")
        return {
            "error": error,
            "fills": len(fills(image)),
            "same": flattened(image) == before,
            "images": len(Gimp.get_images()),
        }


def what_a_person_reads():
    """A message, and what GIMP says of the procedure."""
    with an_image() as image:
        layer = new_layer(image, alpha=False)
        procedure = Gimp.get_pdb().lookup_procedure("plug-in-lama-fill")
        return {
            "error": call(image, [layer]),
            "menu": procedure.get_menu_label(),
            "output": procedure.find_argument("output").get_nick(),
        }


# With a window: there is one image, opened by the person who works with it.


def shown():
    """The image in the window."""
    # Not the copies that a fill makes while it looks at several layers.
    return min(Gimp.get_images(), key=lambda image: image.get_id())


def select_in_window(x, y, width, height):
    select(shown(), x, y, width, height)
    Gimp.displays_flush()


def channel_in_window(name, x, y, width, height):
    image = shown()
    # A new channel is what is active then, as after Select > Save to Channel: back to one layer.
    layers = image.get_selected_layers()
    a_channel_of(image, name, x, y, width, height)
    image.set_selected_layers(layers[:1])
    Gimp.displays_flush()


def delete_channel_in_window(name):
    image = shown()
    image.remove_channel(image.get_channel_by_name(name))
    Gimp.displays_flush()


def two_layers_in_window():
    """A copy of the picture above everything, and both selected."""
    image = shown()
    (picture,) = [layer for layer in image.get_layers() if layer.get_name().startswith("astronaut")]
    copy = picture.copy()
    image.insert_layer(copy, None, 0)
    image.set_selected_layers([copy, picture])
    Gimp.displays_flush()


def enlarge_in_window(side):
    """Make the picture so large that a fill which looks at all of it takes a while."""
    image = shown()
    image.scale(side, side)
    Gimp.displays_flush()


def deselect_in_window():
    Gimp.Selection.none(shown())
    Gimp.displays_flush()


def look_at_window():
    image = shown()
    # The fills first: what is counted here is in the tree and in the sum too.
    count = len(fills(image))
    return {"fills": count, "tree": tree(image), "sum": hash_of(flattened(image))}


def hash_of(data):
    return hashlib.sha256(data).hexdigest()
