"""How many threads the libraries under torch and numpy start, and how they wait for work."""

from __future__ import annotations

import os
import sys

_SPINS = "1000"
"""Turns, of some nanoseconds each, for which an idle thread of GNU's OpenMP stays awake; it takes 300,000."""


def prepare_threads() -> None:
    """Have OpenMP's threads sleep between two of torch's operations, where that is the quicker way.

    Call it before torch and numpy are imported. By default they spin for a while. That is well while nothing
    else runs, but a thread that spins keeps others from its core, those that it waits for too: beside another
    busy program a small fill then took a hundred times as long. On Linux the compiled kernels work on these
    very threads (see `lama_core.kernels`), so there they stay awake for a moment. Elsewhere the kernels have
    threads of their own.

    numpy's OpenBLAS starts no threads at all: it multiplies nothing here but small matrices, and its threads
    spin for a tenth of a second when numpy is imported, while the second core has torch to load. What the
    user has set stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.platform != "linux":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    elif "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
