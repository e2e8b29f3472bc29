"""Stands in for gimpfu: images of 8 or 16 bits, no conversions of light, and what the plug-in calls.

It runs on Python 2.7 and 3, and is as strict as gimpfu is: bytes where that takes and gives bytes.
"""

RGB, GRAY, INDEXED = range(3)
RGBA_IMAGE, GRAYA_IMAGE = 1, 3
RUN_INTERACTIVE, RUN_NONINTERACTIVE, RUN_WITH_LAST_VALS = range(3)
LAYER_MODE_NORMAL = 28
ADD_BLACK_MASK = 1
PARASITE_PERSISTENT = 1
PF_IMAGE, PF_DRAWABLE, PF_OPTION, PF_SPINNER, PF_STRING = 13, 16, 1013, 1002, 4

EVENTS = []
"""What was called that a person would see, in order."""
DIALOG = []
"""What gimpfu's dialog answers: values, or an exception."""
REGISTERED = {}


class CancelError(RuntimeError):
    pass


class Region(object):
    def __init__(self, drawable, rect):
        self.drawable, self.rect = drawable, rect

    def _rows(self, place):
        columns, rows = place
        x, y, width, height = self.rect
        assert (columns.start, columns.stop, rows.start, rows.stop) == (x, x + width, y, y + height)
        assert min(width, height) > 0
        row, size = self.drawable.width * self.drawable.bpp, self.drawable.bpp
        return [(line * row + x * size, line * row + (x + width) * size) for line in range(y, y + height)]

    def __getitem__(self, place):
        return b"".join(bytes(self.drawable.data[begin:end]) for begin, end in self._rows(place))

    def __setitem__(self, place, data):
        assert isinstance(data, bytes)
        rows = self._rows(place)
        length = rows[0][1] - rows[0][0]
        assert len(data) == length * len(rows), "string is wrong length"
        for number, (begin, end) in enumerate(rows):
            self.drawable.data[begin:end] = data[number * length : (number + 1) * length]


