"""Switching the plug-in on in Krita's settings, and touching nothing else there."""

from __future__ import annotations

from pathlib import Path

from lama_core.client.files import OWN_FILE, make_own_folder, write_atomically

_SECTION = "[python]"
_KEY = "enable_lama_fill_krita"
_FORMER_KEY = "enable_lama_fill"
"""What the plug-in was called before 0.2: taken out whenever the switch is set."""


def switch(path: Path, *, on: bool) -> None:
    """Have Krita load the plug-in at its next start, or forget about it. Raises OSError.

    What was made for that is gone again after it was switched off.
    """
    # Bytes of any encoding go through unchanged.
    old = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    lines = [line for line in old.splitlines() if line.partition("=")[0].strip() not in (_KEY, _FORMER_KEY)]
    if on:
        if _SECTION not in lines:
            lines += ([""] if lines else []) + [_SECTION]
        lines.insert(lines.index(_SECTION) + 1, f"{_KEY}=true")
    elif _SECTION in lines:
        at = lines.index(_SECTION)
        if not any(line.strip() and not line.startswith("[") for line in lines[at + 1 : _next(lines, at)]):
            del lines[at : _next(lines, at)]
            while lines and not lines[-1].strip():
                lines.pop()
    new = "".join(f"{line}\n" for line in lines)
    if not new:
        path.unlink(missing_ok=True)
    elif new != old:
        make_own_folder(path.parent)
        mode = None if path.exists() else OWN_FILE
        write_atomically(path, new.encode("utf-8", "surrogateescape"), mode=mode)


def _next(lines: list[str], at: int) -> int:
    """Where the section ends that begins at a line."""
    ends = (number for number in range(at + 1, len(lines)) if lines[number].startswith("["))
    return next(ends, len(lines))
