#!/usr/bin/env python3
"""Where GIMP begins: makes the plug-in's own packages importable and hands over."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Before everything else: what the system has may be another version.
sys.path[:0] = [str(FOLDER), str(FOLDER / "private")]

from lama_fill_gimp.host import main  # noqa: E402

main(sys.argv)
