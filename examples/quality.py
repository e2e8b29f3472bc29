"""Measure what docs/quality.md says, and write its tables: `make quality PHOTOS=FOLDER`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lama_core.client.errors import LamaFillError
from lama_core.inference import load_fast
from lama_core.research.evaluation import experiments, invariants
from lama_core.research.evaluation.experiments import Bench
from lama_core.research.evaluation.report import with_table
from lama_core.research.evaluation.structures.study import knowing, structures

DOCUMENT = Path(__file__).parent.parent / "docs" / "quality.md"

STUDIES: Mapping[str, Callable[[Bench], str]] = {
    "photos": experiments.photos_small,
    "photos-large": experiments.photos_large,
    "periodic": experiments.periodic_small,
    "periodic-large": experiments.periodic_large,
    "structures": structures,
    "knowing": knowing,
    "qualities": experiments.qualities,
    "context": experiments.context,
    "seams": experiments.seams,
    "grain": experiments.grain,
    "soft-selections": invariants.soft_selections,
    "depth": invariants.depth,
    "light": invariants.light,
    "bright": invariants.bright,
    "again": invariants.again,
}


def main() -> int:
    """Run the studies that are wanted, and put each one's table into the document as it is done."""
    parser = argparse.ArgumentParser(description="Measure what docs/quality.md says, and write its tables.")
    parser.add_argument(
        "photos", type=Path, help="folder of photos of 512 pixels: photos/ and masks/KIND/, or photos alone"
    )
    parser.add_argument("--only", default=",".join(STUDIES), help="tables to make, with commas")
    parser.add_argument("--model", default="compact", help="name or path of a model (default: compact)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or xpu (default: cpu)")
    parser.add_argument("--most", type=int, default=34, help="photos of the largest study (default: 34)")
    args = parser.parse_args()
    wanted = args.only.split(",")
    unknown = sorted(set(wanted) - set(STUDIES))
    if unknown:
        parser.error(f"there is no table {', '.join(unknown)}: there are {', '.join(STUDIES)}")
    # The precision that does not depend on the machine.
    generator = load_fast(args.model, device=args.device, precision="fp32")
    bench = Bench(generator=generator, name=Path(args.model).stem, photos=args.photos, most=args.most)
    try:
        for name in wanted:
            begin = time.monotonic()
            table = STUDIES[name](bench)
            # Read again: someone may have written prose meanwhile.
            DOCUMENT.write_text(with_table(DOCUMENT.read_text("utf-8"), name, table), "utf-8")
            print(f"{name}: {time.monotonic() - begin:.0f} s", flush=True)
    except LamaFillError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
