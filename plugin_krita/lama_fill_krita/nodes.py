"""Where a fill goes, and what it is made from, by the kind of the active node."""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client.errors import LamaFillError
from lama_core.client.plugin.texts import N_, _
from lama_fill_krita.color_space import Space


class RefusalError(LamaFillError):
    """What was asked for cannot be done; the message says what to do instead, in the artist's language."""


@dataclass(frozen=True)
class Node:
    """What is known of a node.

    Attributes:
        key: its unique id.
        name: as the artist sees it.
        kind: as Krita calls it: "paintlayer", "transparencymask".
        space: of its pixels.
        is_pass_through: whether it is a group that its layers are drawn through.
        parent: None at the top level.
    """

    key: str
    name: str
    kind: str
    space: Space
    is_pass_through: bool = False
    parent: Node | None = None


PICTURES = frozenset({"paintlayer", "grouplayer", "vectorlayer", "clonelayer", "filelayer", "filllayer"})
"""Kinds with a picture of their own."""

NAMES = {
    "filterlayer": N_("a filter layer"),
    "transparencymask": N_("a transparency mask"),
    "filtermask": N_("a filter mask"),
    "transformmask": N_("a transform mask"),
    "selectionmask": N_("a selection mask"),
    "colorizemask": N_("a colorize mask"),
}
"""Kinds without a picture, and what they are called."""


def place_of(active: Node) -> Node:
    """The layer that the fill goes above: the active node, or the layer that it is a mask of.

    Raises:
        RefusalError: it is a mask of the whole picture.
    """
    if not active.kind.endswith("mask"):
        return active
    if active.parent is None:
        raise RefusalError(
            _("“{name}” is {kind}: choose the layer that the fill is to go above.").format(
                name=active.name, kind=_(NAMES.get(active.kind, "a mask"))
            )
        )
    return place_of(active.parent)


def check_has_picture(node: Node) -> None:
    """Raises `RefusalError` when a node cannot be what a fill is made from."""
    if node.kind not in PICTURES:
        raise RefusalError(
            _("“{name}” is {kind} and has no picture: choose “What is visible” as the input.").format(
                name=node.name, kind=_(NAMES.get(node.kind, node.kind))
            )
        )
    if node.is_pass_through:
        raise RefusalError(
            _("The group “{name}” passes through: choose “What is visible” as the input.").format(
                name=node.name
            )
        )
    if not node.space.is_known:
        raise RefusalError(
            _("“{name}” has the colour model {model}, which is not known: convert it to RGB.").format(
                name=node.name, model=node.space.model
            )
        )
