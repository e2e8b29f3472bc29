"""With a small disk mounted: a server whose disk gets full. Prints how many fills were lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.cli.on_a_small_disk import fill_up
from tests.server.harness import ServerProcess, fill_with, greeted, make_fill


def main(disk: Path, count: int) -> int:
    server = ServerProcess(disk / "run", "scripted", "--log-level", "debug").ready()
    lost = count
    try:
        fill_up(disk / "other")
        for number in range(count):
            with server.connect() as client, greeted(server):
                fill_with(client, make_fill(fillbyte=number % 256))
                lost -= 1
        assert server.end() == 0
        left = {path.name for path in server.folder.iterdir()} - {"launch.json", "port.json", "server.log"}
        assert not left, left
    finally:
        server.clean_up()
    return lost


if __name__ == "__main__":
    os.environ.setdefault("LAMA_FILL_DATA_DIR", sys.argv[1])
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
