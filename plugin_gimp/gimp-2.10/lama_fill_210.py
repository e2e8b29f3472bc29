#!/usr/bin/env python2
# -*- coding: utf-8 -*-
"""LaMa Fill for GIMP 2.10, whose Python plug-ins are gimpfu on Python 2.7.

That can carry no client of the server. So this file reads layers and adds new ones, and `lama-fill relay`
does all the rest: it runs on a Python of its own, and asks for pixels through a pipe (docs/relay.md). GIMP
ends this process when the artist cancels, which closes the pipe, which cancels the fill.
"""

from __future__ import unicode_literals

import gettext
import json
import os
import shlex
import struct
import subprocess
import sys
import tempfile
import traceback

import gimpfu
from gimpfu import gimp, pdb

PROCEDURE = "python-fu-lama-fill"
DOMAIN = "lama-fill"
LAYER_NAME = "LaMa Fill"
RELAY = 1
"""The version of the frames."""

MARK = "lama-fill"
"""Marks the layers that are fills: a later fill of the layer below sees the picture with them."""

INPUTS = ("layer", "visible")
OUTPUTS = ("layer", "mask")
CONTEXTS = ("auto", "32", "64", "128", "256", "512", "1024", "whole")
QUALITIES = ("fast", "balanced", "best")
MAX_PIXELS = 4096
MAX_SEED = 2**31 - 1

DEPTHS = {1: "u8", 2: "u16", 5: "f16", 6: "f32"}
"""The depth of a sample, by the hundreds of GIMP's precision. All others are made floats first."""
FLOAT = 600
"""GIMP's precision of linear floats; others are a multiple of 100 away, and 50 more when not linear."""

MAX_HEADER = 1 << 20

PYTHON_2 = sys.version_info[0] == 2

NO_WINDOW = 0x08000000
"""Windows: a program of the console gets none."""

FOREIGN = (
    "PYTHON", "LD_", "DYLD_", "GI_", "GIO_", "GDK_", "GTK_", "GSETTINGS_", "GST_", "GIMP", "GEGL", "BABL",
    "KRITA", "QT_", "QML", "APPIMAGE", "APPDIR", "_MEIPASS", "_PYI", "VIRTUAL_ENV", "CONDA",
)  # fmt: skip
"""Beginnings of the names of variables that GIMP sets for its own libraries: they break another Python."""


class FillError(Exception):
    """The fill is not possible; the message is one sentence for the artist."""


def text(name):
    # type: (str | bytes) -> str
    """What GIMP or the system calls something, as text: in Python 2 both give bytes."""
    if not isinstance(name, bytes):
        return name
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode(sys.getfilesystemencoding() or "utf-8", "replace")


FOLDER = text(os.path.dirname(os.path.abspath(__file__)))
LOCALE = os.path.join(FOLDER, "locale")

_catalogue = gettext.translation(DOMAIN, LOCALE, fallback=True)
_ = getattr(_catalogue, "ugettext", _catalogue.gettext)


def N_(message):
    # type: (str) -> str
    """Mark a text that GIMP translates."""
    return message


# The other program.


def _is_sandboxed():
    # type: () -> bool
    """Whether no program outside can be started from here."""
    return os.path.exists("/.flatpak-info") or bool(os.environ.get("SNAP") and os.environ.get("SNAP_NAME"))


def _variable(name):
    # type: (str) -> str
    return text(os.environ.get(name, ""))


def _state_folder():
    # type: () -> str
    """Where the server leaves what is known of it, as `lama_core.client.places` has it."""
    chosen = _variable("LAMA_FILL_RUNTIME_DIR")
    if chosen:
        return chosen
    if sys.platform == "win32":
        return os.path.join(_variable("LOCALAPPDATA"), "lama-fill")
    import pwd  # not on Windows

    home = text(pwd.getpwuid(os.getuid()).pw_dir)
    inside = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    return os.path.join(home, inside, "lama-fill")


