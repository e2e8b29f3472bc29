"""Whether the worker's OpenMP really does as it was told, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_WORKER = """
from lama_server.worker.__main__ import make_engine
from lama_server.worker.process import EngineSettings
make_engine(EngineSettings(device="cpu", threads=1, precision="fp32", memory=0))
"""


def shown(**environment: str) -> str:
    """What OpenMP says about itself when the worker's engine loads it."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", _WORKER],
        env={**clean, "OMP_DISPLAY_ENV": "TRUE", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    if "OMP_WAIT_POLICY" not in done.stderr:
        pytest.skip("torch's OpenMP here does not tell")
    return next(line for line in done.stderr.splitlines() if "OMP_WAIT_POLICY" in line)


def test_idle_threads_sleep() -> None:
    assert "PASSIVE" in shown()


def test_what_the_user_has_set_stays() -> None:
    assert "ACTIVE" in shown(OMP_WAIT_POLICY="ACTIVE")
