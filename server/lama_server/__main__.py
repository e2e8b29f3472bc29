"""`python -m lama_server`: the `lama-fill` command by its former name.

Services and records that an earlier installation wrote start the server so. It is run by name, because the
server imports nothing of the command line.
"""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    runpy.run_module("lama_cli", run_name="__main__", alter_sys=True)