def _commands():
    # type: () -> list[list[str]]
    """Command lines of the relay, the first that works is used."""
    chosen = os.environ.get("LAMA_FILL_COMMAND")
    if chosen:
        words = [chosen] if sys.platform == "win32" else shlex.split(chosen)
        return [[text(word) for word in words] + ["relay"]]
    found = []
    if not _is_sandboxed():
        try:
            with open(os.path.join(_state_folder(), "launch.json"), "rb") as file:
                recorded = json.loads(file.read().decode("utf-8"))["command"]
            found.append([text(word) for word in recorded] + ["relay"])
        except (EnvironmentError, ValueError, KeyError, TypeError):
            pass
        found.append(["lama-fill", "relay"])
    # The archive has what the relay is made of, for any Python 3.9 or later: all that a sandbox has.
    found.append(["python3", os.path.join(FOLDER, "private", "run_relay.py")])
    return found


def _environment():
    # type: () -> dict[str, str]
    """The environment without what GIMP set for itself."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    own = os.environ.get("APPDIR", "")
    if own:
        entries = kept.get("PATH", "").split(os.pathsep)
        kept["PATH"] = os.pathsep.join(entry for entry in entries if not (entry + os.sep).startswith(own))
    return kept


class Relay(object):
    """The program that fills, and the pipes to it."""

    def __init__(self):
        # type: () -> None
        self._errors = tempfile.TemporaryFile()
        self._process = self._start()

    def _start(self):
        # type: () -> subprocess.Popen[bytes]
        on_windows = sys.platform == "win32"
        for command in _commands():
            try:
                return subprocess.Popen(
                    [_native(word) for word in command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    env=_environment(),
                    # GIMP knows by the pipes that it has with this process that it has ended.
                    close_fds=not on_windows,
                    creationflags=NO_WINDOW if on_windows else 0,
                )
            except (EnvironmentError, ValueError):
                continue
        raise FillError(
            _(
                "LaMa Fill was not found on this computer: install it, or name its command in "
                "LAMA_FILL_COMMAND."
            )
        )

    def write(self, header, content=b""):
        # type: (dict[str, object], bytes) -> None
        """Send a frame."""
        data = json.dumps(dict(header, bytes=len(content))).encode("utf-8")
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(struct.pack(">I", len(data)) + data)
            pipe.write(content)
            pipe.flush()
        except EnvironmentError:
            raise self._ended()

    def read(self):
        # type: () -> tuple[dict[str, object], bytes]
        """Wait for the next frame."""
        (size,) = struct.unpack(">I", self._bytes(4))
        if size > MAX_HEADER:
            raise self._ended()  # it is another program, which may never write so much
        header = json.loads(self._bytes(size).decode("utf-8"))
        return header, self._bytes(header["bytes"])

    def _bytes(self, size):
        # type: (int) -> bytes
        pipe = self._process.stdout
        assert pipe is not None
        content = pipe.read(size)
        if len(content) != size:
            raise self._ended()
        return content

    def _ended(self):
        # type: () -> FillError
        """Why it ended before it had filled."""
        status = self.close()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().split("\n")
        if status == 2 and "invalid choice" in " ".join(lines):
            return FillError(
                _(
                    "LaMa Fill and its plug-in are of different versions: update LaMa Fill, and put the "
                    "plug-in in again with “lama-fill plugins install”."
                )
            )
        reason = lines[-1].strip() or _("it ended with {status}").format(status=status)
        return FillError(
            _("LaMa Fill's relay failed, and nothing was changed: {reason}").format(reason=reason)
        )

    def close(self):
        # type: () -> int
        """End it, which cancels what it does. Its exit status."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except EnvironmentError:
                pass
        return self._process.wait()


def _native(word):
    # type: (str) -> str | bytes
    """A word of a command line as this Python gives it to the system."""
    if not PYTHON_2:
        return word
    if sys.platform == "win32":
        import ctypes

        # A path in another alphabet than this Windows has set has a short form of plain letters.
        short = ctypes.create_unicode_buffer(1024)
        if word.encode("mbcs", "replace").decode("mbcs") != word:
            ctypes.windll.kernel32.GetShortPathNameW(word, short, 1024)
        return (short.value or word).encode("mbcs", "replace")
    return word.encode("utf-8")


# Layers.


def _children(item):
    # type: (gimpfu.Layer) -> list[gimpfu.Layer]
    """A layer and its siblings, topmost first."""
    return list(item.parent.children if item.parent else item.image.layers)


def _is_fill(layer):
    # type: (gimpfu.Layer) -> bool
    return layer.parasite_find(MARK) is not None


def _position(layer):
    # type: (gimpfu.Layer) -> int
    return int(pdb.gimp_image_get_item_position(layer.image, layer))


