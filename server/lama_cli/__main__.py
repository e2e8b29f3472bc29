"""The process of the `lama-fill` command; `python -m lama_cli` is the same."""

from __future__ import annotations

import gc
import os
import sys

from lama_cli import main

_COLLECT_AFTER = 20_000
"""Objects that are made before the garbage collector looks through the new ones: imports make some hundred
thousand of which none goes, and looking for it took a tenth of their time."""


def run() -> None:
    """Be the process: run the command line and end with its status."""
    gc.set_threshold(_COLLECT_AFTER)
    status = main()
    if sys.argv[1:2] != ["fill"]:
        sys.exit(status)
    # The picture is written and all is said. Taking numpy and libvips apart, object by object, would take as
    # long as a fifth of what is imported.
    for stream in (sys.stdout, sys.stderr):
        if stream:  # there is none without a console on Windows
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
