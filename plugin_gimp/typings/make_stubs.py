"""Type stubs of the little of GIMP's API that the plug-in uses, from GIMP's own descriptions of it.

    pip install gengir==1.0.3        # and ruff
    python plugin_gimp/typings/make_stubs.py FOLDER

FOLDER holds Gimp-3.0.gir, GimpUi-3.0.gir, Gegl-0.4.gir, GObject-2.0.gir and Gtk-3.0.gir, which the
development packages of GIMP and GTK install. gengir makes stubs of all of it, 3 MB; what `host.py` names, and
what that needs, is kept. Signatures follow C there, so `CORRECTIONS` says those that Python has otherwise.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from collections.abc import Container
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST = HERE.parent / "lama-fill" / "lama_fill_gimp" / "host.py"
MODULES = {
    "Gimp": "Gimp-3.0.gir",
    "GimpUi": "GimpUi-3.0.gir",
    "Gegl": "Gegl-0.4.gir",
    "GObject": "GObject-2.0.gir",
    "Gtk": "Gtk-3.0.gir",
}

#: What is otherwise in Python than in C: results that C gives through pointers, or that may be missing,
#: lists, and what PyGObject adds.
CORRECTIONS = {
    ("Gimp", "", "main"): "def main(plug_in_type: typing.Any, args: list[str]) -> int: ...",
    ("Gimp", "", "PARASITE_PERSISTENT"): "PARASITE_PERSISTENT: int",
    ("GObject", "", "TYPE_NONE"): "TYPE_NONE: typing.Any",
    ("GObject", "Object", "__gtype__"): "__gtype__: typing.Any",
    ("Gimp", "Selection", "bounds"): """
@staticmethod
def bounds(image: Image) -> tuple[bool, bool, int, int, int, int]: ...""",
    ("Gimp", "Drawable", "get_offsets"): "def get_offsets(self) -> tuple[bool, int, int]: ...",
    ("Gimp", "Image", "get_channel_by_name"): """
def get_channel_by_name(self, name: str = ...) -> Channel | None: ...""",
    ("Gimp", "Item", "get_by_id"): """
@staticmethod
def get_by_id(item_id: int = ...) -> Item | None: ...""",
    ("Gimp", "Image", "get_layers"): "def get_layers(self) -> list[Layer]: ...",
    ("Gimp", "Image", "get_selected_layers"): "def get_selected_layers(self) -> list[Layer]: ...",
    ("Gimp", "Image", "set_selected_layers"): """
def set_selected_layers(self, layers: list[Layer]) -> bool: ...""",
    ("Gimp", "Image", "get_floating_sel"): "def get_floating_sel(self) -> Layer | None: ...",
    ("Gimp", "Image", "insert_layer"): """
def insert_layer(self, layer: Layer, parent: Layer | None, position: int) -> bool: ...""",
    ("Gimp", "Item", "get_parent"): "def get_parent(self) -> GroupLayer | None: ...",
    ("Gimp", "Item", "get_children"): "def get_children(self) -> list[Layer]: ...",
    ("Gimp", "Item", "get_parasite"): "def get_parasite(self, name: str) -> Parasite | None: ...",
    ("Gimp", "Layer", "get_mask"): "def get_mask(self) -> LayerMask | None: ...",
    ("Gimp", "Layer", "from_mask"): """
@staticmethod
def from_mask(mask: Drawable) -> Layer: ...""",
    ("Gimp", "Parasite", "new"): """
@staticmethod
def new(name: str, flags: int, data: bytes) -> Parasite: ...""",
    ("Gimp", "ImageProcedure", "new"): """
@staticmethod
def new(
    plug_in: PlugIn, name: str, proc_type: PDBProcType, run_func: typing.Any, data: typing.Any
) -> ImageProcedure: ...""",
    ("Gimp", "Procedure", "new_return_values"): """
def new_return_values(self, status: PDBStatusType, error: GLib.Error | None) -> ValueArray: ...""",
    ("Gimp", "Procedure", "set_documentation"): """
def set_documentation(self, blurb: str, help: str, help_id: str | None) -> None: ...""",
    ("Gegl", "Buffer", "get"): """
def get(self, rect: Rectangle, scale: float, format_name: str, repeat_mode: AbyssPolicy) -> bytes: ...""",
    ("Gegl", "Buffer", "set"): "def set(self, rect: Rectangle, format_name: str, src: bytes) -> None: ...",
    ("Gegl", "", "init"): "def init(argv: list[str] | None) -> None: ...",
    ("GObject", "Object", "connect"): "def connect(self, signal: str, handler: typing.Any) -> int: ...",
    ("GObject", "Object", "get_property"): "def get_property(self, name: str) -> typing.Any: ...",
    (
        "GObject",
        "Object",
        "set_property",
    ): "def set_property(self, name: str, value: typing.Any) -> None: ...",
    ("GimpUi", "ChannelComboBox", "new"): """
@staticmethod
def new(constraint: typing.Any, data: typing.Any) -> ChannelComboBox: ...""",
    ("GimpUi", "IntComboBox", "get_active"): "def get_active(self) -> tuple[bool, int]: ...",
    ("Gtk", "ComboBox", "get_model"): "def get_model(self) -> typing.Any: ...",
    ("GimpUi", "ProcedureDialog", "get_widget"): """
def get_widget(self, property: str, widget_type: typing.Any) -> typing.Any: ...""",
    ("GimpUi", "ProcedureDialog", "fill"): "def fill(self, properties: list[str]) -> None: ...",
}

#: Of GLib, whose stubs gengir cannot make, what is used.
GLIB = """\
# What make_stubs.py says of GLib.
import typing

class Error(Exception):
    def __init__(self, message: str) -> None: ...