def _path(layer):
    # type: (gimpfu.Layer) -> list[int]
    """Where a layer is: its place among its siblings, after those of its groups."""
    path = []  # type: list[int]
    item = layer  # type: gimpfu.Layer | None
    while item is not None:
        path.insert(0, _position(item))
        item = item.parent
    return path


def _layer(image, drawable):
    # type: (gimpfu.Image, gimpfu.Drawable) -> gimpfu.Layer
    """The layer to fill: a mask stands for its layer, and a fill for the layer below."""
    floating = image.floating_selection
    if floating is not None:
        raise FillError(
            _("“{name}” is a floating selection: anchor it or make it a layer first (Layer menu).").format(
                name=text(floating.name)
            )
        )
    if drawable is None:
        raise FillError(_("No layer is active: choose one in the Layers dialog."))
    if drawable.is_layer_mask:
        drawable = pdb.gimp_layer_from_mask(drawable)
    if not isinstance(drawable, gimp.Layer):
        raise FillError(
            _("“{name}” is a channel: choose a layer in the Layers dialog.").format(name=text(drawable.name))
        )
    if _is_fill(drawable):
        for below in _children(drawable)[_position(drawable) + 1 :]:
            if not _is_fill(below):
                return below
    return drawable


def _fills_above(layer):
    # type: (gimpfu.Layer) -> list[gimpfu.Layer]
    """The visible fills directly above a layer: for the artist they and the layer are one picture."""
    fills = []
    for sibling in reversed(_children(layer)[: _position(layer)]):
        if not _is_fill(sibling):
            break
        if sibling.visible:
            fills.append(sibling)
    return fills


def _extent(layer):
    # type: (gimpfu.Layer) -> list[int]
    return [layer.offsets[0], layer.offsets[1], layer.width, layer.height]


def _selected(image):
    # type: (gimpfu.Image) -> list[int] | None
    """The bounds of the selection; None where nothing is selected."""
    there, left, top, right, bottom = pdb.gimp_selection_bounds(image)
    return [left, top, right - left, bottom - top] if there else None


