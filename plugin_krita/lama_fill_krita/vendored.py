"""The plug-in's own copies of lama_core, websockets and msgpack.

All of Krita's plug-ins share one interpreter, so another plug-in may have its own websockets, older or newer
than this one's. This plug-in's is imported here, once, and then taken out of `sys.modules` again: no plug-in
gets the other's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent / "private"

SHARED = ("websockets", "msgpack")
"""Packages that other plug-ins may have too, and that are therefore hidden again."""

NEEDED = (
    "lama_core.client.connection",
    "lama_core.client.geometry",
    "lama_core.client.selection",
    "lama_core.client.protocol.messages",
)
"""What the plug-in needs of lama_core and that imports the shared packages."""


def use_private_copies(folder: Path = FOLDER) -> None:
    """Import what is needed from `folder`; where it does not exist, as in a checkout, from wherever it is."""
    if not folder.is_dir():
        return
    others = _take_out()
    sys.path.insert(0, str(folder))
    try:
        for name in NEEDED:
            importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        _take_out()
        sys.modules.update(others)


def _take_out() -> dict[str, ModuleType]:
    """Remove the shared packages from the loaded modules, and return them."""
    names = [name for name in sys.modules if name.partition(".")[0] in SHARED]
    return {name: sys.modules.pop(name) for name in names}
