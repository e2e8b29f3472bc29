"""A desktop without a screen, for programs in the chroot: display, window manager, accessibility."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hosts import chroot
from tests.hosts.remote import Remote

SCRIPT = Path(__file__).with_name("in_window.py")
SIZE = (1280, 860)


class Desktop(Remote):
    """Answers calls of the functions in `in_window.py`: they look at windows and use them as people do."""

    def seen(self) -> Image.Image:
        """What is on the screen now."""
        frame = self.folder / "Xvfb_screen0"
        copy = self.folder / "screen.xwd"
        shutil.copy(frame, copy)
        data = copy.read_bytes()
        header = np.frombuffer(data[:100], ">u4")
        size, width, height, line, colours = (int(header[place]) for place in (0, 4, 5, 12, 19))
        rows = np.frombuffer(data, np.uint8, height * line, size + 12 * colours).reshape(height, line)
        pixels = rows[:, : width * 4].reshape(height, width, 4)[:, :, 2::-1]
        return Image.fromarray(np.ascontiguousarray(pixels))


@contextmanager
def desktop(root: Path, folder: Path) -> Iterator[Desktop]:
    folder.mkdir()
    (folder / SCRIPT.name).write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    inside = "/" + folder.relative_to(root).as_posix()
    environment = chroot.inside_environment({"HOME": inside})
    screen = f"{SIZE[0]}x{SIZE[1]}x24"
    with (folder / "xvfb.txt").open("wb") as log:
        display = subprocess.Popen(
            [
                *("chroot", str(root), "Xvfb", "-displayfd", "1", "-screen", "0", screen),
                *("-fbdir", inside, "-nolisten", "tcp"),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert display.stdout is not None
        environment["DISPLAY"] = ":" + display.stdout.readline().decode().strip()
        driver = Desktop(
            root=root,
            folder=folder,
            command=["dbus-run-session", "--", "python3", f"{inside}/{SCRIPT.name}", inside],
            environment=environment,
        )
        try:
            yield driver
        finally:
            driver.close()
    finally:
        display.terminate()
        display.wait(timeout=10)
