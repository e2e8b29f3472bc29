"""In the real GIMP, with its window: menu, dialog, OK, the new layer, undo, Ctrl+F, messages, cancel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.hosts.conftest import Server, running
from tests.hosts.desktop import Desktop, desktop
from tests.hosts.gimp import Gimp

MENU = ("menu item", "LaMa Fill...")

#: Where pictures of the windows go, for those who look at them. Those in docs/images are made so.
PICTURES = os.environ.get("LAMA_FILL_SCREENSHOTS")


@pytest.fixture(scope="module")
def screen(system: Path, inside_folder: Path) -> Iterator[Desktop]:
    if os.environ.get("LAMA_FILL_SUITE", "trixie") != "trixie":
        pytest.skip("GTK's image loaders of this suite start in a sandbox only, and a chroot cannot make one")
    with desktop(system, inside_folder / "desktop") as shown:
        yield shown


@pytest.fixture(scope="module")
def window(
    system: Path, inside_folder: Path, archives: Mapping[str, Path], server: Server, screen: Desktop
) -> Iterator[Gimp]:
    """GIMP with a photograph open."""
    from skimage import data

    picture = inside_folder / "astronaut.png"
    Image.fromarray(data.astronaut()).save(picture)
    environment = {**server.environment, **screen.call("environment")}
    editor = Gimp.install(
        system, inside_folder / "gimp-window", archives["gimp"], environment, picture=picture
    )
    editor.call("look_at_window")
    screen.call("wait", role="frame", name="[astronaut]")
    screen.call("focus", title="astronaut")
    yield editor
    editor.close()


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def keep(screen: Desktop, name: str) -> None:
    if PICTURES:
        screen.seen().save(Path(PICTURES) / f"gimp-{name}.webp", quality=85)


def test_from_the_menu_to_the_new_layer_and_back(window: Gimp, screen: Desktop) -> None:
    window.call("select_in_window", x=124, y=340, width=92, height=94)
    before = window.call("look_at_window")
    screen.call("click", role=MENU[0], name=MENU[1])
    screen.call("wait", role="dialog", name="LaMa Fill")
    said = [name for _role, name in screen.call("texts")]
    for label in ("Input", "Output", "Context", "Grow", "Feather", "Quality", "Variation", "Model"):
        assert any(label in name for name in said), label
    assert "Help" not in said, "there is no page of it"
    screen.call("move", title="LaMa Fill", x=700, y=120)
    keep(screen, "dialog")
    screen.call("click", role="button", name="OK")
    after = until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == 1)
    assert after["tree"] == ["LaMa Fill", *before["tree"]]
    assert after["sum"] != before["sum"]
    time.sleep(1)
    keep(screen, "result")
    screen.call("focus", title="astronaut")
    screen.call("key", combination="ctrl+z")
    undone = until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == 0)
    assert undone == before
    screen.call("key", combination="ctrl+y")
    assert until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == 1) == after


def test_ctrl_f_repeats_without_a_dialog(window: Gimp, screen: Desktop) -> None:
    before = window.call("look_at_window")
    window.call("select_in_window", x=20, y=380, width=60, height=60)
    screen.call("focus", title="astronaut")
    screen.call("key", combination="ctrl+f")
    after = until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == before["fills"] + 1)
    assert after["sum"] != before["sum"]
    assert not [name for role, name in screen.call("texts") if role == "dialog" and "LaMa Fill" in name]
    # The redo before this made the first fill the active layer: its picture was filled, not the fill.
    assert len(after["tree"]) == len(before["tree"]) + 1


def test_two_layers_are_one_undo_step(window: Gimp, screen: Desktop) -> None:
    window.call("two_layers_in_window")
    window.call("select_in_window", x=200, y=300, width=50, height=40)
    before = window.call("look_at_window")
    screen.call("focus", title="astronaut")
    screen.call("key", combination="ctrl+f")
    until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == before["fills"] + 2)
    screen.call("focus", title="astronaut")
    screen.call("key", combination="ctrl+z")
    undone = until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] <= before["fills"])
    assert undone == before


def test_a_channel_is_chosen_in_the_dialog_and_kept(window: Gimp, screen: Desktop) -> None:
    """The fill of Ctrl+F says that the channel is gone, so it was the channel that the dialog had chosen."""
    window.call("channel_in_window", name="grass", x=0, y=400, width=200, height=100)
    window.call("select_in_window", x=250, y=300, width=50, height=40)
    before = window.call("look_at_window")
    screen.call("click", role=MENU[0], name=MENU[1])
    screen.call("wait", role="dialog", name="LaMa Fill")
    assert any("Copy from" in name for _role, name in screen.call("texts"))
    screen.call("click", role="menu item", name="grass")
    screen.call("move", title="LaMa Fill", x=700, y=120)
    keep(screen, "source")
    screen.call("click", role="button", name="OK")
    until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == before["fills"] + 1)
    window.call("delete_channel_in_window", name="grass")
    screen.call("focus", title="astronaut")
    screen.call("key", combination="ctrl+f")
    until(lambda: screen.call("texts"), lambda texts: any("no channel “grass”" in name for _, name in texts))
    screen.call("key", combination="Escape")
    assert window.call("look_at_window")["fills"] == before["fills"] + 1
    # The dialog of an image without that channel begins with everywhere.
    screen.call("click", role=MENU[0], name=MENU[1])
    screen.call("wait", role="dialog", name="LaMa Fill")
    screen.call("click", role="button", name="OK")
    until(lambda: window.call("look_at_window"), lambda seen: seen["fills"] == before["fills"] + 2)


def test_cancel_in_the_status_bar(window: Gimp, screen: Desktop, server: Server) -> None:
    window.call("enlarge_in_window", side=3000)
    window.call("select_in_window", x=100, y=380, width=60, height=60)
    before = window.call("look_at_window")
    screen.call("click", role=MENU[0], name=MENU[1])
    screen.call("wait", role="dialog", name="LaMa Fill")
    screen.call("click", role="menu item", name="The whole picture")
    screen.call("click", role="button", name="OK")
    until(lambda: running(server), lambda jobs: jobs == 1)
    keep(screen, "progress")
    screen.call("click", role="button", name="Cancel")
    until(lambda: running(server), lambda jobs: jobs == 0)
    assert window.call("look_at_window") == before


def test_no_selection_says_what_to_do(window: Gimp, screen: Desktop) -> None:
    before = window.call("look_at_window")
    window.call("deselect_in_window")
    screen.call("click", role=MENU[0], name=MENU[1])
    said = until(
        lambda: screen.call("texts"), lambda texts: any("nothing to fill" in name for _, name in texts)
    )
    keep(screen, "message")
    assert any("select what should disappear" in name for _role, name in said)
    screen.call("key", combination="Escape")
    assert window.call("look_at_window") == before
