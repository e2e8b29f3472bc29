"""GIMP itself: the procedure, its dialog, reading layers and adding new ones.

The only file that touches `gi`. Written for GIMP 3.0 and 3.2, whose Python gives enumerations as numbers:
they are compared, never printed.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, GLib, GObject  # noqa: E402

from lama_core.client.errors import LamaFillError  # noqa: E402
from lama_core.client.geometry import Rect  # noqa: E402
from lama_core.client.gimp import job  # noqa: E402
from lama_core.client.gimp.options import MAX_SEED, Options  # noqa: E402
from lama_core.client.options import MAX_FEATHER, MAX_GROW, Transfer  # noqa: E402
from lama_core.client.plugin import choices  # noqa: E402
from lama_core.client.plugin.messages import error_message  # noqa: E402
from lama_core.client.plugin.pieces import CopySource  # noqa: E402
from lama_core.client.plugin.shared_server import take_address  # noqa: E402
from lama_core.client.plugin.texts import _, use_translation  # noqa: E402
from lama_core.client.selection import INVERTED, Source  # noqa: E402
from lama_fill_gimp import pixels  # noqa: E402
from lama_fill_gimp.server_connector import ServerConnector, find_server  # noqa: E402

PROCEDURE = "plug-in-lama-fill"
DOMAIN = "lama-fill"
LAYER_NAME = "LaMa Fill"

_EVERYWHERE = -1
"""What stands for no channel in a list of channels: no item of GIMP has this number."""

MARK = "lama-fill"
"""Marks the layers that are fills: a later fill of the layer below sees the picture with them."""


def main(arguments: Sequence[str]) -> None:
    """Hand this process to GIMP, which calls the plug-in below."""
    Gimp.main(LamaFill.__gtype__, list(arguments))


class LamaFill(Gimp.PlugIn):
    """The procedures that GIMP asks for."""

    def do_set_i18n(self, name: str) -> tuple[bool, str, str]:
        return True, DOMAIN, "locale"

    def do_query_procedures(self) -> list[str]:
        return [PROCEDURE]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        use_translation(lambda text: GLib.dgettext(DOMAIN, text))
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        # The menu entry is always enabled: where a fill is not possible, it says why.
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE
            | Gimp.ProcedureSensitivityMask.DRAWABLES
            | Gimp.ProcedureSensitivityMask.NO_DRAWABLES
        )
        procedure.set_menu_label(_("LaMa _Fill..."))
        procedure.add_menu_path("<Image>/Filters")
        procedure.set_documentation(
            _("Make what is selected disappear"),
            _(
                "Fills the selection, or the transparent pixels where nothing is selected, with what could "
                "be behind it, in a new layer directly above the active one."
            ),
            None,  # a help page would have to be in GIMP's manual; without one the dialog has no help button
        )
        procedure.set_attribution("LaMa Fill", "LaMa Fill, Apache-2.0", "2026")
        _add_arguments(procedure)
        return procedure


def _add_arguments(procedure: Gimp.Procedure) -> None:
    flags = GObject.ParamFlags.READWRITE
    defaults = Options()
    for name, label, hint, options, value in (
        ("input", _("_Input"), _("The pixels that the fill is made from"), choices.INPUTS, defaults.input),
        ("output", _("O_utput"), _("What is added above the active layer"), choices.OUTPUTS, defaults.output),
        (
            "context",
            _("Conte_xt"),
            _("How much of the picture around the hole is looked at"),
            choices.CONTEXTS,
            defaults.context,
        ),
        ("quality", _("_Quality"), _("Better takes longer"), choices.QUALITIES, defaults.quality),
    ):
        choice = Gimp.Choice.new()
        for number, option in enumerate(options):
            choice.add(option.name, number, _(option.label), "")
        procedure.add_choice_argument(name, label, hint, choice, value, flags)
    for name, label, hint, most in (
        (
            "grow",
            _("_Grow (pixels, -1: automatic)"),
            _("By how much the selection is made larger first, so that no edge of what disappears remains"),
            MAX_GROW,
        ),
        (
            "feather",
            _("_Feather (pixels, -1: automatic)"),
            _("Over how much the fill is blended into the picture around it"),
            MAX_FEATHER,
        ),
    ):
        procedure.add_int_argument(name, label, hint, -1, most, -1, flags)
    procedure.add_int_argument(
        "variation",
        _("_Variation"),
        _("Another number gives another fill of the same place"),
        0,
        MAX_SEED,
        defaults.variation,
        flags,
    )
    # By its name, not as a channel: so it is remembered from one session to the next, means the same in the
    # next image, and one that was deleted is missed and not taken for everywhere.
    procedure.add_string_argument(
        "source",
        _("Cop_y from"),
        _("What the fill may be copied from: a channel of the image, white there; empty for everywhere"),
        "",
        flags,
    )
    procedure.add_string_argument(
        "model", _("_Model"), _("The name of an installed model; empty for the server's default"), "", flags
    )
    procedure.add_string_argument(
        "server",
        _("Ser_ver"),
        _("The address of a shared server that your administrator gave you; empty for this machine's own"),
        "",
        flags,
    )


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
    data: Any,
) -> Gimp.ValueArray:
    """What GIMP calls, in every run mode. Errors are returned as values, which GIMP shows."""
    try:
        done = _run(procedure, run_mode, image, drawables, config)
    except Exception as error:  # noqa: BLE001 - GIMP shows nothing of a Python exception
        if not isinstance(error, LamaFillError):
            traceback.print_exc()
        return _failed(procedure, str(error_message(error, editor="GIMP")))
    status = Gimp.PDBStatusType.SUCCESS if done else Gimp.PDBStatusType.CANCEL
    return procedure.new_return_values(status, None)


def _failed(procedure: Gimp.Procedure, message: str) -> Gimp.ValueArray:
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(message=message))


def _run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> bool:
    """False when the artist closed the dialog without a fill."""
    Gegl.init(None)
    layers = _layers(image, drawables)
    connector = None
    if run_mode == Gimp.RunMode.INTERACTIVE:
        _refuse_at_once(image, layers)
        connector = ServerConnector(Gimp.version(), _server(config))
        if not _ask(procedure, config, connector, image):
            return False
    address = take_address(_server(config))
    # What was pasted holds a token, and GIMP remembers what was chosen.
    config.set_property("server", address)
    options = _options(config)
    copied = _copy_source(image, _channel_name(config))
    if options.input == "visible":
        # What is visible is the same for all of them: one fill, above the topmost.
        layers = layers[:1]
    sources = [_Source(image, layer, visible=options.input == "visible") for layer in layers]
    for source in sources:
        if source.hole.is_empty:
            raise job.JobError(job.nothing_to_fill(source.name))
    bar = _ProgressBar()
    with find_server(connector, Gimp.version(), bar, address) as server:
        fillings = job.fill(sources, options, server, bar, copied=copied)
    _add(image, layers, fillings, masks=options.output == "mask")
    return True


def _options(config: Gimp.ProcedureConfig) -> Options:
    names = ("grow", "feather", "context", "input", "output", "quality", "variation")
    # GIMP sometimes gives an empty text back as None.
    model = config.get_property("model") or ""
    return Options(model=model, **{name: config.get_property(name) for name in names})


def _channel_name(config: Gimp.ProcedureConfig) -> str:
    return config.get_property("source") or ""


def _copy_source(image: Gimp.Image, name: str) -> CopySource | None:
    """What a channel says may be copied; None without a name."""
    if not name:
        return None
    channel = image.get_channel_by_name(name)
    if channel is None:
        raise job.JobError(
            _("There is no channel “{name}” in this image: choose another one, or “Everywhere”.").format(
                name=name
            )
        )

    def read(rect: Rect) -> bytes:
        return _bytes(channel, rect, pixels.SELECTION).translate(pixels.HALF_OR_MORE)

    return CopySource(name, Source(Rect(0, 0, image.get_width(), image.get_height()), read))


def _server(config: Gimp.ProcedureConfig) -> str:
    return config.get_property("server") or ""


def _layers(image: Gimp.Image, drawables: Sequence[Gimp.Drawable]) -> list[Gimp.Layer]:
    """The selected layers, topmost first; a mask stands for its layer, and a fill for the layer below."""
    floating = image.get_floating_sel()
    if floating is not None:
        raise job.JobError(
            _("“{name}” is a floating selection: anchor it or make it a layer first (Layer menu).").format(
                name=floating.get_name()
            )
        )
    layers: list[Gimp.Layer] = []
    for chosen in drawables:
        drawable = Gimp.Layer.from_mask(chosen) if isinstance(chosen, Gimp.LayerMask) else chosen
        if not isinstance(drawable, Gimp.Layer):
            raise job.JobError(
                _("“{name}” is a channel: choose a layer in the Layers dialog.").format(
                    name=drawable.get_name()
                )
            )
        layer = _filled_by(drawable)
        if all(layer.get_id() != other.get_id() for other in layers):
            layers.append(layer)
    if not layers:
        raise job.JobError(_("No layer is active: choose one in the Layers dialog."))
    return sorted(layers, key=_path)


def _filled_by(layer: Gimp.Layer) -> Gimp.Layer:
    """The layer that a fill belongs to; every other layer is its own.

    A fill is the active layer after a redo, say. What the artist then selects is in the picture below.
    """
    if layer.get_parasite(MARK) is None:
        return layer
    siblings = _siblings(layer)
    below = siblings[layer.get_image().get_item_position(layer) + 1 :]
    return next((sibling for sibling in below if sibling.get_parasite(MARK) is None), layer)


def _path(layer: Gimp.Layer) -> tuple[int, ...]:
    """Where a layer is: its place among its siblings, after those of its groups."""
    path: list[int] = []
    item: Gimp.Layer | None = layer
    while item is not None:
        path.insert(0, layer.get_image().get_item_position(item))
        item = item.get_parent()
    return tuple(path)


def _refuse_at_once(image: Gimp.Image, layers: Sequence[Gimp.Layer]) -> None:
    """Say before the dialog opens that there is nothing to fill."""
    canvas = Rect(0, 0, image.get_width(), image.get_height())
    for layer in layers:
        # What is visible may be transparent where a layer ends.
        if _selected(image) is None and not layer.has_alpha() and _extent(layer) == canvas:
            raise job.JobError(job.nothing_to_fill(layer.get_name()))


def _selected(image: Gimp.Image) -> Rect | None:
    """The bounds of the selection; None when nothing is selected."""
    _success, non_empty, left, top, right, bottom = Gimp.Selection.bounds(image)
    return Rect(left, top, right - left, bottom - top) if non_empty else None


def _extent(layer: Gimp.Layer) -> Rect:
    _success, x, y = layer.get_offsets()
    return Rect(x, y, layer.get_width(), layer.get_height())


def _bytes(drawable: Gimp.Drawable, rect: Rect, babl: str) -> bytes:
    """Pixels of a drawable, in its own coordinates; 0 beyond its edge."""
    where = Gegl.Rectangle.new(rect.x, rect.y, rect.width, rect.height)
    data: bytes = drawable.get_buffer().get(where, 1.0, babl, Gegl.AbyssPolicy.NONE)
    return data


class _Source:
    """A layer, or what is visible in the image, as a `job.Source`."""

    transfer: Transfer = "perceptual"  # see `pixels`

    def __init__(self, image: Gimp.Image, layer: Gimp.Layer, *, visible: bool) -> None:
        self.name = str(layer.get_name())
        self.canvas = Rect(0, 0, image.get_width(), image.get_height()) if visible else _extent(layer)
        self._selection = image.get_selection() if _selected(image) else None
        self._layer = layer
        fills = [] if visible else _fills_above(layer)
        self._picture = _Picture(image, [] if visible else [layer, *fills]) if visible or fills else None
        has_alpha = self._picture is not None or layer.has_alpha()
        self.layout = pixels.find_layout(
            gray=image.get_base_type() == Gimp.ImageBaseType.GRAY,
            has_alpha=has_alpha,
            precision=_precision(image),
        )
        if self._selection is not None:
            self.hole = (_selected(image) or self.canvas).clipped(self.canvas)
        elif has_alpha:
            self.hole = self.canvas
        else:
            self.hole = Rect(self.canvas.x, self.canvas.y, 0, 0)

    def read(self, rect: Rect) -> bytes:
        return self._read(rect, pixels.babl_format(self.layout))

    def read_hole(self, rect: Rect) -> bytes:
        if self._selection is not None:
            return _bytes(self._selection, rect, pixels.SELECTION)
        if self._picture is not None:
            # The hole is read in bands: draw all of them at once.
            self._picture.show(self.canvas)
        return self._read(rect, pixels.ALPHA).translate(INVERTED)

    def _read(self, rect: Rect, babl: str) -> bytes:
        if self._picture is not None:
            return self._picture.read(rect, babl)
        _success, x, y = self._layer.get_offsets()
        return _bytes(self._layer, rect.shifted(-x, -y), babl)

    def close(self) -> None:
        if self._picture is not None:
            self._picture.close()


def _precision(image: Gimp.Image) -> str:
    """The precision of an image as a key of `pixels.DEPTHS`; "" where it is none of them."""
    found = image.get_precision()
    return next((name for name in pixels.DEPTHS if getattr(Gimp.Precision, name) == found), "")


def _siblings(layer: Gimp.Layer) -> Sequence[Gimp.Layer]:
    parent = layer.get_parent()
    children: Sequence[Gimp.Layer] = parent.get_children() if parent else layer.get_image().get_layers()
    return children


def _fills_above(layer: Gimp.Layer) -> list[Gimp.Layer]:
    """The visible fills directly above a layer: for the artist they and the layer are one picture."""
    fills: list[Gimp.Layer] = []
    place = layer.get_image().get_item_position(layer)
    for sibling in reversed(_siblings(layer)[:place]):
        if sibling.get_parasite(MARK) is None:
            break
        if sibling.get_visible():
            fills.append(sibling)
    return fills


class _Picture:
    """What several layers look like together, in one rectangle at a time.

    Made from a copy of the image, cut to that rectangle before it is drawn: GIMP copies without touching
    pixels, so it costs what the rectangle costs.
    """

    def __init__(self, image: Gimp.Image, only: Sequence[Gimp.Layer]) -> None:
        """`only`: siblings, drawn alone and as they are; empty for all that is visible in the image."""
        self._image = image
        self._only = [_path(layer) for layer in only]
        self._copy: Gimp.Image | None = None
        self._drawn: Gimp.Layer | None = None
        self._rect = Rect(0, 0, 0, 0)

    def read(self, rect: Rect, babl: str) -> bytes:
        self.show(rect)
        assert self._drawn is not None
        return _bytes(self._drawn, rect.shifted(-self._rect.x, -self._rect.y), babl)

    def show(self, rect: Rect) -> None:
        """Have this rectangle ready."""
        if self._drawn is not None and self._rect.contains(rect):
            return
        self.close()
        copy = self._copy = self._image.duplicate()
        copy.undo_disable()
        if self._only:
            _isolate(copy.get_layers(), self._only)
        copy.resize(rect.width, rect.height, -rect.x, -rect.y)
        self._drawn = Gimp.Layer.new_from_visible(copy, copy, LAYER_NAME)
        self._rect = rect

    def close(self) -> None:
        if self._copy is not None:
            self._copy.delete()
        self._copy = self._drawn = None


def _isolate(layers: Sequence[Gimp.Layer], paths: Sequence[tuple[int, ...]]) -> None:
    """Hide all layers but those at the paths. Their groups, and the first of them, do not change pixels."""
    for place, layer in enumerate(layers):
        below = [path[1:] for path in paths if path[0] == place]
        layer.set_visible(bool(below))
        if any(below):
            _isolate(layer.get_children(), below)
        if any(below) or (place,) == paths[0]:
            layer.set_opacity(100.0)
            layer.set_mode(Gimp.LayerMode.NORMAL)
            if layer.get_mask() is not None:
                layer.set_apply_mask(False)


def _add(
    image: Gimp.Image, layers: Sequence[Gimp.Layer], fillings: Sequence[job.Filling], *, masks: bool
) -> None:
    """Put the new layers into the image, in one undo step. The selected layers stay selected."""
    selected = image.get_selected_layers()
    new = [_new_layer(image, layer, filling, masks=masks) for layer, filling in zip(layers, fillings)]
    image.undo_group_start()
    try:
        for layer, above in zip(layers, new):
            place = _place(layer, _extent(above))
            if not image.insert_layer(above, layer.get_parent(), place):
                raise job.JobError(
                    _("GIMP did not take the new layer above “{layer}”.").format(layer=layer.get_name())
                )
    finally:
        image.undo_group_end()
    image.set_selected_layers(selected)
    Gimp.displays_flush()


def _place(layer: Gimp.Layer, rect: Rect) -> int:
    """Directly above the layer; above its fills where these would cover what is new."""
    covering = [fill for fill in _fills_above(layer) if not _extent(fill).intersect(rect).is_empty]
    place: int = layer.get_image().get_item_position(covering[-1] if covering else layer)
    return place


def _new_layer(image: Gimp.Image, below: Gimp.Layer, filling: job.Filling, *, masks: bool) -> Gimp.Layer:
    """A layer that is not in the image yet."""
    rect = filling.rect
    layer = Gimp.Layer.new(
        image, LAYER_NAME, rect.width, rect.height, below.type_with_alpha(), 100.0, Gimp.LayerMode.NORMAL
    )
    layer.set_offsets(rect.x, rect.y)
    layer.attach_parasite(Gimp.Parasite.new(MARK, Gimp.PARASITE_PERSISTENT, b"1"))
    _write(layer, filling, pixels.babl_format(filling.layout), [patch.pixels for patch in filling.patches])
    if masks:
        mask = layer.create_mask(Gimp.AddMaskType.BLACK)
        layer.add_mask(mask)
        _write(mask, filling, pixels.SELECTION, [patch.blend for patch in filling.patches])
    return layer


def _write(drawable: Gimp.Drawable, filling: job.Filling, babl: str, contents: Sequence[bytes]) -> None:
    buffer = drawable.get_buffer()
    for patch, content in zip(filling.patches, contents):
        at = patch.rect.shifted(-filling.rect.x, -filling.rect.y)
        buffer.set(Gegl.Rectangle.new(at.x, at.y, at.width, at.height), babl, content)
    buffer.flush()
    drawable.update(0, 0, filling.rect.width, filling.rect.height)


class _ProgressBar:
    """GIMP's progress bar."""

    def __init__(self) -> None:
        self._text = ""

    def show(self, text: str, fraction: float) -> None:
        if not self._text:
            Gimp.progress_init(text)
        elif text != self._text:
            Gimp.progress_set_text(text)
        self._text = text
        Gimp.progress_update(fraction)

    def pulse(self) -> None:
        Gimp.progress_pulse()

    def is_cancelled(self) -> bool:
        return False  # to cancel, GIMP ends this process


