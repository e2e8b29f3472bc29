"""What the plug-in for GIMP 2.10 uses of gimpfu, written by hand: there is no other description of it.

Texts are given as `str`. In Python 2.7 they come back as bytes, so what returns one is `str | bytes`.
"""

from collections.abc import Callable
from typing import Any

class Item:
    image: Image
    parent: Layer | None
    children: list[Layer]

class Drawable(Item):
    name: str | bytes
    width: int
    height: int
    bpp: int
    has_alpha: bool
    is_layer_mask: bool
    offsets: tuple[int, int]
    visible: bool

    def get_pixel_rgn(
        self, x: int, y: int, width: int, height: int, dirty: bool = ..., shadow: bool = ...
    ) -> PixelRgn: ...
    def flush(self) -> None: ...
    def parasite_find(self, name: str) -> object | None: ...
    def attach_new_parasite(self, name: str, flags: int, data: str) -> None: ...

class Layer(Drawable):
    mask: Channel | None
    apply_mask: bool
    mode: int
    opacity: float

    def __init__(
        self, image: Image, name: str, width: int, height: int, type: int, opacity: float, mode: int
    ) -> None: ...
    def create_mask(self, type: int) -> Channel: ...
    def add_mask(self, mask: Channel) -> None: ...
    def set_offsets(self, x: int, y: int) -> None: ...

class Channel(Drawable): ...

class PixelRgn:
    """Slices are in coordinates of the drawable: `[left:right, top:bottom]`."""

    def __getitem__(self, place: tuple[slice, slice]) -> bytes: ...
    def __setitem__(self, place: tuple[slice, slice], data: bytes) -> None: ...

class Image:
    width: int
    height: int
    base_type: int
    precision: int
    layers: list[Layer]
    active_layer: Layer
    selection: Channel
    floating_selection: Layer | None

    def duplicate(self) -> Image: ...
    def disable_undo(self) -> None: ...
    def remove_layer(self, layer: Layer) -> None: ...
    def resize(self, width: int, height: int, x: int, y: int) -> None: ...
    def undo_group_start(self) -> None: ...
    def undo_group_end(self) -> None: ...

class gimp:
    """The module `gimp`, which gimpfu imports."""

    Layer = Layer
    version: tuple[int, int, int]

    @staticmethod
    def main(
        init: None,
        quit: None,
        query: Callable[[], None],
        run: Callable[[str, tuple[object, ...]], None],
    ) -> None: ...
    @staticmethod
    def message(message: str) -> None: ...
    @staticmethod
    def progress_init(message: str) -> None: ...
    @staticmethod
    def progress_update(fraction: float) -> None: ...
    @staticmethod
    def displays_flush() -> None: ...
    @staticmethod
    def delete(thing: Image | Drawable) -> None: ...

class _Procedures:
    """GIMP's procedures, those that are used."""

    def gimp_plugin_enable_precision(self) -> None: ...
    def gimp_layer_from_mask(self, mask: Drawable) -> Layer: ...
    def gimp_image_get_item_position(self, image: Image, item: Item) -> int: ...
    def gimp_image_insert_layer(
        self, image: Image, layer: Layer, parent: Layer | None, position: int
    ) -> None: ...
    def gimp_image_convert_rgb(self, image: Image) -> None: ...
    def gimp_image_convert_precision(self, image: Image, precision: int) -> None: ...
    def gimp_layer_new_from_drawable(self, drawable: Drawable, image: Image) -> Layer: ...
    def gimp_layer_new_from_visible(self, image: Image, into: Image, name: str) -> Layer: ...
    def gimp_selection_bounds(self, image: Image) -> tuple[int, int, int, int, int]: ...
    def gimp_progress_set_text(self, message: str) -> None: ...
    def gimp_progress_pulse(self) -> None: ...

pdb: _Procedures

class CancelError(RuntimeError): ...

def register(
    proc_name: str,
    blurb: str,
    help: str,
    author: str,
    copyright: str,
    date: str,
    label: str,
    imagetypes: str,
    params: list[tuple[Any, ...]],
    results: list[tuple[Any, ...]],
    function: Callable[..., object],
    menu: str | None = ...,
    domain: tuple[str, str] | None = ...,
) -> None: ...
def _query() -> None: ...
def _interact(proc_name: str, start_params: tuple[object, ...]) -> tuple[object, ...]:
    """What the registered function returns for what was chosen."""

def _get_defaults(proc_name: str) -> list[Any] | tuple[Any, ...]: ...

RGB: int
GRAY: int
INDEXED: int
RGBA_IMAGE: int
GRAYA_IMAGE: int
LAYER_MODE_NORMAL: int
ADD_BLACK_MASK: int
PARASITE_PERSISTENT: int
RUN_INTERACTIVE: int
RUN_NONINTERACTIVE: int
RUN_WITH_LAST_VALS: int

PF_IMAGE: int
PF_DRAWABLE: int
PF_OPTION: int
PF_SPINNER: int
PF_STRING: int
