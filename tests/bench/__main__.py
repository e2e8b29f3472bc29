"""`python -m tests.bench`: runs every bench of this folder, or those that are named."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.bench


def main(names: list[str]) -> None:
    """Run the benches of these names; all of them when there are none."""
    for name in names or sorted(module.name for module in pkgutil.iter_modules(tests.bench.__path__)):
        if name != "__main__":
            print(f"# {name}")
            importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
