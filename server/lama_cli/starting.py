"""Starting the server from the command line."""

from __future__ import annotations

import os
import sys

from lama_core.client.places import COMMAND_VARIABLE


def own_command() -> tuple[str, ...]:
    """What starts the server of this installation, wherever it is; a command that the user set goes first."""
    return () if os.environ.get(COMMAND_VARIABLE) else (sys.executable, "-m", "lama_cli")
