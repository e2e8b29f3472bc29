"""How the threads of torch wait for work."""

from __future__ import annotations

import os
import sys


def set_omp_wait_policy() -> None:
    """Have OpenMP's threads sleep between two of torch's operations, where that is the quicker way.

    Call it before torch is imported. By default they spin for a while. On Linux the compiled kernels work on
    these very threads (see `lama_core.kernels`), and find them awake: with two cores small windows take
    a third less time for it. Elsewhere the kernels have threads of their own, which spinning ones keep from a
    core: there large windows would take 10 to 30 % longer. What the user has set stays.
    """
    if sys.platform != "linux":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