class Drawable(object):
    is_layer_mask = False

    def __init__(self, image, name, width, height, channels):
        self.image, self.width, self.height = image, width, height
        # In Python 2 gimpfu gives bytes.
        self.name = name.encode("utf-8") if str is bytes and not isinstance(name, bytes) else name
        self.bpp = channels * (2 if image.precision // 100 == 2 else 1)
        self.data = bytearray(width * height * self.bpp)
        self.offsets = (0, 0)
        self.visible, self.parent, self.children = True, None, []
        self.parasites = {}
        self.channels = channels
        self.has_alpha = channels in (2, 4)

    def get_pixel_rgn(self, x, y, width, height, dirty, shadow):
        assert min(x, y, self.width - x - width, self.height - y - height) >= 0
        assert not shadow
        return Region(self, (x, y, width, height))

    def flush(self):
        EVENTS.append("flush")

    def parasite_find(self, name):
        return self.parasites.get(name)

    def attach_new_parasite(self, name, flags, data):
        assert flags == PARASITE_PERSISTENT
        self.parasites[name] = data


class Channel(Drawable):
    pass


class Layer(Drawable):
    def __init__(self, image, name, width, height, type, opacity, mode):
        # RGB, RGBA, gray, gray with alpha.
        Drawable.__init__(self, image, name, width, height, (3, 4, 1, 2)[type])
        self.opacity, self.mode = opacity, mode
        self.mask, self.apply_mask = None, True

    def create_mask(self, type):
        mask = Channel(self.image, "mask", self.width, self.height, 1)
        mask.is_layer_mask, mask.layer = True, self
        return mask

    def add_mask(self, mask):
        self.mask = mask

    def set_offsets(self, x, y):
        self.offsets = (x, y)


class Image(object):
    def __init__(self, width, height, base_type=RGB, precision=150):
        self.width, self.height, self.base_type, self.precision = width, height, base_type, precision
        self.layers, self.floating_selection, self.active_layer = [], None, None
        self.selection = Channel(self, "selection", width, height, 1)
        self.moved = (0, 0)
        IMAGES.append(self)

    def duplicate(self):
        copy = Image(self.width, self.height, self.base_type, self.precision)
        copy.selection.data[:] = self.selection.data
        for layer in self.layers:
            twin = Layer(copy, layer.name, layer.width, layer.height, 1, layer.opacity, layer.mode)
            twin.bpp, twin.has_alpha, twin.data = layer.bpp, layer.has_alpha, bytearray(layer.data)
            twin.offsets, twin.visible = layer.offsets, layer.visible
            copy.layers.append(twin)
        return copy

    def disable_undo(self):
        pass

    def remove_layer(self, layer):
        self.layers = [other for other in self.layers if other is not layer]

    def resize(self, width, height, x, y):
        self.width, self.height, self.moved = width, height, (x, y)

    def undo_group_start(self):
        EVENTS.append("undo group start")

    def undo_group_end(self):
        EVENTS.append("undo group end")


IMAGES = []


class gimp:
    Layer = Layer
    version = (2, 10, 38)
    run = None

    @staticmethod
    def main(init, quit, query, run):
        assert (init, quit, query) == (None, None, _query)
        gimp.run = staticmethod(run)

    @staticmethod
    def message(message):
        EVENTS.append(("message", message))

    @staticmethod
    def progress_init(message):
        EVENTS.append(("progress", message))

    @staticmethod
    def progress_update(fraction):
        EVENTS.append(("fraction", fraction))

    @staticmethod
    def displays_flush():
        EVENTS.append("displays flush")

    @staticmethod
    def delete(thing):
        if thing in IMAGES:
            IMAGES.remove(thing)


class _Procedures(object):
    def gimp_plugin_enable_precision(self):
        EVENTS.append("precision")

    def gimp_layer_from_mask(self, mask):
        return mask.layer

    def gimp_image_get_item_position(self, image, item):
        return image.layers.index(item)

    def gimp_image_insert_layer(self, image, layer, parent, position):
        assert parent is None
        assert EVENTS[-1] == "undo group start"
        image.layers.insert(position, layer)
        image.active_layer = layer

    def gimp_image_convert_rgb(self, image):
        assert not image.layers, "only its profile and its selection are wanted"
        image.base_type = RGB

    def gimp_image_convert_precision(self, image, precision):
        raise AssertionError("this stand-in knows 8 and 16 bits alone")

    def gimp_layer_new_from_drawable(self, drawable, image):
        # Of an image with a palette the stand-in has the colours: only what it is called by changes.
        copy = Layer(image, drawable.name, drawable.width, drawable.height, RGBA_IMAGE, 100.0, 28)
        copy.bpp, copy.has_alpha, copy.data = drawable.bpp, drawable.has_alpha, bytearray(drawable.data)
        return copy

    def gimp_layer_new_from_visible(self, image, into, name):
        drawn = Layer(into, name, image.width, image.height, RGBA_IMAGE, 100.0, LAYER_MODE_NORMAL)
        for layer in reversed(image.layers):
            if not layer.visible:
                continue
            left, top = layer.offsets[0] + image.moved[0], layer.offsets[1] + image.moved[1]
            for y in range(layer.height):
                for x in range(layer.width):
                    column, row = x + left, y + top
                    at = (y * layer.width + x) * layer.bpp
                    pixel = bytes(layer.data[at : at + layer.bpp])
                    if layer.bpp == 3:
                        pixel += b"\xff"
                    inside = 0 <= column < image.width and 0 <= row < image.height
                    if inside and pixel[3:] != b"\0":
                        to = (row * image.width + column) * 4
                        drawn.data[to : to + 4] = pixel
        return drawn

    def gimp_selection_bounds(self, image):
        samples = image.selection.data[:: image.selection.bpp]
        marked = [place for place, value in enumerate(samples) if value]
        if not marked:
            return 0, 0, 0, image.width, image.height
        columns = [place % image.width for place in marked]
        rows = [place // image.width for place in marked]
        return 1, min(columns), min(rows), max(columns) + 1, max(rows) + 1

    def gimp_progress_set_text(self, message):
        EVENTS.append(("progress", message))

    def gimp_progress_pulse(self):
        EVENTS.append("pulse")


pdb = _Procedures()


def register(*arguments, **more):
    REGISTERED["arguments"], REGISTERED["more"] = arguments, more


def _query():
    raise AssertionError("GIMP alone asks")


def _get_defaults(proc_name):
    assert proc_name == "python-fu-lama-fill"
    return [parameter[3] for parameter in REGISTERED["arguments"][8]]


def _interact(proc_name, start_params):
    """As gimpfu: what the registered function returns for what was chosen in the dialog."""
    answer = DIALOG.pop()
    if isinstance(answer, Exception):
        raise answer
    return REGISTERED["arguments"][10](*(tuple(start_params) + tuple(answer)))
