"""`python -m lama_cli.doctor.device DEVICE`: one matrix product on the device, and what it was.

A process of its own, because torch has no place in the command's, and a broken driver may end a process.
"""

from __future__ import annotations

import json
import sys
import time

SIZE = 512


def main(name: str) -> int:
    """Print one JSON object: the device, the seconds, the product's largest error, and the kernels."""
    import torch

    from lama_core.kernels import best_isa
    from lama_server.worker.devices import choose_device, describe_device

    device = choose_device(name)
    # Every element of the product is known: the sum of 0 to 511, exact in single precision.
    rows = torch.arange(SIZE, dtype=torch.float32, device=device).repeat(SIZE, 1)
    ones = torch.ones(SIZE, SIZE, device=device)
    (rows @ ones).sum().item()  # the first one loads what is needed
    began = time.perf_counter()
    product = (rows @ ones).cpu()
    seconds = time.perf_counter() - began
    error = (product - SIZE * (SIZE - 1) / 2).abs().max().item()
    described = describe_device(device)
    isa = best_isa("fp32")
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "device": described.id,
                "name": described.name,
                "memory_bytes": described.memory_bytes,
                "seconds": seconds,
                "error": error,
                "kernels": "" if isa is None else isa.name,
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
