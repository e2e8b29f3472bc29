"""In the real GIMP 2.10, with its window: the menu's entry, progress, the new layer, undo, messages."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.hosts import chroot, pygimp
from tests.hosts.conftest import SUITE, Server
from tests.hosts.desktop import Desktop, desktop
from tests.hosts.gimp210 import Gimp210

pytestmark = pytest.mark.skipif(SUITE != pygimp.SUITE, reason="GIMP 2.10 is tested by make test-hosts-all")

#: Where pictures of the windows go, for those who look at them.
PICTURES = os.environ.get("LAMA_FILL_SCREENSHOTS")

#: A key for the menu's entry, as an artist sets one.
KEYS = '(gtk_accel_path "<Actions>/plug-in/python-fu-lama-fill" "<Primary><Shift>l")\n'


@pytest.fixture(scope="module")
def screen(system: Path, inside_folder: Path) -> Iterator[Desktop]:
    with desktop(system, inside_folder / "desktop") as shown:
        # A window gets keys only where a window manager says whose they are.
        manager = subprocess.Popen(["chroot", str(system), "openbox"], env=dict(shown.environment))
        yield shown
        manager.terminate()
        manager.wait(timeout=10)


@pytest.fixture(scope="module")
def window(
    system: Path, inside_folder: Path, archives: Mapping[str, Path], server: Server, screen: Desktop
) -> Iterator[Gimp210]:
    """GIMP with a photograph open."""
    from skimage import data

    picture = inside_folder / "astronaut.png"
    Image.fromarray(data.astronaut()).save(picture)
    environment = {**server.environment, "DISPLAY": screen.environment["DISPLAY"]}
    del environment["LAMA_FILL_COMMAND"]  # it finds what is in its own folder
    gimp = Gimp210.install(
        system,
        pygimp.python_modules(system),
        inside_folder / "gimp-window",
        archives["gimp210"],
        environment,
        picture=picture,
    )
    (gimp.folder / "profile" / "menurc").write_text(KEYS)
    gimp.call("look_at_window")
    yield gimp
    gimp.close()


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


def press(screen: Desktop, keys: str) -> None:
    """Press keys in the window of the image."""
    script = 'xdotool search --sync --onlyvisible --name "$0" windowactivate --sync && xdotool key "$1"'
    command = ["sh", "-c", script, "astronaut", keys]
    chroot.run(screen.root, command, environment={"DISPLAY": screen.environment["DISPLAY"]}, check=True)


def keep(screen: Desktop, name: str) -> None:
    if PICTURES:
        screen.seen().save(Path(PICTURES) / f"gimp210-{name}.png")


def test_from_the_menu_to_the_new_layer_and_back(window: Gimp210, screen: Desktop) -> None:
    window.call("select_in_window", x=124, y=340, width=92, height=94)
    before = window.call("look_at_window")
    press(screen, "alt+r")
    time.sleep(1)
    keep(screen, "menu")
    press(screen, "Escape")
    press(screen, "Escape")
    press(screen, "ctrl+shift+l")
    after = until(lambda: window.call("look_at_window"), lambda seen: len(seen["tree"]) == 2)
    time.sleep(1)
    keep(screen, "result")
    assert after["tree"] == ["LaMa Fill", *before["tree"]]
    assert after["sum"] != before["sum"]
    assert after["active"] == before["active"]
    press(screen, "ctrl+z")
    assert until(lambda: window.call("look_at_window"), lambda seen: len(seen["tree"]) == 1) == before
    press(screen, "ctrl+y")
    again = until(lambda: window.call("look_at_window"), lambda seen: len(seen["tree"]) == 2)
    assert (again["tree"], again["sum"]) == (after["tree"], after["sum"])


def test_ctrl_f_repeats(window: Gimp210, screen: Desktop) -> None:
    # The redo before this made the fill the active layer: its picture is filled, not the fill.
    before = window.call("look_at_window")
    window.call("select_in_window", x=20, y=380, width=60, height=60)
    press(screen, "ctrl+f")
    after = until(
        lambda: window.call("look_at_window"), lambda seen: len(seen["tree"]) == len(before["tree"]) + 1
    )
    assert after["sum"] != before["sum"]