def dgettext(domain: str, msgid: str) -> str: ...
def timeout_add(interval: int, function: typing.Callable[[], bool]) -> int: ...
"""


def main() -> int:
    """Run the command. Returns the exit status."""
    if len(sys.argv) != 2:
        print("usage: make_stubs.py FOLDER-WITH-GIR-FILES", file=sys.stderr)
        return 2
    named = _named(HOST)
    with tempfile.TemporaryDirectory() as folder:
        sources = [str(Path(sys.argv[1]) / name) for name in MODULES.values()]
        subprocess.run(["gengir", "--no-docs", "-o", folder, *sources], check=True, stdout=subprocess.DEVNULL)
        trees = {name: _parsed(Path(folder) / "repository" / f"{name}.pyi") for name in MODULES}
    place = HERE / "gi" / "repository"
    place.mkdir(parents=True, exist_ok=True)
    (HERE / "gi" / "__init__.pyi").write_text(
        "def require_version(namespace: str, version: str) -> None: ...\n"
    )
    (place / "__init__.pyi").write_text("")
    (place / "GLib.pyi").write_text(GLIB)
    for name, text in _reduced(trees, named).items():
        (place / f"{name}.pyi").write_text(text, encoding="utf-8")
    for step in (["format"], ["check", "--fix"], ["format"]):
        subprocess.run(["ruff", *step, "--quiet", str(place)], check=True)
    return 0


def _parsed(path: Path) -> ast.Module:
    # A type of C that gengir has no word for.
    return ast.parse(path.read_text(encoding="utf-8").replace("long double", "float"))


def _named(path: Path) -> set[str]:
    """Every name in a file that could be one of the API's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return named | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _named_in(path: Path, module: str) -> set[str]:
    """What a file takes from a module."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    }


def _reduced(trees: dict[str, ast.Module], named: set[str]) -> dict[str, str]:
    """The stubs: classes that are named, those they derive from and those in their signatures."""
    classes = {
        (module, node.name): node
        for module, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    waiting = [key for key in classes if key[1] in named]
    kept: dict[tuple[str, str], str] = {}
    while waiting:
        key = waiting.pop()
        if key in kept or key not in classes:
            continue
        module, node = key[0], classes[key]
        bases = [ast.unparse(base) for base in node.bases]
        bases = [base for base in bases if base == "enum.Enum" or _key(module, base) in classes]
        members = _members(module, node, named, classes)
        if bases == ["enum.Enum"]:
            # Some are flags, and in GIMP 3.2 they all are plain numbers.
            bases = ["enum.IntFlag"]
        kept[key] = f"class {node.name}({', '.join(bases)}):\n" + _indented(members or ["..."])
        waiting.extend(_types(module, "\n".join([*bases, *members])))
    texts = {}
    for module, tree in trees.items():
        functions = _members(module, tree, _named_in(HOST, module), classes)
        body = [kept[key] for key in sorted(kept) if key[0] == module] + functions
        others = [*MODULES, "GLib"]
        used = sorted({other for other in others if other != module and f"{other}." in "\n".join(body)})
        head = ["# Made by make_stubs.py from GIMP's .gir files.", "import enum", "import typing"]
        head += [f"from gi.repository import {other}" for other in used]
        texts[module] = "\n".join([*head, "", *body]) + "\n"
    return texts


def _key(module: str, name: str) -> tuple[str, str]:
    """Where a class is that a module calls by this name."""
    place, _, last = name.rpartition(".")
    return place or module, last


def _members(
    module: str, node: ast.ClassDef | ast.Module, named: set[str], classes: Container[tuple[str, str]]
) -> list[str]:
    """The members that are named, as source."""
    owner = node.name if isinstance(node, ast.ClassDef) else ""
    members = {}
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    enumeration = any(ast.unparse(base) == "enum.Enum" for base in bases)
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name in named | {"__init__"}:
            members[item.name] = _signature(module, owner, item, classes)
        elif isinstance(item, ast.Assign):
            name = ast.unparse(item.targets[0])
            # Comparing with every precision goes by names that the file has as texts.
            if enumeration and (name in named or owner == "Precision"):
                members[name] = ast.unparse(item)
            elif name in named:
                members[name] = f"{name}: {type(ast.literal_eval(item.value)).__name__}"
    for (place, where, name), source in CORRECTIONS.items():
        if (place, where) == (module, owner):
            members[name] = source.strip()
    return list(members.values())


def _signature(module: str, owner: str, item: ast.FunctionDef, classes: Container[tuple[str, str]]) -> str:
    """A function without a body, its defaults left open; types that have no stub are anything."""
    anything = ast.Attribute(ast.Name("typing"), "Any")

    def known(annotation: ast.expr | None) -> ast.expr | None:
        source = ast.unparse(annotation) if annotation else "None"
        plain = source in {"None", "str", "int", "float", "bool", "bytes", "list", "typing.Any"}
        return annotation if plain or _key(module, source) in classes else anything

    for default in range(len(item.args.defaults)):
        item.args.defaults[default] = ast.Constant(...)
    for argument in item.args.args:
        if argument.annotation is not None:
            argument.annotation = known(argument.annotation)
    # In C a constructor's result is of a base class.
    item.returns = ast.Name(owner) if owner and item.name.startswith("new") else known(item.returns)
    item.args.vararg = None
    item.body = [ast.Expr(ast.Constant(...))]
    return ast.unparse(item)


def _types(module: str, source: str) -> set[tuple[str, str]]:
    """The classes that a source names."""
    found = set()
    for node in ast.walk(ast.parse(source.replace("class", ""))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in MODULES:
            found.add((node.value.id, node.attr))
        elif isinstance(node, ast.Name):
            found.add((module, node.id))
    return found


def _indented(lines: list[str]) -> str:
    return "\n".join("    " + line for text in lines for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
