"""`python -m tests.bench [NAME...] [--out FOLDER]`: the benches, all or those named, and their report."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from lama_server.threads import prepare_threads

NAMES = (
    "floor",
    "kernels",
    "generator",
    "gpu",
    "memory",
    "load",
    "busy",
    "fills",
    "scans",
    "batch",
    "at_once",
    "server",
    "wire",
    "scaling",
    "web",
    "training",
)


def main() -> None:
    """Run them one after another; what is done so far is written after each."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), metavar="FOLDER")
    parser.add_argument("--document", type=Path, metavar="FILE", help="also put the tables into this one")
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    # As the worker does, before torch is imported.
    prepare_threads()
    from tests.bench.report import write, write_into

    sections = {}
    for name in args.names or NAMES:
        print(f"# {name}", flush=True)
        sections[name] = importlib.import_module(f"tests.bench.{name}").main()
        write(sections, args.out)
        if args.document is not None:
            write_into(args.document, {name: sections[name]})
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
