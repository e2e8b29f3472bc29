# Made by make_stubs.py from GIMP's .gir files.
import enum
import typing

from gi.repository import Gimp, Gtk

class ChannelComboBox(IntComboBox):
    @staticmethod
    def new(constraint: typing.Any, data: typing.Any) -> ChannelComboBox: ...

class Dialog(Gtk.Dialog, Gtk.Buildable):
    def __init__(
        self,
        title: str = ...,
        role: str = ...,
        parent: Gtk.Widget = ...,
        flags: Gtk.DialogFlags = ...,
        help_func: typing.Any = ...,
        help_id: str = ...,
    ) -> None: ...
    @staticmethod
    def new(
        title: str = ...,
        role: str = ...,
        parent: Gtk.Widget = ...,
        flags: Gtk.DialogFlags = ...,
        help_func: typing.Any = ...,
        help_id: str = ...,
    ) -> Dialog: ...
    def run(self) -> int: ...

class IntComboBox(Gtk.ComboBox, Gtk.Buildable, Gtk.CellEditable, Gtk.CellLayout):
    def get_active(self) -> tuple[bool, int]: ...
    def set_active(self, value: int) -> bool: ...

class IntStoreColumns(enum.IntEnum):
    VALUE = 0
    LABEL = 1

class ProcedureDialog(Dialog, Gtk.Buildable):
    def __init__(
        self, procedure: Gimp.Procedure = ..., config: Gimp.ProcedureConfig = ..., title: str = ...
    ) -> None: ...
    @staticmethod
    def new(
        procedure: Gimp.Procedure = ..., config: Gimp.ProcedureConfig = ..., title: str = ...
    ) -> ProcedureDialog: ...
    def fill(self, properties: list[str]) -> None: ...
    def get_label(
        self, label_id: str = ..., text: str = ..., is_markup: bool = ..., with_mnemonic: bool = ...
    ) -> Gtk.Widget: ...
    def get_widget(self, property: str, widget_type: typing.Any) -> typing.Any: ...
    def run(self) -> bool: ...

def init(prog_name: str = ...) -> None: ...
