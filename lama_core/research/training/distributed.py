"""Training in several processes, one for each GPU, by torch's DistributedDataParallel.

`torchrun --nproc-per-node N --no-python lama-fill train ...` starts them and says to each which one it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from lama_core.research.training.data import Share

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedContext:
    """Which of how many processes this one is, and where it computes."""

    device: torch.device
    share: Share = Share()  # noqa: RUF009

    @classmethod
    def from_environment(cls, device: str) -> DistributedContext:
        """As torchrun's environment says; a process that is alone is all there is.

        Args:
            device: `cuda` becomes the one of the GPUs that this process has to itself.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls(device=torch.device(device))
        where = torch.device(device)
        if where.type == "cuda":
            where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(where)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
        return cls(device=where, share=Share(part=distributed.get_rank(), of=count))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.share.part == 0

    def with_common_statistics(self, network: Network) -> Network:
        """Let BatchNorm see the pictures of all processes. torch can do so on GPUs only."""
        if self.share.of == 1 or self.device.type != "cuda":
            return network
        converted: Network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted

    def connected(self, network: nn.Module) -> nn.Module:
        """The same network, its gradients averaged over all processes after each backward pass."""
        if self.share.of == 1:
            return network
        # Statistics are not sent around: with SyncBatchNorm they are equal, and without it those of the
        # first process are kept. Sending them would also break two forward passes before one backward pass.
        return DistributedDataParallel(network, broadcast_buffers=False)

    def any(self, value: bool) -> bool:
        """Whether it is true in any process."""
        if self.share.of == 1:
            return value
        flag = torch.tensor(float(value), device=self.device)
        distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
        return bool(flag)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes: (N,) to (N,)."""
        if self.share.of > 1:
            distributed.all_reduce(values)
            values = values / self.share.of
        return values

    def close(self) -> None:
        """Leave the group of processes."""
        if self.share.of > 1 and distributed.is_initialized():
            distributed.destroy_process_group()
