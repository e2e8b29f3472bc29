"""The instruction sets that this CPU can run, one after the other."""

from __future__ import annotations

import pytest
import torch

from lama_core import kernels


@pytest.fixture(params=["portable", "avx2", "avx512", "avx512_bf16", "amx"])
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each instruction set, chosen as LAMA_FILL_ISA does; skips what this CPU does not have."""
    lama_fill_kernels = pytest.importorskip(
        "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
    )
    name: str = request.param
    monkeypatch.setenv("LAMA_FILL_ISA", name)
    found = kernels.best_isa("fp32")
    if found != lama_fill_kernels.Isa[name.upper()]:
        pytest.skip(f"this CPU has no {name}")
    return name


@pytest.fixture
def threads(request: pytest.FixtureRequest):
    """Sets torch's threads for a test: call it."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