def _common(one, other):
    # type: (list[int], list[int]) -> list[int]
    """What two rectangles have in common; of width or height 0 where that is nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return [left, top, max(0, right - left), max(0, bottom - top)]


def _pixels(drawable, at, rect):
    # type: (gimpfu.Drawable, list[int], list[int]) -> bytes
    """Pixels of a drawable that lies at a place of the image, in its own format; 0 beyond its edges."""
    inside = _common(rect, [at[0], at[1], drawable.width, drawable.height])
    size = drawable.bpp
    if not inside[2] * inside[3]:
        return b"\0" * (rect[2] * rect[3] * size)
    x, y, width, height = inside[0] - at[0], inside[1] - at[1], inside[2], inside[3]
    data = drawable.get_pixel_rgn(x, y, width, height, False, False)[x : x + width, y : y + height]
    if inside == rect:
        return data
    row, left = width * size, b"\0" * ((inside[0] - rect[0]) * size)
    right = b"\0" * (rect[2] * size - row - len(left))
    rows = [left + data[begin : begin + row] + right for begin in range(0, height * row, row)]
    above = b"\0" * ((inside[1] - rect[1]) * rect[2] * size)
    return above + b"".join(rows) + b"\0" * ((rect[3] - height) * rect[2] * size - len(above))


def _write(drawable, at, rect, data):
    # type: (gimpfu.Drawable, list[int], list[int], bytes) -> None
    """Put pixels into a drawable that lies at a place of the image."""
    x, y, width, height = rect[0] - at[0], rect[1] - at[1], rect[2], rect[3]
    region = drawable.get_pixel_rgn(x, y, width, height, True, False)
    region[x : x + width, y : y + height] = data
    drawable.flush()


class Source(object):
    """What is read: a layer, or what is visible. All rectangles are in coordinates of the image."""

    def __init__(self, image, layer, visible):
        # type: (gimpfu.Image, gimpfu.Layer, bool) -> None
        self.image = image
        self.layer = layer
        self.name = text(layer.name)
        self.canvas = [0, 0, image.width, image.height] if visible else _extent(layer)
        self._together = None  # type: list[gimpfu.Layer] | None
        if visible:
            self._together = []
        elif _fills_above(layer):
            self._together = [layer] + _fills_above(layer)
        precision = int(image.precision)
        self.transfer = "perceptual" if precision % 100 else "linear"
        self.depth = DEPTHS.get(precision // 100, "f32")
        self.is_gray = image.base_type == gimpfu.GRAY
        self.is_own = precision // 100 in DEPTHS and image.base_type != gimpfu.INDEXED
        """Whether the image's own pixels are sent; they are converted by GIMP where not."""
        self._work = None  # type: gimpfu.Image | None
        self._drawn = None  # type: tuple[gimpfu.Layer, list[int]] | None

    def header(self):
        # type: () -> dict[str, object]
        """What the relay is told of it."""
        has_alpha = self._together is not None or self.layer.has_alpha
        selected = _selected(self.image)
        return {
            "name": self.name,
            "canvas": self.canvas,
            "hole": self.canvas if selected is None else _common(selected, self.canvas),
            "selection": selected is not None,
            "format": ("gray" if self.is_gray else "rgb") + ("a" if has_alpha else ""),
            "depth": self.depth,
            "transfer": self.transfer,
        }

    def work(self):
        # type: () -> gimpfu.Image
        """An image without layers, with this image's profile and selection, whose pixels can be sent."""
        if self._work is None:
            self._work = work = self.image.duplicate()
            work.disable_undo()
            for layer in work.layers:
                work.remove_layer(layer)
            if work.base_type == gimpfu.INDEXED:
                pdb.gimp_image_convert_rgb(work)
            elif not self.is_own:
                pdb.gimp_image_convert_precision(work, FLOAT + int(work.precision) % 100)
        return self._work

    def selection(self, rect):
        # type: (list[int]) -> bytes
        """The selection, in samples of the pixels' depth."""
        image = self.image if self.is_own else self.work()
        return _pixels(image.selection, [0, 0], rect)

    def pixels(self, rect):
        # type: (list[int]) -> bytes
        """Pixels in the format of the header."""
        if self._together is None and self.is_own:
            return _pixels(self.layer, self.canvas, rect)
        if self._drawn is None or _common(self._drawn[1], rect) != rect:
            self._draw(self.canvas if self._together is None else rect)
        assert self._drawn is not None
        return _pixels(self._drawn[0], self._drawn[1], rect)

    def _draw(self, rect):
        # type: (list[int]) -> None
        """Have this rectangle ready."""
        self._forget()
        if self._together is None:
            drawn = pdb.gimp_layer_new_from_drawable(self.layer, self.work())
        else:
            copy = self.image.duplicate()
            try:
                copy.disable_undo()
                if self._together:
                    _isolate(copy.layers, [_path(layer) for layer in self._together])
                # GIMP copies without touching pixels: only what is left in the copy is drawn.
                copy.resize(rect[2], rect[3], -rect[0], -rect[1])
                drawn = pdb.gimp_layer_new_from_visible(copy, self.work(), LAYER_NAME)
            finally:
                gimp.delete(copy)
        self._drawn = (drawn, rect)

    def _forget(self):
        # type: () -> None
        if self._drawn is not None:
            gimp.delete(self._drawn[0])
            self._drawn = None

    def close(self):
        # type: () -> None
        """Nothing is read any more. No copy is left behind, whatever ends this process later."""
        self._forget()
        if self._work is not None:
            gimp.delete(self._work)
            self._work = None


def _isolate(layers, paths):
    # type: (list[gimpfu.Layer], list[list[int]]) -> None
    """Hide all layers but those at the paths. Their groups, and the first of them, do not change pixels."""
    for place, layer in enumerate(layers):
        below = [path[1:] for path in paths if path[0] == place]
        layer.visible = bool(below)
        if any(below):
            _isolate(layer.children, below)
        if any(below) or [place] == paths[0]:
            layer.opacity = 100.0
            layer.mode = gimpfu.LAYER_MODE_NORMAL
            if layer.mask is not None:
                layer.apply_mask = False


# The fill.


class ProgressBar(object):
    """GIMP's progress bar."""

    def __init__(self):
        # type: () -> None
        self._text = ""

    def show(self, message, fraction):
        # type: (str, float | None) -> None
        """None: it is not known how far it is."""
        if not self._text:
            gimp.progress_init(message)
        elif message != self._text:
            pdb.gimp_progress_set_text(message)
        self._text = message
        if fraction is None:
            pdb.gimp_progress_pulse()
        else:
            gimp.progress_update(fraction)


