"""Whether the worker's OpenMP really does as it was told, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lama_server.threads import prepare_threads

_WORKER = """
from lama_server.worker.__main__ import make_engine
from lama_server.worker.process import EngineSettings
make_engine(EngineSettings(device="cpu", threads=1, precision="fp32", memory=0))
"""


def spins(**environment: str) -> int:
    """How long OpenMP says that its threads wait awake when the worker's engine loads it."""
    clean = {n: value for n, value in os.environ.items() if n not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", _WORKER],
        env={**clean, "OMP_DISPLAY_ENV": "VERBOSE", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    name = "GOMP_SPINCOUNT"
    if name not in done.stderr:
        pytest.skip("torch's OpenMP here does not tell")
    line = next(line for line in done.stderr.splitlines() if name in line)
    return int(line.split("'")[1])


def test_idle_threads_are_awake_where_the_kernels_use_them() -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere the kernels have threads of their own")
    assert 0 < spins() <= 1000, "for a moment, or a busy program beside them stops them"


def test_what_the_user_has_set_stays() -> None:
    assert spins(OMP_WAIT_POLICY="PASSIVE") == 0
    assert spins(OMP_WAIT_POLICY="ACTIVE") > spins()


@pytest.mark.parametrize(
    ("platform", "policy"), [("linux", None), ("win32", "PASSIVE"), ("darwin", "PASSIVE")]
)
def test_idle_threads_sleep_elsewhere(
    monkeypatch: pytest.MonkeyPatch, platform: str, policy: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "platform", platform)
    prepare_threads()
    assert os.environ.get("OMP_WAIT_POLICY") == policy
