"""The most memory that one window takes, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.models import install
from tests.bench.report import Section

GB = 10**9

#: Width, height, precision, and a target: of the whole process, or above what it had with the weights.
CASES = (
    (1280, 1280, "plain", None, None),
    (1280, 1280, "fp32", None, 0.6),
    (1280, 1280, "bf16", None, 0.6),
    (3840, 2160, "fp32", 4.5, None),
    (3840, 2160, "bf16", 2.6, None),
    (7680, 4320, "bf16", 9.0, None),
)

_CHILD = """
import sys, time
import torch
from lama_core.inference import load_fast
from lama_core.model.installed.load import load_generator
from tests.bench.models import picture

def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024

width, height, precision, model = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
work = load_generator(model) if precision == "plain" else load_fast(model, precision=precision)
image, hole = picture(height, width)
with torch.inference_mode():
    work(image[:, :, :64, :64], hole[:, :, :64, :64])  # what is set up once
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins here
    before = status("VmRSS")
    begin = time.perf_counter()
    work(image, hole)
print(before, status("VmHWM"), time.perf_counter() - begin)
"""


def main() -> Section:
    """Measure each case."""
    section = Section(
        title="Memory",
        note="big-lama's size. Before: the process with torch, the weights and the picture; peak: the most "
        "that the process ever had while it filled one window.",
        columns=("window", "variant", "before, GB", "peak, GB", "above it, GB", "seconds"),
    )
    with tempfile.TemporaryDirectory() as name:
        install(Path(name))
        for precision in ("fp32", "bf16"):
            _measure(Path(name), 64, 64, precision)  # leaves its folded weights in the cache
        measured = [_measure(Path(name), *case[:3]) for case in CASES]
    for (width, height, precision, whole, above), values in zip(CASES, measured, strict=True):
        before, peak, seconds = values
        name = f"{width}x{height}"
        section.row(name, precision, before / GB, peak / GB, (peak - before) / GB, seconds)
        if whole is not None:
            section.figure(f"{name}, {precision}: whole process", peak / GB, "GB", target=whole)
        if above is not None:
            what = f"{name}, {precision}: above the weights"
            section.figure(what, (peak - before) / GB, "GB", target=above)
    return section


def _measure(folder: Path, width: int, height: int, precision: str) -> tuple[float, float, float]:
    """Bytes before, bytes at most, and seconds."""
    model = folder / "models" / "random-big-lama.safetensors"
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(width), str(height), precision, str(model)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LAMA_FILL_CACHE_DIR": str(folder / "cache")},
    )
    before, peak, seconds = map(float, child.stdout.split())
    return before, peak, seconds
