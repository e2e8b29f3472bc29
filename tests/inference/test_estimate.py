"""The estimate of a prediction's memory is what the process takes: measured in one of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lama_core.inference.estimate import peak_bytes
from lama_core.model import GeneratorConfig

MEASURE = """
import sys
import torch
from lama_core.inference import compile_generator
from lama_core.inference.memory import give_back_freed_memory
from lama_core.model import Generator, GeneratorConfig

def resident(kind):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(kind)) * 1024

torch.set_num_threads(1)
precision, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
fast = compile_generator(Generator(GeneratorConfig(width=64, blocks=1)).eval(), precision=precision)
fast(torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))
give_back_freed_memory()
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = resident("VmRSS")
prediction = fast(torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width))
most = resident("VmHWM") - before
del prediction
give_back_freed_memory()
print(most, resident("VmRSS") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
@pytest.mark.parametrize(("precision", "height", "width"), [("fp32", 512, 640), ("fp32", 1024, 512)])
def test_estimate_is_what_it_takes(precision: str, height: int, width: int) -> None:
    command = [sys.executable, "-c", MEASURE, precision, str(height), str(width)]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    taken, kept = (int(word) for word in words)
    estimated = peak_bytes(GeneratorConfig(width=64, blocks=1), height, width, 4)
    assert 0.5 * estimated < taken < estimated
    assert kept < 0.3 * taken, "the rest was given back"


def test_estimate_grows_with_all_that_it_depends_on() -> None:
    big = GeneratorConfig.big_lama()
    assert peak_bytes(big, 2160, 3840, 4) > 1.3 * peak_bytes(big, 2160, 3840, 2)
    assert peak_bytes(big, 1280, 1280, 2) < peak_bytes(big, 1536, 1280, 2)
    assert peak_bytes(GeneratorConfig.compact(), 1280, 1280, 4) < peak_bytes(big, 1280, 1280, 4)
