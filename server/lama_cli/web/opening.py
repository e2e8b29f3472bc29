"""Opens the page in the default browser without telling anybody the token.

What a program is started with every user of the machine can read, so the browser is given a file that only
this user can read, which leads on to the address.
"""

from __future__ import annotations

import contextlib
import subprocess
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lama_core.client.files import write_atomically

FILE: Final = "lama-fill-web.html"
_PAGE: Final = (
    '<!doctype html><meta charset="utf-8"><title>LaMa Fill</title>'
    '<meta http-equiv="refresh" content="0;url={address}"><a href="{address}">LaMa Fill</a>\n'
)
_ASK_SECONDS: Final = 5.0


@contextlib.contextmanager
def opened_in_browser(address: str, folder: Path) -> Iterator[bool]:
    """Open an address; the file that leads there is removed at the end.

    Args:
        address: of the page, with its token.
        folder: of the user's own, where the browser may read.

    Yields:
        Whether there was a browser.
    """
    file = folder / FILE
    # Ctrl+C may come while the browser is being opened.
    try:
        try:
            write_atomically(file, _PAGE.format(address=address).encode(), mode=0o600)
            found = webbrowser.open(file.as_uri())
        except OSError:
            found = False
        yield found
    finally:
        with contextlib.suppress(OSError):
            file.unlink()


def readable_folder(folder: Path, home: Path) -> Path:
    """`folder`, or where the default browser is a Snap, which may not read hidden folders, one of its own."""
    try:
        asked = subprocess.run(
            ["xdg-settings", "get", "default-web-browser"],
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return folder
    # Of a Snap: NAME_NAME.desktop.
    snap, _, rest = asked.partition("_")
    own = home / "snap" / snap / "common"
    return own if rest.endswith(".desktop") and own.is_dir() else folder
