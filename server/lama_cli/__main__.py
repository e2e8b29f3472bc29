"""`python -m lama_cli` is the `lama-fill` command."""

from __future__ import annotations

import sys

from lama_cli import main

if __name__ == "__main__":
    sys.exit(main())