def _ask(
    procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, connector: ServerConnector, image: Gimp.Image
) -> bool:
    """Show the dialog. True: fill."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi

    GimpUi.init(PROCEDURE)
    dialog = GimpUi.ProcedureDialog.new(procedure, config, _("LaMa Fill"))
    dialog.fill(["input", "output", "context", "grow", "feather", "quality", "variation", "server"])
    beside = dialog.get_widget("feather", GObject.TYPE_NONE).get_label()
    for row in (
        _channel_row(config, image, beside=beside),
        _model_row(config, connector, beside=beside),
    ):
        dialog.get_content_area().pack_start(row, False, False, 0)
    chosen: bool = dialog.run()
    dialog.destroy()
    return chosen


def _channel_row(config: Gimp.ProcedureConfig, image: Gimp.Image, *, beside: Any) -> Any:
    """GIMP's own list of channels: this image's, after “Everywhere”; `beside` is a label to align with."""
    from gi.repository import GimpUi

    def is_of_image(_image: Gimp.Image, channel: Gimp.Channel, *_data: Any) -> bool:
        return channel.get_image().get_id() == image.get_id()

    box = GimpUi.ChannelComboBox.new(is_of_image, None)
    store = box.get_model()
    value, label = int(GimpUi.IntStoreColumns.VALUE), int(GimpUi.IntStoreColumns.LABEL)
    for entry in store:
        channel = Gimp.Item.get_by_id(entry[value])
        if channel is not None:
            # Without the name of the image, which is the same for all of them.
            entry[label] = channel.get_name()
    store.set(store.prepend(), [value, label], [_EVERYWHERE, _("Everywhere")])

    def show(*_changed: Any) -> None:
        channel = image.get_channel_by_name(_channel_name(config)) if _channel_name(config) else None
        box.set_active(_EVERYWHERE if channel is None else channel.get_id())

    def chosen(_box: Any) -> None:
        found, number = box.get_active()
        channel = Gimp.Item.get_by_id(number) if found and number != _EVERYWHERE else None
        config.set_property("source", "" if channel is None else channel.get_name())

    show()
    # One of another image is not what the dialog shows.
    chosen(box)
    # GIMP's list has a `connect` of its own, which is another.
    GObject.Object.connect(box, "changed", chosen)
    config.connect("notify::source", show)
    box.set_tooltip_text(
        _("What the fill may be copied from: white in a channel. Select > Save to Channel makes one.")
    )
    return _row(_("Cop_y from"), box, beside)


def _model_row(config: Gimp.ProcedureConfig, connector: ServerConnector, *, beside: Any) -> Any:
    """A list of the server's models, filled when the server is found; `beside` is a label to align with."""
    from gi.repository import Gtk

    box = Gtk.ComboBoxText()

    def add(name: str, title: str) -> None:
        box.append(name, title)

    add("", _("Default"))
    if _options(config).model:
        add(_options(config).model, _options(config).model)

    def ask_server() -> bool:
        if connector.is_alive():
            return True
        if connector.server is not None:
            welcome = connector.server.welcome
            chosen = _options(config).model
            box.remove_all()
            add("", _("Default ({model})").format(model=welcome.default_model or "-"))
            names = [model.name for model in welcome.models]
            for name in names if not chosen or chosen in names else [*names, chosen]:
                titles = [model.title for model in welcome.models if model.name == name]
                add(name, titles[0] if titles and titles[0] else name)
            box.set_active_id(chosen)
        return False

    def changed(_box: Any) -> None:
        if box.get_active_id() is not None:
            config.set_property("model", box.get_active_id())

    box.set_active_id(_options(config).model)
    box.connect("changed", changed)
    config.connect("notify::model", lambda *_: box.set_active_id(_options(config).model))
    GLib.timeout_add(100, ask_server)
    return _row(_("_Model"), box, beside)


def _row(text: str, box: Any, beside: Any) -> Any:
    """A line of the dialog: a label, as wide as the label beside it, and what it is of."""
    from gi.repository import Gtk

    label = Gtk.Label.new_with_mnemonic(text)
    label.set_mnemonic_widget(box)
    label.set_xalign(0.0)
    columns = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    columns.add_widget(label)
    columns.add_widget(beside)
    row = Gtk.Box(spacing=6)
    row.pack_start(label, False, False, 0)
    row.pack_start(box, True, True, 0)
    row.show_all()
    return row
