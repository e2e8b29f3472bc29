"""Makes the plug-in's package importable, as its own first file does inside GIMP."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugin_gimp" / "lama-fill"))
