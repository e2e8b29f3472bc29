"""With a disk of 1 MiB mounted: downloads and imports until it is full, and prints what came of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from lama_cli.download import DownloadError, Policy, Wanted, download


def main(disk: Path, wanted: Wanted, weights: Path) -> dict[str, object]:
    return {
        "download": _full_in_the_midst(disk, wanted),
        "no room": _no_room(disk, wanted),
        "import": _import(disk, weights),
    }


def _full_in_the_midst(disk: Path, wanted: Wanted) -> dict[str, object]:
    """Somebody else writes to the disk while a file comes that there was room for."""
    other = disk / "other"

    def progress(done: int, size: int) -> None:
        if done > size // 2 and not other.exists():
            fill_up(other)

    said = ""
    policy = Policy(schemes=frozenset({"http"}), sleep=lambda seconds: None)
    try:
        download(wanted, disk / "models", progress=progress, policy=policy)
    except DownloadError as error:
        said = str(error)
    left = {path.name: path.stat().st_size for path in (disk / "models").iterdir()}
    other.unlink()
    path = download(wanted, disk / "models", progress=lambda done, size: None, policy=policy)
    again = path.stat().st_size
    path.unlink()
    return {"said": said, "left": left, "again": again}


def fill_up(path: Path) -> None:
    """Leave no room on the disk of a path."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _no_room(disk: Path, wanted: Wanted) -> str:
    try:
        download(wanted, disk / "models", progress=lambda done, size: None, room_after=wanted.size)
    except DownloadError as error:
        return str(error)
    return ""


def _import(disk: Path, weights: Path) -> dict[str, object]:
    from lama_cli import main as lama_fill

    os.environ["LAMA_FILL_DATA_DIR"] = str(disk / "data")
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = lama_fill(["models", "import", str(weights)])
    left = [path.name for path in (disk / "data").rglob("*") if path.is_file()]
    return {"status": status, "said": said.getvalue(), "left": left}


if __name__ == "__main__":
    address, size, sha256 = sys.argv[2:5]
    asked = Wanted(name="model.pt", size=int(size), sha256=sha256, mirrors=(address,))
    print(json.dumps(main(Path(sys.argv[1]), asked, Path(sys.argv[5]))))