def fill(image, drawable, options):
    # type: (gimpfu.Image, gimpfu.Drawable, dict[str, object]) -> None
    """Fill, and add the new layer. Until all of it has come, nothing in the image is changed."""
    # Else GIMP gives, and takes, 8 bits of whatever the image has.
    pdb.gimp_plugin_enable_precision()
    layer = _layer(image, drawable)
    source = Source(image, layer, options["input"] == "visible")
    header = source.header()
    header.update({"type": "fill", "relay": RELAY, "options": options, "locale": LOCALE})
    header["editor"] = ".".join(str(number) for number in gimp.version)
    relay, bar = Relay(), ProgressBar()
    patches = []  # type: list[tuple[list[int], bytes]]
    try:
        relay.write(header)
        while True:
            answer, content = relay.read()
            kind = answer["type"]
            if kind == "read":
                read = source.pixels if answer["what"] == "pixels" else source.selection
                relay.write({"type": "data"}, read(answer["rect"]))  # type: ignore[arg-type]
            elif kind == "close":
                source.close()
            elif kind == "progress":
                bar.show(answer["text"], answer["fraction"])  # type: ignore[arg-type]
            elif kind == "patch":
                patches.append((answer["rect"], content))  # type: ignore[arg-type]
            elif kind == "error":
                raise FillError(answer["text"])
            elif kind == "done":
                _add(source, answer["rect"], patches, options["output"] == "mask")  # type: ignore[arg-type]
                return
    finally:
        source.close()
        relay.close()


def _add(source, rect, patches, masks):
    # type: (Source, list[int], list[tuple[list[int], bytes]], bool) -> None
    """Put the new layer into the image, in one undo step. The active layer stays active."""
    image, layer, active = source.image, source.layer, source.image.active_layer
    new = _new_layer(source, rect, patches, masks)
    # Directly above the layer; above its fills where these would cover what is new.
    covering = [fill for fill in _fills_above(layer) if 0 not in _common(_extent(fill), rect)[2:]]
    image.undo_group_start()
    try:
        pdb.gimp_image_insert_layer(image, new, layer.parent, _position(covering[-1] if covering else layer))
    finally:
        image.undo_group_end()
    image.active_layer = active


def _new_layer(source, rect, patches, masks):
    # type: (Source, list[int], list[tuple[list[int], bytes]], bool) -> gimpfu.Layer
    """A layer that is not in the image yet."""
    image = source.image if source.is_own else source.work()
    kind = gimpfu.GRAYA_IMAGE if source.is_gray else gimpfu.RGBA_IMAGE
    new = gimp.Layer(image, LAYER_NAME, rect[2], rect[3], kind, 100.0, gimpfu.LAYER_MODE_NORMAL)
    mask = None
    if masks:
        mask = new.create_mask(gimpfu.ADD_BLACK_MASK)
        new.add_mask(mask)
    for at, content in patches:
        pixels = at[2] * at[3] * new.bpp
        _write(new, rect, at, content[:pixels])
        if mask is not None:
            _write(mask, rect, at, content[pixels:])
    if not source.is_own:
        new = pdb.gimp_layer_new_from_drawable(new, source.image)
        new.name = LAYER_NAME
    new.set_offsets(rect[0], rect[1])
    new.attach_new_parasite(MARK, gimpfu.PARASITE_PERSISTENT, "1")
    return new


# The procedure.


def _options(values):
    # type: (tuple[object, ...]) -> dict[str, object]
    """The procedure's arguments as the relay calls them. Spin buttons give floats."""
    chosen, output, context, grow, feather, quality, variation, model = values
    named = {}  # type: dict[str, object]
    for name, names, value in (
        ("input", INPUTS, chosen),
        ("output", OUTPUTS, output),
        ("context", CONTEXTS, context),
        ("quality", QUALITIES, quality),
    ):
        number = int(value)  # type: ignore[call-overload]
        if not 0 <= number < len(names):
            raise FillError(
                _("{name} is from 0 to {most}, not {value}.").format(
                    name=name, most=len(names) - 1, value=number
                )
            )
        named[name] = names[number]
    for name, value in (("grow", grow), ("feather", feather), ("variation", variation)):
        named[name] = int(value)  # type: ignore[call-overload]
    named["model"] = text(model or "")  # type: ignore[arg-type]
    return named


