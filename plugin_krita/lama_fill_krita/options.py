"""What the artist can choose, and how it is remembered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from lama_core.client.plugin.choices import AUTOMATIC, CHOICES, DialogOptions, names
from lama_core.client.protocol.limits import MAX_NAME

MAX_PIXELS = 256
"""The largest grow and feather of the docker; a fill takes more."""


@dataclass(frozen=True)
class Options(DialogOptions):
    """How to fill, and how to start the server.

    Attributes:
        start_server: whether a fill starts the server when it does not run.
        command: what starts it; "" looks for it.
        server: address of a shared server, without its token; "" for what is set, or this machine's own.
    """

    input: str = "visible"
    start_server: bool = True
    command: str = ""
    server: str = ""

    def to_text(self) -> str:
        """For Krita's configuration."""
        return json.dumps(asdict(self), sort_keys=True)


def from_text(text: str) -> Options:
    """What `to_text` returned, once. Whatever this version does not know is left at its default."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return Options()
    if not isinstance(found, dict):
        return Options()
    known = {field.name: found[field.name] for field in fields(Options) if field.name in found}
    return Options(**{name: value for name, value in known.items() if _is_valid(name, value)})


def _is_valid(name: str, value: object) -> bool:
    if name in ("grow", "feather"):
        return type(value) is int and AUTOMATIC <= value <= MAX_PIXELS
    if name == "start_server":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if name == "model":
        return len(value) <= MAX_NAME
    if name in ("command", "server"):
        return True
    return value in names(CHOICES[name])
