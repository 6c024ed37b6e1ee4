"""A process group for tests: gloo, so that several ranks may share a GPU, or do without one."""

from __future__ import annotations

import os
import random
from typing import Any

import torch
import torch.distributed as dist

from ..._torch import devices


def init_dist(local_rank: int, num_local_ranks: int, seed: int = 0) -> tuple[int, int, Any]:
    """Joins the processes of a test, and makes their device PyTorch's default.

    The address is that of ``MASTER_ADDR`` and ``MASTER_PORT``, else 127.0.0.1:8361; ``WORLD_SIZE`` and ``RANK`` count
    machines, as in DeepEP. Rank ``i`` takes GPU ``i``, modulo the GPUs there are; bfloat16 becomes the default type.

    Returns the rank, the number of ranks and a gloo group of all."""
    machines, machine = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    address, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), os.environ.get("MASTER_PORT", "8361")
    ranks, rank = machines * num_local_ranks, machine * num_local_ranks + local_rank
    simulated = os.environ.get(devices.ENVIRONMENT) == "simulator" or not torch.cuda.is_available()
    if not simulated:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    dist.init_process_group("gloo", init_method=f"tcp://{address}:{port}", world_size=ranks, rank=rank)
    torch.set_default_dtype(torch.bfloat16)
    torch.set_default_device("cpu" if simulated else "cuda")
    _gather_slabs_over_gloo()
    torch.manual_seed(seed + rank)
    random.seed(seed + rank)
    return rank, ranks, dist.new_group(list(range(ranks)))


def _gather_slabs_over_gloo() -> None:
    """Lets ``all_gather_into_tensor`` gather ``[n, …]`` into ``[ranks, n, …]``, which NCCL does and gloo refuses."""
    gather = dist.all_gather_into_tensor
    if getattr(gather, "takes_slabs", False):
        return

    def all_gather_into_tensor(output: torch.Tensor, input: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        if output.dim() == input.dim() + 1:
            output = output.view(-1, *input.shape[1:])
        return gather(output, input, *arguments, **named)

    all_gather_into_tensor.takes_slabs = True  # type: ignore[attr-defined]
    dist.all_gather_into_tensor = all_gather_into_tensor  # type: ignore[assignment]