def _ask(name, image, drawable):
    # type: (str, gimpfu.Image, gimpfu.Drawable) -> tuple[object, ...] | None
    """The arguments that the artist chooses in gimpfu's dialog; None when it was cancelled.

    gimpfu runs the registered function in its dialog, where nothing could cancel it. So that function only
    keeps what was chosen, and the fill runs when the dialog is gone: with the progress bar of the image's
    window, and its button.
    """
    layer = _layer(image, drawable)
    covers = _extent(layer) == [0, 0, image.width, image.height]
    if _selected(image) is None and not layer.has_alpha and covers:
        raise FillError(
            _(
                "There is nothing to fill in “{layer}”: select what should disappear, on this layer, or "
                "erase it. Without a selection the transparent pixels are filled."
            ).format(layer=text(layer.name))
        )
    try:
        return gimpfu._interact(name, (image, drawable))
    except gimpfu.CancelError:
        return None
    except ImportError:
        # Some builds of GIMP come without PyGTK, and so without a dialog.
        return _last_values(name)


def _last_values(name):
    # type: (str) -> tuple[object, ...]
    return tuple(gimpfu._get_defaults(name)[2:])


def _keep(_image, _drawable, *values):
    # type: (gimpfu.Image, gimpfu.Drawable, *object) -> tuple[object, ...]
    """What gimpfu calls with what was chosen."""
    return values


def run(name, arguments):
    # type: (str, tuple[object, ...]) -> None
    """What GIMP calls, in every run mode."""
    mode, image, drawable = arguments[:3]
    try:
        if mode == gimpfu.RUN_INTERACTIVE:
            values = _ask(name, image, drawable)  # type: ignore[arg-type]
        elif mode == gimpfu.RUN_WITH_LAST_VALS:
            values = _last_values(name)
        else:
            values = tuple(arguments[3:])
        if values is not None:
            fill(image, drawable, _options(values))  # type: ignore[arg-type]
    except Exception as error:
        message = error.args[0] if isinstance(error, FillError) else None
        if message is None:
            traceback.print_exc()
            message = _("LaMa Fill failed, and nothing was changed: {error}").format(
                error="{}: {}".format(type(error).__name__, error)
            )
        gimp.message(message)
        if mode == gimpfu.RUN_NONINTERACTIVE:
            raise
    gimp.displays_flush()


gimpfu.register(
    PROCEDURE,
    N_("Make what is selected disappear"),
    N_(
        "Fills the selection, or the transparent pixels where nothing is selected, with what could "
        "be behind it, in a new layer directly above the active one."
    ),
    "LaMa Fill",
    "LaMa Fill, Apache-2.0",
    "2026",
    N_("LaMa _Fill..."),
    "*",
    [
        (gimpfu.PF_IMAGE, "image", "Image", None),
        (gimpfu.PF_DRAWABLE, "drawable", "Layer", None),
        (gimpfu.PF_OPTION, "input", _("_Input"), 0, (_("Active layer"), _("What is visible"))),
        (
            gimpfu.PF_OPTION,
            "output",
            _("O_utput"),
            0,
            (_("New layer"), _("New layer with an editable mask")),
        ),
        (
            gimpfu.PF_OPTION,
            "context",
            _("Conte_xt"),
            0,
            (
                _("Automatic"),
                _("32 pixels"),
                _("64 pixels"),
                _("128 pixels"),
                _("256 pixels"),
                _("512 pixels"),
                _("1024 pixels"),
                _("The whole picture"),
            ),
        ),
        (gimpfu.PF_SPINNER, "grow", _("_Grow (pixels, -1: automatic)"), -1, (-1, MAX_PIXELS, 1)),
        (gimpfu.PF_SPINNER, "feather", _("_Feather (pixels, -1: automatic)"), -1, (-1, MAX_PIXELS, 1)),
        (gimpfu.PF_OPTION, "quality", _("_Quality"), 1, (_("Fast"), _("Balanced"), _("Best"))),
        (gimpfu.PF_SPINNER, "variation", _("_Variation"), 0, (0, MAX_SEED, 1)),
        (gimpfu.PF_STRING, "model", _("_Model"), ""),
    ],
    [],
    _keep,
    menu="<Image>/Filters",
    domain=(DOMAIN, LOCALE),
)

# gimpfu's own `main` would run the registered function, and keep what goes wrong to itself.
gimp.main(None, None, gimpfu._query, run)
