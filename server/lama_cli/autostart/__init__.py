"""Having the operating system start the server, for editors that cannot: those in a Flatpak or Snap."""

from __future__ import annotations

from lama_cli.autostart.base import Autostart, AutostartError, Launch, State
from lama_cli.autostart.choose import autostart_here, launch_here

__all__ = ["Autostart", "AutostartError", "Launch", "State", "autostart_here", "launch_here"]
