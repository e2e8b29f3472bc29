"""docs/settings.md, made from the table of settings.

`python -m lama_server.settings_page > docs/settings.md` writes it; a test keeps the two alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from lama_core.client.places import PLACES
from lama_server.settings import Entry, table

_HEAD = """\
# Settings

The server works without any. What can be set, can be set in three places; a later one wins over an earlier
one:

1. **`config.toml`** in the user's configuration folder: `~/.config/lama-fill/` on Linux,
   `~/Library/Application Support/lama-fill/` on macOS, `%LOCALAPPDATA%\\lama-fill\\` on Windows.
   One line for each setting, such as `unload_after = 120`.
2. **Environment variables**, such as `LAMA_FILL_UNLOAD_AFTER=120`.
3. **Flags** of `lama-fill serve`, such as `--unload-after 120`.

A value that is not allowed stops the server from starting, with one line that names the place and what is
allowed. Times are in seconds. `lama-fill stop` and a new start make changes take effect.

"""

_FOOT = """
The environment variable of a setting is `LAMA_FILL_` and its name in capitals; its flag is `--` and its name
with hyphens for underscores.

## Places

These are environment variables only.

"""

_TROUBLE = """
## In case of trouble

These too are environment variables only, and are for finding out what is at fault, or for measurements.

"""

_SWITCHES = (
    (
        "LAMA_FILL_ISA",
        "the most that the compiled kernels may use of the processor: `amx`, `avx512_bf16`, `avx512`, "
        "`avx2` or `portable`; `none` computes everything by torch alone",
    ),
)


def settings_page() -> str:
    """The whole document, Markdown."""
    settings = [(f"`{e.name}`", _default(e), e.wording, e.allowed.about) for e in table()]
    places = [(f"`{name}`", about) for name, about in PLACES.items()]
    switches = [(f"`{name}`", about) for name, about in _SWITCHES]
    return (
        _HEAD
        + _markdown_table(("setting", "default", "allowed", "what it is"), settings)
        + _FOOT
        + _markdown_table(("variable", "what it is"), places)
        + _TROUBLE
        + _markdown_table(("variable", "what it is"), switches)
    )


def _markdown_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _default(entry: Entry) -> str:
    if isinstance(entry.default, bool):
        return f"`{str(entry.default).lower()}`"
    if isinstance(entry.default, str):
        return f"`{entry.default}`" if entry.default else "empty"
    return f"`{entry.default:.10g}`"


if __name__ == "__main__":
    print(settings_page(), end="")
