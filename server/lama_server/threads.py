"""How the threads of torch wait for work."""

from __future__ import annotations

import os
import sys

_SPINS = "1000"
"""Turns, of some nanoseconds each, for which an idle thread of GNU's OpenMP stays awake; it takes 300,000."""


def set_omp_wait_policy() -> None:
    """Have OpenMP's threads sleep between two of torch's operations, where that is the quicker way.

    Call it before torch is imported. By default they spin for a while. That is well while nothing else runs,
    but a thread that spins keeps others from its core, those that it waits for too: beside another busy
    program a small fill then took a hundred times as long. On Linux the compiled kernels work on these very
    threads (see `lama_core.kernels`), so there they stay awake for a moment. Elsewhere the kernels have
    threads of their own. What the user has set stays.
    """
    if sys.platform != "linux":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    elif "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
